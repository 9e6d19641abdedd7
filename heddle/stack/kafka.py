"""Apache Kafka on this machine: one node, KRaft, broker and controller in one JVM, no Docker.

The jars come from set-up (`make setup`); this module formats the storage, writes the settings and
says how to start the broker. It keeps no broker alive: the supervisor does. Loopback only and
without authentication: a broker for one machine, never for a network.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from heddle.stack import children, diagnosis, ports
from schemas.errors import MissingPart, Unusable
from streams.kafka.admin import broker_answers

PORT_SETTING = "HEDDLE_KAFKA_PORT"
CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_LIBS = CHECKOUT / ".parts" / "kafka" / "libs"

_FORMAT_S_MAX = 60.0
_START_S_MAX = 90.0
_STOP_S_MAX = 10.0
_PORT_TRIES_MAX = 3
_FREE_BYTES_MIN = 256 * 1024 * 1024

_SERVER_PROPERTIES = """\
# Written by heddle at every start; changes made here are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=BROKER://{host}:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs=data

# Nothing is created unasked: `heddle topics apply` makes the topics.
auto.create.topics.enable=false

# One node: one copy of everything.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4

# A person waits for the first message: no grace period for members that will not come.
group.initial.rebalance.delay.ms=0
# A worker that was killed keeps its partitions for as long as this: 45 s at Kafka's own settings.
group.consumer.min.session.timeout.ms=6000
group.consumer.session.timeout.ms=10000
group.consumer.min.heartbeat.interval.ms=2000
group.consumer.heartbeat.interval.ms=3000
log.retention.check.interval.ms=60000
# After a kill the controller holds the old registration for as long as this: 14 s at Kafka's 9000.
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
# At rest the controller would otherwise write to its log twice a second: a third of all idle work.
metadata.max.idle.interval.ms=5000

# Small: the cleaner alone would take 128 MB of the heap.
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
background.threads=4
"""

_LOG4J = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN">
  <Appenders>
    <RollingFile name="file" fileName="{log}" filePattern="{log}.%i">
      <PatternLayout pattern="%d{{ISO8601}} %-5p %c{{1}} %m%n"/>
      <SizeBasedTriggeringPolicy size="10MB"/>
      <DefaultRolloverStrategy max="2"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Root level="INFO"><AppenderRef ref="file"/></Root>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="WARN"/>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How a broker differs from the open one of a local stack; nothing by default."""

    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Broker properties that win over ours; `{port}` and `{controller_port}` are filled in."""

    format_options: tuple[str, ...] = ()
    """Of the storage's format, as `--add-scram`: users that exist before the first start."""

    client: Mapping[str, str] = field(default_factory=dict, repr=False)
    """librdkafka properties with which the broker may be asked whether it is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaNode:
    """One broker: where it lives and where it listens."""

    folder: Path
    """Settings and data; kept between starts, the data survive. Absolute."""

    log: Path
    """What the broker says, at most three files of 10 MB. Absolute."""

    port: int
    controller_port: int
    libs: Path = DEFAULT_LIBS
    """Folder of jars."""

    security: Security = field(default_factory=Security)

    @property
    def bootstrap(self) -> str:
        """Address for clients, `host:port`."""
        return f"{ports.LOOPBACK}:{self.port}"


def prepare(node: KafkaNode) -> None:
    """Write the settings and format the storage where that was not yet done.

    MissingPart without Java or the jars; Unusable on a taken port, a full disk or a failed format.
    """
    java = require_parts(node.libs)
    ports.require_free(node.port, what="Kafka", setting=PORT_SETTING)
    ports.require_free(node.controller_port, what="Kafka's controller", setting=PORT_SETTING)
    node.folder.mkdir(parents=True, exist_ok=True)
    node.log.parent.mkdir(parents=True, exist_ok=True)
    diagnosis.require_room(node.folder, free_bytes_min=_FREE_BYTES_MIN, what="Kafka's data")
    settings = _SERVER_PROPERTIES.format(
        host=ports.LOOPBACK, port=node.port, controller_port=node.controller_port
    )
    for name, value in node.security.properties.items():
        # The last line of a name wins.
        filled = value.format(port=node.port, controller_port=node.controller_port)
        settings += f"{name}={filled}\n"
    (node.folder / "server.properties").write_text(settings, encoding="utf-8")
    (node.folder / "server.properties").chmod(0o600)
    (node.folder / "log4j2.xml").write_text(_LOG4J.format(log=node.log), encoding="utf-8")
    _format_once(node, java)


def argv(node: KafkaNode) -> list[str]:
    """Command of the broker; run it in `node.folder`. MissingPart without Java or the jars."""
    return [
        require_parts(node.libs),
        "-Xms64m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        # Half the start's CPU time (2.4 s, not 4.3): the full compiler pays off on busy clusters.
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={node.folder / 'log4j2.xml'}",
        "-cp",
        f"{node.libs}/*",
        "kafka.Kafka",
        "server.properties",
    ]


def environment() -> dict[str, str]:
    """What the JVM needs of ours: the path and the locale, not the settings of the stack."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "JAVA_HOME")
    return {name: os.environ[name] for name in kept if name in os.environ}


