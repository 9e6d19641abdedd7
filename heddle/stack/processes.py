"""Which processes a local stack has, in which order, and what each is told about the others."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from heddle.stack import children, kafka, ports
from heddle.stack.kafka import KafkaNode
from heddle.stack.kept import Process
from heddle.stack.layout import StackFolder
from schemas.errors import Unusable
from streams.kafka.admin import broker_answers

SERVICES: Final = ("schema", "ledger")
"""Others need these: they start first, beside the broker, and stop last."""

STAGES: Final = ("route", "generate", "finish", "record", "live")
"""They work on topics: started once those exist."""

LOCAL_TENANT: Final = "studio"
"""Whoever sits at this machine."""

_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "route": ("topics", "models", "tenants", "schema"),
    "generate": ("schema",),
    "finish": ("topics", "schema"),
    "record": ("topics", "schema", "ledger"),
    "live": ("topics", "schema"),
}
_PUBLIC_PORTS: Final = ("kafka", "schema", "ledger", "live")
_READY_S_MAX: Final = 0.5
DRAIN_MS: Final = 6_000
"""Leaves the broker and the ledger their part of STOP_S_MAX; elsewhere a stage may take longer."""
WRITER_PASSWORD: Final = "ledger-writer.password"  # noqa: S105 - a file's name
READER_PASSWORD: Final = "ledger-reader.password"  # noqa: S105 - a file's name


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What may differ from one local stack to another."""

    ports: dict[str, int] = field(default_factory=dict)
    """Chosen ports by name: kafka, schema, ledger, live. Those left out are free ones."""

    partitions: int = 4
    command: tuple[str, ...] = (*children.PYTHON, "-m", "heddle")
    """The heddle command; `run STAGE` or `topics apply` is added."""

    libs: str = str(kafka.DEFAULT_LIBS)
    """Folder of the Kafka jars."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> StackOptions:
        """From HEDDLE_KAFKA_PORT, HEDDLE_SCHEMA_PORT, HEDDLE_LEDGER_PORT, HEDDLE_LIVE_PORT and
        HEDDLE_PARTITIONS; Unusable for what is no number in range."""
        chosen: dict[str, int] = {}
        for name in _PUBLIC_PORTS:
            setting = port_setting(name)
            if environ.get(setting):
                chosen[name] = _whole(environ[setting], setting, lowest=1, highest=65_535)
        given = environ.get("HEDDLE_PARTITIONS") or str(cls().partitions)
        partitions = _whole(given, "HEDDLE_PARTITIONS", lowest=1, highest=1_000)
        return cls(ports=chosen, partitions=partitions)

    def to_json(self) -> str:
        """For another process of ours."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> StackOptions:
        """What `to_json` wrote."""
        told = json.loads(text)
        return cls(**{**told, "command": tuple(told["command"])})


def port_setting(name: str) -> str:
    """The setting that chooses the port called `name`."""
    return f"HEDDLE_{name.upper()}_PORT"


def choose_ports(options: StackOptions, previous: Mapping[str, int]) -> dict[str, int]:
    """A port for everything that listens: as chosen, else as before if still free, else a free one.

    Names: those of the processes, and kafka_controller.
    Unusable (EXIT_PORT_TAKEN) when a chosen one is taken.
    """
    names = ("kafka", "kafka_controller", *SERVICES, *STAGES)
    for name, port in options.ports.items():
        ports.require_free(port, what=name, setting=port_setting(name))
        ports.mark(port)
    fresh = dict(zip(names, ports.free_ports(len(names)), strict=True))
    kept = {
        name: port
        for name, port in previous.items()
        if name in fresh and ports.is_free(port) and ports.mark(port)
    }
    return {**fresh, **kept, **options.ports}


def addresses(
    ports_by_name: Mapping[str, int], folder: StackFolder, *, partitions: int
) -> dict[str, str]:
    """What a client of the stack needs, by setting name. No passwords, but where they lie."""
    at = {name: f"http://{ports.LOOPBACK}:{port}" for name, port in ports_by_name.items()}
    return {
        "HEDDLE_BOOTSTRAP": f"{ports.LOOPBACK}:{ports_by_name['kafka']}",
        "HEDDLE_PARTITIONS": str(partitions),
        "HEDDLE_STACK": str(folder.root),
        "HEDDLE_ASSETS": folder.assets.as_uri(),
        "HEDDLE_SCHEMA_URL": at["schema"],
        "HEDDLE_LEDGER_URL": at["ledger"],
        "HEDDLE_LIVE_URL": at["live"],
        "HEDDLE_LEDGER_WRITER_PASSWORD_FILE": str(folder.run / WRITER_PASSWORD),
        "HEDDLE_LEDGER_READER_PASSWORD_FILE": str(folder.run / READER_PASSWORD),
    }


