"""Every setting, read once at the edge. Nothing deeper ever looks at the environment.

A setting comes from `HEDDLE_<NAME>`; a secret also from the file that `HEDDLE_<NAME>_FILE` names.
`HEDDLE_KAFKA_<PROPERTY>` passes any librdkafka property through (dots written as underscores).
`docs/settings.md` is this table; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schemas.errors import EXIT_USAGE, Unusable

HEAD: Final = "HEDDLE_"
KAFKA_HEAD: Final = "HEDDLE_KAFKA_"
HIDDEN: Final = "********"
SECRET_BYTES_MAX: Final = 65_536
_SECRET_WORDS: Final = ("password", "secret", "key.pem", "jaas", "token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its name without the head, default and meaning."""

    name: str
    default: str
    meaning: str
    secret: bool = False
    choices: tuple[str, ...] = ()


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(name="BOOTSTRAP", default="127.0.0.1:9092", meaning="Kafka's bootstrap servers"),
    Setting(name="PREFIX", default="", meaning="Put before every topic, group and client id"),
    Setting(
        name="GROUP_PROTOCOL",
        default="consumer",
        meaning="consumer needs a broker of 4.0 or newer; classic works with older ones",
        choices=("consumer", "classic"),
    ),
    Setting(name="PARTITIONS", default="12", meaning="Partitions of every patterns topic"),
    Setting(name="REPLICATION", default="1", meaning="Replicas of topics that we create"),
    Setting(
        name="INTAKE",
        default="patterns.requested",
        meaning="Intake topics, comma-separated; `topic=tenant+tenant` admits these tenants alone",
    ),
    Setting(name="HOST", default="127.0.0.1", meaning="Address that ports are opened on"),
    Setting(name="PORT", default="0", meaning="Port of /livez, /readyz and /metrics; 0: any free"),
    Setting(name="STACK", default=".heddle", meaning="Folder of the local stack"),
    Setting(name="ASSETS", default="", meaning="The shelf: file:///folder or s3://bucket/prefix"),
    Setting(name="ASSETS_ACCESS_KEY", default="", meaning="S3 access key"),
    Setting(name="ASSETS_SECRET_KEY", default="", meaning="S3 secret key", secret=True),
    Setting(
        name="ASSETS_ENCRYPTION",
        default="",
        meaning="Encryption at rest: empty for the bucket's own, s3, or kms",
        choices=("", "s3", "kms"),
    ),
    Setting(name="ASSETS_KMS_KEY", default="", meaning="Key id for kms"),
    Setting(name="ASSETS_CA_FILE", default="", meaning="Authorities to trust for S3, a PEM file"),
    Setting(name="LEDGER_URL", default="", meaning="ClickHouse over HTTP, embedded or a server"),
    Setting(
        name="LEDGER_CLUSTER",
        default="",
        meaning="Cluster of a replicated ClickHouse, for tables made ON CLUSTER; else empty",
    ),
    Setting(name="LEDGER_WRITER_PASSWORD", default="", meaning="Of heddle_writer", secret=True),
    Setting(name="LEDGER_READER_PASSWORD", default="", meaning="Of heddle_reader", secret=True),
    Setting(
        name="LEDGER_USER",
        default="heddle_reader",
        meaning="As whom commands ask the ledger; heddle_reader_TENANT sees that tenant alone",
    ),
    Setting(
        name="LEDGER_TENANTS",
        default="",
        meaning="Passwords of readers who see one tenant: tenant=password, one a line or by commas",
        secret=True,
    ),
    Setting(name="PRICES", default="", meaning="Price book, TOML; examples/prices.toml when empty"),
    Setting(name="LEDGER_PORT", default="8123", meaning="Port that `heddle run ledger` opens"),
    Setting(name="SCHEMA_URL", default="", meaning="The schema endpoint of this installation"),
    Setting(name="SCHEMA_PORT", default="8081", meaning="Port that `heddle run schema` opens"),
    Setting(
        name="SCHEMA_REGISTRY_URL",
        default="",
        meaning="An external Schema Registry, whose ids then go on the wire",
    ),
    Setting(name="LIVE_URL", default="", meaning="The live view, for progress"),
    Setting(name="LIVE_PORT", default="8090", meaning="Port that `heddle run live` opens"),
    Setting(
        name="ENGINE",
        default="diffusion",
        meaning="diffusion, or stand-in: a deterministic engine without a model, for tests",
        choices=("diffusion", "stand-in"),
    ),
    Setting(
        name="DEVICE",
        default="auto",
        meaning="auto: a GPU where there is one; cpu; cuda: a GPU or nothing",
        choices=("auto", "cpu", "cuda"),
    ),
    Setting(name="DTYPE", default="auto", meaning="auto, float32, bfloat16 or float16"),
    Setting(name="THREADS", default="0", meaning="Threads of one forward on a CPU; 0: torch's own"),
    Setting(name="MODELS", default="", meaning="Further model folders, colon-separated"),
    Setting(
        name="ADAPTERS",
        default="",
        meaning="Folder of further LoRA files, <name>.safetensors; the shipped ones come last",
    ),
    Setting(name="MODEL", default="swatch", meaning="Model family where a request names none"),
    Setting(name="ROWS_MAX", default="8", meaning="Tiles that share a forward at most"),
    Setting(name="STEP_MS", default="0", meaning="Stand-in engine: cost of a step"),
    Setting(name="POOL", default="default", meaning="Which pool a generate worker belongs to"),
    Setting(name="WORKER", default="", meaning="Name of this worker; its host name when empty"),
    Setting(
        name="INCARNATION",
        default="",
        meaning="Name of this life of a worker, where its supervisor gives one",
    ),
    Setting(
        name="ENDS",
        default="",
        meaning="The supervisor's file of earlier lives that were killed, to be told",
    ),
    Setting(name="RECIPE", default="web-preview", meaning="Recipe where a request names none"),
    Setting(name="RECIPES", default="", meaning="Folder of further recipes"),
    Setting(
        name="NETWORK",
        default="",
        meaning="ONNX file for recipes that enlarge by network; the table's own when empty",
    ),
    Setting(
        name="PRESS_PROFILE",
        default="",
        meaning="The mill's CMYK profile, an ICC file; a generic one when empty",
    ),
    Setting(
        name="SIGN_CHAIN",
        default="",
        meaning="C2PA certificates, a PEM file, leaf first; files are signed where this is set",
    ),
    Setting(name="SIGN_KEY", default="", meaning="C2PA private key, PEM", secret=True),
    Setting(
        name="SIGN_ALGORITHM",
        default="es256",
        meaning="Of the key",
        choices=("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"),
    ),
    Setting(name="CREATOR", default="", meaning="Said in the XMP of every finished file"),
    Setting(name="RIGHTS", default="", meaning="Said in the XMP of every finished file"),
    Setting(
        name="FINISH_ON",
        default="loop",
        meaning="Which runner carries finish",
        choices=("loop", "faust"),
    ),
    Setting(name="PROCESSES", default="2", meaning="Processes of the finishing pool"),
    Setting(name="DRAIN_MS", default="25000", meaning="Budget for finishing up after SIGTERM"),
    Setting(
        name="CLOCK_SKEW_MS",
        default="30000",
        meaning="How far clocks of ours may differ; a stage looks once, at its start",
    ),
    Setting(name="LOG", default="auto", meaning="auto: JSON unless a terminal; json; text"),
    Setting(name="LOG_LEVEL", default="info", meaning="debug, info, warning or error"),
)
_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings with their sources. Raises Unusable, naming the setting, on a bad value."""

    _values: Mapping[str, str] = field(repr=False)
    _sources: Mapping[str, str]
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)
    """librdkafka properties that pass through."""
    traces_url: str = ""
    """Where spans go, OTLP over HTTP; empty: nowhere."""

    def __getitem__(self, name: str) -> str:
        """Text of a setting, by its name without the head."""
        return self._values[name]

    def whole(self, name: str, *, lowest: int = 0) -> int:
        """A whole number, at least `lowest`."""
        text = self._values[name]
        if not text.isascii() or not text.isdecimal() or int(text) < lowest:
            raise _wrong(name, text, f"a whole number, {lowest} or more")
        return int(text)

    def real(self, name: str) -> float:
        """A number, 0 or more."""
        try:
            number = float(self._values[name])
        except ValueError as error:
            raise _wrong(name, self._values[name], "a number") from error
        return number

    def required(self, name: str) -> str:
        """A setting that has to be there."""
        if not self._values[name]:
            raise Unusable(
                f"{HEAD}{name} is not set: {_BY_NAME[name].meaning}", exit_code=EXIT_USAGE
            )
        return self._values[name]

    def path(self, name: str) -> Path | None:
        """A path; None where empty."""
        return Path(self._values[name]) if self._values[name] else None

    def shown(self) -> list[tuple[str, str, str]]:
        """(name, value with secrets hidden, source) of all, for people."""
        rows = [
            (
                f"{HEAD}{name}",
                HIDDEN if _BY_NAME[name].secret and value else value,
                self._sources[name],
            )
            for name, value in self._values.items()
        ]
        if self.traces_url:
            rows.append(("traces", self.traces_url, "environment (OTEL_EXPORTER_OTLP_*)"))
        return rows + [
            (f"kafka {name}", HIDDEN if _is_secret(name) else value, "environment")
            for name, value in sorted(self.kafka.items())
        ]


def read(environ: Mapping[str, str], stack: Mapping[str, str] | None = None) -> Settings:
    """Settings from an environment, then from the local stack's addresses, then the defaults.

    Raises Unusable for an impossible one.
    """
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        value, source = _one(setting, environ)
        if source == "default" and stack:
            value, source = _one(setting, stack)
            source = source if source == "default" else "stack.json"
        values[setting.name], sources[setting.name] = value, source
        if setting.choices and values[setting.name] not in setting.choices:
            known = ", ".join(choice or "(empty)" for choice in setting.choices)
            raise _wrong(setting.name, values[setting.name], f"one of {known}")
    return Settings(values, sources, _kafka(environ), _traces_url(environ))


def _one(setting: Setting, environ: Mapping[str, str]) -> tuple[str, str]:
    name = f"{HEAD}{setting.name}"
    if name in environ:
        return environ[name], "environment"
    file = environ.get(f"{name}_FILE") if setting.secret else None
    if not file:
        return setting.default, "default"
    try:
        with Path(file).open(encoding="utf-8") as opened:
            return opened.read(SECRET_BYTES_MAX).strip(), f"{name}_FILE"
    except OSError as error:
        raise Unusable(f"{name}_FILE: {file} cannot be read ({error.strerror})") from error


def _traces_url(environ: Mapping[str, str]) -> str:
    """OpenTelemetry's own variables: the traces' endpoint as it is, else the base with its path."""
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return ""
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip().rstrip("/")
    whole = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    return whole or (f"{base}/v1/traces" if base else "")


def _kafka(environ: Mapping[str, str]) -> dict[str, str]:
    reserved = {f"{KAFKA_HEAD}PORT"}
    found = {
        name[len(KAFKA_HEAD) :].lower().replace("_", "."): value
        for name, value in environ.items()
        if name.startswith(KAFKA_HEAD) and name not in reserved and not name.endswith("_FILE")
    }
    for name, file in environ.items():
        if name.startswith(KAFKA_HEAD) and name.endswith("_FILE"):
            secret = Setting(name=name[len(HEAD) : -5], default="", meaning="", secret=True)
            value, _ = _one(secret, {name: file})
            found[name[len(KAFKA_HEAD) : -5].lower().replace("_", ".")] = value
    return found


def _is_secret(name: str) -> bool:
    return any(word in name for word in _SECRET_WORDS)


def _wrong(name: str, text: str, limit: str) -> Unusable:
    shown = HIDDEN if name in _BY_NAME and _BY_NAME[name].secret else repr(text[:80])
    return Unusable(f"{HEAD}{name} is {shown}: {limit}", exit_code=EXIT_USAGE)
