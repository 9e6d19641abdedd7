"""`heddle run STAGE`: one stage in the foreground, as a container's first process.

The only place that picks implementations. Heavy imports happen inside the function of the stage
that needs them: only generate ever loads torch, only ledger the embedded engine.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heddle import parts, preflight
from streams.kafka.consumer import Intake
from streams.kafka.producer import Producer
from streams.loop.pooled import PooledStage
from streams.loop.runner import Runner
from streams.loop.stage import Limits
from streams.ops import Ops

if TYPE_CHECKING:
    from heddle.settings import Settings
    from inference.engine import Engine
    from streams.loop.stage import Stage
    from streams.stages.finish import Finish

log = logging.getLogger("heddle.run")

READY: Final = ("assigned", "breaker", "draining")


def run(stage: str, settings: Settings) -> int:
    """Run until SIGTERM or ctrl-C; 0 after a clean drain. Raises Unusable or Transient."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    preflight.machine(settings, stage)
    return STAGES[stage](settings, stop)


def _schema(settings: Settings, stop: threading.Event) -> int:
    from heddle.schema_endpoint.server import serve  # noqa: PLC0415 - see the module's docstring

    serve(
        port=settings.whole("SCHEMA_PORT"),
        stop=stop,
        prefix=settings["PREFIX"],
        host=settings["HOST"],
    )
    return 0


def _ledger(settings: Settings, stop: threading.Event) -> int:
    from analytics.endpoint.limits import Limits as LedgerLimits  # noqa: PLC0415
    from analytics.endpoint.question import Passwords, read_tenants  # noqa: PLC0415
    from analytics.endpoint.server import serve  # noqa: PLC0415

    serve(
        data_folder=Path(settings["STACK"]).resolve() / "ledger",
        port=settings.whole("LEDGER_PORT", lowest=1),
        passwords=Passwords(
            writer=settings.required("LEDGER_WRITER_PASSWORD"),
            reader=settings.required("LEDGER_READER_PASSWORD"),
            tenants=read_tenants(settings["LEDGER_TENANTS"]),
        ),
        limits=LedgerLimits(),
        stop=stop,
        host=settings["HOST"],
    )
    return 0


def _route(settings: Settings, stop: threading.Event) -> int:
    from streams.stages.route import Route  # noqa: PLC0415
    from streams.stages.standing import Standing  # noqa: PLC0415

    reach, events = parts.connection(settings, "route"), parts.events(settings, "route")
    work = Route(
        events=events,
        store=parts.store(settings),
        standing=Standing(reach, events),
        house=parts.house(settings),
        intakes=parts.intakes(settings),
    )
    stage = PooledStage(work, threads_max=8, waiting_max=120)
    return _carry(settings, stop, _Carried("route", lambda _: stage, Limits(in_flight_max=128)))


def _generate(settings: Settings, stop: threading.Event) -> int:
    from streams.stages.generate import GenerateStage, Parts  # noqa: PLC0415
    from streams.stages.usage import UsageClock  # noqa: PLC0415
    from streams.stages.wishes import Wishes  # noqa: PLC0415

    reach, events = parts.connection(settings, "generate"), parts.events(settings, "generate")
    usage = UsageClock(parts.worker(settings, "generate"))

    def stage(ops: Ops) -> Stage:
        engine = _engine(settings)
        # Bills depend on it: the price book knows machines by name, not as `auto`.
        worker = usage.runs_on(engine.device_name)
        usage.tell(parts.earlier_lives(settings, worker))
        return GenerateStage(
            Parts(
                engine=engine,
                store=parts.store(settings),
                events=events,
                wishes=Wishes(reach, events),
                usage=usage,
                ops=ops,
            )
        )

    limits = Limits(in_flight_max=96, drain_ms_max=settings.whole("DRAIN_MS"))
    return _carry(settings, stop, _Carried("generate", stage, limits))


def _engine(settings: Settings) -> Engine:
    from inference.build import build_engine  # noqa: PLC0415
    from inference.settings import BUILT_IN_ADAPTERS, BUILT_IN_FOLDER, LoomSettings  # noqa: PLC0415

    further = tuple(Path(text) for text in settings["MODELS"].split(":") if text)
    adapters = [folder] if (folder := settings.path("ADAPTERS")) else []
    kind = settings["ENGINE"]
    loom = LoomSettings(
        models_folders=(*further, BUILT_IN_FOLDER),
        default_model=settings["MODEL"],
        adapters_folders=(*adapters, BUILT_IN_ADAPTERS),
        device=settings["DEVICE"],  # type: ignore[arg-type]  # checked there, with a clear error
        dtype=settings["DTYPE"],  # type: ignore[arg-type]
        threads=settings.whole("THREADS"),
        rows_max=settings.whole("ROWS_MAX", lowest=1),
        step_ms=settings.real("STEP_MS"),
    )
    return build_engine(kind, loom)  # type: ignore[arg-type]