def require_parts(libs: Path) -> str:
    """Path of `java`; MissingPart, with the command to type, when it or the jars are missing."""
    java = shutil.which("java")
    if java is None:
        raise MissingPart(
            "Java 17 or later is missing: type `make setup`,"
            " or `sudo apt-get install openjdk-17-jre-headless`"
        )
    if not any(libs.glob("kafka_*.jar")):
        raise MissingPart(f"the Kafka jars are missing from {libs}: type `make setup`")
    return java


@contextmanager
def running(
    folder: Path,
    *,
    port: int = 0,
    libs: Path = DEFAULT_LIBS,
    security: Security | None = None,
) -> Iterator[str]:
    """A broker of one's own while the block runs; yields its bootstrap address.

    `port` 0 chooses a free one. Data lie in `folder` and survive. The broker ends with the block,
    or with the thread that entered it, however that ends.
    """
    wanted = KafkaNode(
        folder=folder.resolve(),
        log=folder.resolve() / "kafka.log",
        port=port,
        controller_port=0,
        libs=libs,
        security=security or Security(),
    )
    node, child = _start_somewhere(wanted)
    try:
        yield node.bootstrap
    finally:
        children.end(child, grace_s=_STOP_S_MAX)


def wait_ready(
    node: KafkaNode,
    child: subprocess.Popen[bytes],
    *,
    timeout_s: float = _START_S_MAX,
    since_bytes: int = 0,
) -> None:
    """Return when the broker answers; Unusable, with the reason from its log, when it does not."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if children.has_exited(child):
            break
        # The bare connection first: asking a closed port through the client takes the whole wait.
        if ports.port_answers(node.port, timeout_s=0.5) and broker_answers(
            node.bootstrap, timeout_s=2.0, properties=node.security.client
        ):
            return
        time.sleep(0.1)
    raise Unusable(f"Kafka did not start: {diagnosis.from_log(node.log, since_bytes=since_bytes)}")


def _start_somewhere(wanted: KafkaNode) -> tuple[KafkaNode, subprocess.Popen[bytes]]:
    """Start, and where the port was free to choose, choose again if a neighbour was faster."""
    tries = 1 if wanted.port else _PORT_TRIES_MAX
    for attempt in range(1, tries + 1):
        chosen, controller_port = ports.free_ports(2)
        node = replace(wanted, port=wanted.port or chosen, controller_port=controller_port)
        prepare(node)
        since_bytes = node.log.stat().st_size if node.log.exists() else 0
        child = children.spawn(argv(node), env=environment(), log=node.log, cwd=node.folder)
        try:
            wait_ready(node, child, since_bytes=since_bytes)
        except BaseException as reason:
            children.end(child, grace_s=_STOP_S_MAX)
            if not isinstance(reason, Unusable) or attempt == tries:
                raise
            continue
        return node, child
    raise AssertionError("unreachable: the last try returns or raises")


def new_cluster_id() -> str:
    """A random UUID as Kafka writes them: 22 characters of URL-safe base64."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        # One in 64 begins with a dash, which Kafka's tools take for an option.
        if not text.startswith("-"):
            return text


def _format_once(node: KafkaNode, java: str) -> None:
    """Give the storage its cluster id. A format cut short is begun anew, a finished one kept."""
    done = node.folder / "formatted"
    if done.exists():
        return
    with suppress(FileNotFoundError):
        shutil.rmtree(node.folder / "data")
    cluster_id = new_cluster_id()
    command = [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m"]
    command += ["-cp", f"{node.libs}/*", "kafka.tools.StorageTool", "format"]
    command += ["-t", cluster_id, "-c", "server.properties", *node.security.format_options]
    try:
        answer = subprocess.run(
            command,
            cwd=node.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=_FORMAT_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as reason:
        raise Unusable(
            f"formatting Kafka's storage in {node.folder} took over {_FORMAT_S_MAX:g} s:"
            " the machine is overloaded or the disk hangs; try again"
        ) from reason
    if answer.returncode:
        said = (answer.stderr or answer.stdout).strip().splitlines()[-1:]
        raise Unusable(f"formatting Kafka's storage in {node.folder} failed: {''.join(said)}")
    done.write_text(cluster_id + "\n", encoding="ascii")