def stage_environment(
    ports_by_name: Mapping[str, int], folder: StackFolder, *, partitions: int
) -> dict[str, str]:
    """HEDDLE_* of every process of ours, HEDDLE_PORT (its own) apart. Makes the passwords."""
    folder.secret_file(WRITER_PASSWORD)
    folder.secret_file(READER_PASSWORD)
    return {
        **addresses(ports_by_name, folder, partitions=partitions),
        "HEDDLE_SCHEMA_PORT": str(ports_by_name["schema"]),
        "HEDDLE_LEDGER_PORT": str(ports_by_name["ledger"]),
        "HEDDLE_LIVE_PORT": str(ports_by_name["live"]),
        "HEDDLE_DRAIN_MS": str(DRAIN_MS),
        # Threads of a forward that spin while they wait take the cores from all other processes.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def local_processes(
    folder: StackFolder,
    options: StackOptions,
    ports_by_name: Mapping[str, int],
    *,
    base: Mapping[str, str],
) -> tuple[Process, ...]:
    """All processes in start order. `base`: the environment ours are added to.

    Prepares the broker's storage on the way (see kafka.prepare for what it raises).
    """
    told = stage_environment(ports_by_name, folder, partitions=options.partitions)
    ours = _Ours(folder, options, ports_by_name, env={**base, **told})
    return (
        _broker(folder, options, ports_by_name),
        *(ours.process(name, after=()) for name in SERVICES),
        ours.once("topics", "topics", "apply", after=("kafka", "schema")),
        # Before the first request: the built-in model is in the book, this machine has its tenant.
        ours.once("models", "models", "apply", after=("topics",)),
        ours.once("tenants", "tenants", "set", LOCAL_TENANT, "--if-unknown", after=("topics",)),
        *(ours.process(name, after=_NEEDS[name]) for name in STAGES),
    )


@dataclass(frozen=True, slots=True)
class _Ours:
    """What all processes of our own code share."""

    folder: StackFolder
    options: StackOptions
    ports_by_name: Mapping[str, int]
    env: Mapping[str, str]

    def once(self, name: str, *words: str, after: tuple[str, ...]) -> Process:
        """A command that has to succeed before others start."""
        return Process(
            name=name,
            argv=(*self.options.command, *words),
            env=self.env,
            log=self.folder.log(name),
            after=after,
            one_shot=True,
        )

    def process(self, name: str, *, after: tuple[str, ...]) -> Process:
        """`heddle run NAME`; on its port it also answers /livez, /readyz and /metrics."""
        port = self.ports_by_name[name]
        # Of the stages, generate alone tells its machine time.
        ends = self.folder.ends(name) if name == "generate" else None
        told = {} if ends is None else {"HEDDLE_ENDS": str(ends)}
        return Process(
            name=name,
            argv=(*self.options.command, "run", name),
            env={**self.env, "HEDDLE_PORT": str(port), **told},
            log=self.folder.log(name),
            after=after,
            ready=lambda: http_ready(port),
            alive=lambda: http_ready(port, path="/livez"),
            port=port,
            ends=ends,
        )


def _broker(
    folder: StackFolder, options: StackOptions, ports_by_name: Mapping[str, int]
) -> Process:
    node = KafkaNode(
        folder=folder.kafka,
        log=folder.log("kafka"),
        port=ports_by_name["kafka"],
        controller_port=ports_by_name["kafka_controller"],
        libs=Path(options.libs),
    )
    kafka.prepare(node)
    return Process(
        name="kafka",
        argv=tuple(kafka.argv(node)),
        env=kafka.environment(),
        # What the JVM says before its own log opens goes to the same file.
        log=node.log,
        ready=lambda: kafka_ready(node),
        port=node.port,
        cwd=node.folder,
    )


def kafka_ready(node: KafkaNode) -> bool:
    """Whether the broker answers the admin client. A closed port is told apart at once."""
    return ports.port_answers(node.port, timeout_s=_READY_S_MAX) and broker_answers(
        node.bootstrap, timeout_s=_READY_S_MAX
    )


def http_ready(port: int, *, path: str = "/readyz") -> bool:
    """Whether GET `path` on `port` answers 200 in time."""
    with closing(http.client.HTTPConnection(ports.LOOPBACK, port, timeout=_READY_S_MAX)) as asked:
        try:
            asked.request("GET", path)
            return asked.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def _whole(text: str, setting: str, *, lowest: int, highest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if not lowest <= number <= highest:
        raise Unusable(f"{setting} is {text!r}: must be a whole number, {lowest} to {highest}")
    return number