def _finish(settings: Settings, stop: threading.Event) -> int:
    if settings["FINISH_ON"] == "faust":
        return _finish_on_faust(settings)
    stage = PooledStage(
        _finish_work(settings),
        threads_max=settings.whole("PROCESSES", lowest=1) + 2,
        waiting_max=28,
    )
    limits = Limits(in_flight_max=32, drain_ms_max=settings.whole("DRAIN_MS"))
    return _carry(settings, stop, _Carried("finish", lambda _: stage, limits))


def _finish_work(settings: Settings) -> Finish:
    from heddle.finishing import table  # noqa: PLC0415
    from streams.stages.finish import Finish  # noqa: PLC0415
    from streams.stages.pool import CountedPool  # noqa: PLC0415

    return Finish(
        events=parts.events(settings, "finish"),
        store=parts.store(settings),
        pool=CountedPool(processes_max=settings.whole("PROCESSES", lowest=1)),
        table=table(settings),
    )


def _finish_on_faust(settings: Settings) -> int:
    from streams.stages.finish_faust import FaustSettings  # noqa: PLC0415
    from streams.stages.finish_faust import run as run_on_faust  # noqa: PLC0415

    reach = parts.connection(settings, "finish")
    ops = Ops("finish", conditions=READY)
    for condition in ("breaker", "draining"):
        ops.ready(condition, yes=True)
    ops.start(settings.whole("PORT"), host=settings["HOST"])
    preflight.kafka(settings, "finish")
    return run_on_faust(
        FaustSettings(
            connection=reach,
            prefix=settings["PREFIX"],
            batch_max=settings.whole("PROCESSES", lowest=1) + 2,
            limits=Limits(drain_ms_max=settings.whole("DRAIN_MS")),
        ),
        _finish_work(settings),
        producer=Producer(reach, client_id=parts.group(settings, "finish")),
        ops=ops,
    )


def _record(settings: Settings, stop: threading.Event) -> int:
    from analytics.prices import read_prices  # noqa: PLC0415
    from analytics.sink import Sink  # noqa: PLC0415
    from streams.stages.record import Recording  # noqa: PLC0415

    sink = Sink(
        url=settings.required("LEDGER_URL"),
        user="heddle_writer",
        password=settings.required("LEDGER_WRITER_PASSWORD"),
        prices=read_prices(parts.price_text(settings)),
        cluster=settings["LEDGER_CLUSTER"],
    )
    stage = Recording(events=parts.events(settings, "record"), sink=sink)
    limits = Limits(in_flight_max=6_000, careful_max=32)
    return _carry(settings, stop, _Carried("record", lambda _: stage, limits))


def _live(settings: Settings, stop: threading.Event) -> int:
    from streams.live.app import LiveSettings  # noqa: PLC0415
    from streams.live.app import run as run_live  # noqa: PLC0415

    preflight.kafka(settings, "live")
    return run_live(
        LiveSettings(
            connection=parts.connection(settings, "live"),
            port=settings.whole("LIVE_PORT"),
            host=settings["HOST"],
            prefix=settings["PREFIX"],
            partitions=settings.whole("PARTITIONS", lowest=1),
            codec=parts.events(settings, "live").codec,
        )
    )


@dataclass(frozen=True, slots=True)
class _Carried:
    """A stage and how the runner carries it."""

    name: str
    build: Callable[[Ops], Stage]
    limits: Limits


def _carry(settings: Settings, stop: threading.Event, carried: _Carried) -> int:
    """Put a stage on the runner between its topics."""
    stage = carried.name
    ops = Ops(stage, conditions=READY)
    for condition in ("breaker", "draining"):
        ops.ready(condition, yes=True)
    ops.start(settings.whole("PORT"), host=settings["HOST"])
    hops = parts.hops(settings, stage)
    reach, names = parts.connection(settings, stage), parts.stage_topics(settings, stage)
    # First what takes long by itself: a worker loads its libraries while a broker starts.
    built = carried.build(ops)
    preflight.kafka(settings, stage)
    client_id = parts.group(settings, stage)
    runner = Runner(
        built,
        intake=Intake(reach, group=client_id, client_id=client_id, topics=names),
        producer=Producer(reach, client_id=client_id),
        limits=carried.limits,
        ops=ops,
        hops=hops,
    )
    log.info("running", extra={"topics": len(names)})
    try:
        runner.run(stop)
    finally:
        ops.stop()
    return 0


STAGES: Final[dict[str, Callable[[Settings, threading.Event], int]]] = {
    "schema": _schema,
    "ledger": _ledger,
    "route": _route,
    "generate": _generate,
    "finish": _finish,
    "record": _record,
    "live": _live,
}
