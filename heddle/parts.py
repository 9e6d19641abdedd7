"""From settings to parts: connection, codec, shelf, recipes. Built at the edge, once a process."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assets.store import AssetStore, StoreOptions, open_store
from heddle.stack import ends
from postproc.recipe import Recipe, load_recipe, shipped_recipes
from schemas import topics
from schemas.codec import Codec
from schemas.errors import EXIT_USAGE, Unusable
from schemas.schema_registry import ids_of, lookup
from schemas.topics import TIERS, prefixed
from streams.kafka.connection import Connection
from streams.kafka.events import Events
from streams.loop.hops import Hops
from streams.stages.decide import House
from streams.stages.route import Intakes
from streams.stages.usage import Worker, life_of
from streams.tracing import Tracing, otlp_exporter

if TYPE_CHECKING:
    from heddle.settings import Settings
    from schemas.records import UsageMeasured

EXAMPLES: Final = Path(__file__).parent.parent / "examples"


def connection(settings: Settings, stage: str = "") -> Connection:
    """How to reach the cluster; a stage has a group that it may use."""
    return Connection(
        bootstrap=settings.required("BOOTSTRAP"),
        group_protocol=settings["GROUP_PROTOCOL"],
        properties=settings.kafka,
        group=group(settings, stage) if stage else "",
    )


def events(settings: Settings, stage: str) -> Events:
    """Writes and reads events; with an external registry, its ids go on the wire."""
    url, prefix = settings["SCHEMA_REGISTRY_URL"], settings["PREFIX"]
    codec = Codec(ids=ids_of(url, prefix=prefix), lookup=lookup(url)) if url else Codec()
    return Events(codec=codec, prefix=prefix, source=f"/heddle/{stage}")


def store(settings: Settings) -> AssetStore:
    """The shelf; a folder of the local stack where none is set."""
    url = settings["ASSETS"] or (Path(settings["STACK"]).resolve() / "assets").as_uri()
    options = StoreOptions(
        access_key=settings["ASSETS_ACCESS_KEY"],
        secret_key=settings["ASSETS_SECRET_KEY"],
        encryption=settings["ASSETS_ENCRYPTION"],
        kms_key_id=settings["ASSETS_KMS_KEY"],
        ca_file=settings["ASSETS_CA_FILE"],
    )
    return open_store(url, options=options)


def recipes(settings: Settings) -> dict[str, Recipe]:
    """Shipped recipes and those of the operator's folder, which win. Raises Rejected, Unusable."""
    found = dict(shipped_recipes())
    folder = settings.path("RECIPES")
    for path in sorted(folder.glob("*.toml")) if folder else ():
        recipe = load_recipe(path)
        found[recipe.name] = recipe
    if settings["RECIPE"] not in found:
        known = ", ".join(sorted(found))
        raise Unusable(
            f"HEDDLE_RECIPE is {settings['RECIPE']!r}: one of {known}", exit_code=EXIT_USAGE
        )
    return found


def house(settings: Settings) -> House:
    """The installation's defaults for requests that leave things out."""
    return House(
        model=settings["MODEL"],
        recipe=settings["RECIPE"],
        recipes=frozenset(recipes(settings)),
    )


def intakes(settings: Settings) -> Intakes:
    """Intake topics and the tenants each admits. Raises Unusable for a foreign topic name."""
    found: dict[str, frozenset[str]] = {}
    for item in settings["INTAKE"].split(","):
        name, _, tenants = item.strip().partition("=")
        if name != topics.REQUESTED.name and not name.startswith(f"{topics.REQUESTED.name}."):
            line = (
                f"HEDDLE_INTAKE names {name!r}: patterns.requested or patterns.requested.<source>"
            )
            raise Unusable(line, exit_code=EXIT_USAGE)
        found[name] = frozenset(tenants.split("+")) if tenants else frozenset()
    return Intakes(tenants=found)


def stage_topics(settings: Settings, stage: str) -> list[str]:
    """What a stage consumes, with prefix."""
    named = {
        "route": list(intakes(settings).tenants),
        "generate": [topics.ROUTED[tier].name for tier in TIERS],
        "finish": [topics.GENERATED.name],
        "record": [*(t.name for t in topics.TOPICS), *intakes(settings).tenants],
    }
    return [prefixed(settings["PREFIX"], name) for name in dict.fromkeys(named[stage])]


def price_text(settings: Settings) -> str:
    """The price book's text. Raises Unusable where the file cannot be read."""
    path = settings.path("PRICES") or EXAMPLES / "prices.toml"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unusable(f"HEDDLE_PRICES: {path} cannot be read ({error.strerror})") from error


def group(settings: Settings, stage: str) -> str:
    """Consumer group and client id of a stage."""
    return prefixed(settings["PREFIX"], f"heddle.{stage}")


def hops(settings: Settings, stage: str) -> Hops | None:
    """Makes spans of a stage's records; None, and nothing loaded, where no collector is named."""
    if not settings.traces_url:
        return None
    exporter = otlp_exporter(settings.traces_url)
    tracing = Tracing(exporter, stage=stage, group=group(settings, stage))
    return Hops(tracing, events(settings, stage))


def worker(settings: Settings, stage: str) -> Worker:
    """How a worker calls itself in usage events, and this life of it."""
    return Worker(
        name=settings["WORKER"] or socket.gethostname(),
        stage=stage,
        pool=settings["POOL"],
        incarnation=settings["INCARNATION"] or str(uuid.uuid4()),
    )


def earlier_lives(settings: Settings, worker: Worker) -> list[UsageMeasured]:
    """What the supervisor has noted of this worker's lives that were killed, to be told."""
    path = settings.path("ENDS")
    return [
        life_of(
            worker,
            incarnation=life.incarnation,
            started_ms=life.started_ms,
            stopped_ms=life.stopped_ms,
        )
        for life in (ends.read(path) if path is not None else ())
    ]
