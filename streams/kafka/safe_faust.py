"""The safe subset of Faust, said once for the two rooms that use it.

Faust can commit past a record that is still being worked on (acks out of order, generators closed
by a crash, agents restarted by their supervisor). Here it cannot: what goes to the broker is never
beyond `Watermarks`, our own gap-safe ledger, whatever Faust believes was acked. Nothing is created
unasked, no web server, no leader topic, no redirected stdout, raw bytes, classic protocol.

Imports no Faust: its only users hand the package in as `vendor`.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas import metrics
from schemas.errors import EXIT_UNUSABLE, Unusable
from streams.kafka.message import Message, Place
from streams.kafka.offsets import PartitionLedger

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.ops import Ops

log = logging.getLogger("heddle.faust")

WATCH_S: Final = 5.0
SESSION_S: Final = 10.0
"""A worker that died frees its partitions after that long."""
GIVE_UP_S_MAX: Final = 10.0
COMMIT_S: Final = 1.0
REQUEST_S_MAX: Final = 30.0
DELIVERY_S_MAX: Final = 300.0
"""A broker may be away that long before a send counts as failed."""
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_SECURITY: Final = frozenset(
    {
        "security.protocol",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
        "enable.ssl.certificate.verification",
    }
)

TopicPartition = tuple[str, int]


class Watermarks:
    """How far each partition may be committed: up to the first record taken and not finished."""

    def __init__(self) -> None:
        self._ledgers: dict[TopicPartition, PartitionLedger] = {}

    def take(self, place: TopicPartition, offset: int) -> None:
        """A record has reached us.

        One that comes a second time means that Faust went back to the committed offset, as it does
        at the end of a recovery: what was in flight comes again as well, so we begin anew there.
        """
        ledger = self._ledgers.get(place)
        if ledger is None or ledger.was_taken(offset):
            ledger = self._ledgers[place] = PartitionLedger(position=offset)
        ledger.take(offset)

    def finish(self, place: TopicPartition, offset: int) -> None:
        """Its effects are durable. Nothing happens where the partition has moved meanwhile."""
        ledger = self._ledgers.get(place)
        if ledger is not None:
            ledger.finish(offset)

    def position(self, place: TopicPartition) -> int | None:
        """The first record not finished; None where none was taken since the assignment."""
        ledger = self._ledgers.get(place)
        return ledger.watermark() if ledger is not None else None

    def forget(self) -> None:
        """The assignment has changed: everything is read again from the committed offsets."""
        self._ledgers.clear()

    def safe(self, offsets: Mapping[Any, int]) -> dict[Any, int]:
        """Of the offsets Faust wants to commit, those we may, lowered where it goes too far."""
        found = {}
        for place, wanted in offsets.items():
            ledger = self._ledgers.get((place[0], place[1]))
            if ledger is not None:
                found[place] = min(wanted, ledger.watermark())
        return found


class Watch:
    """Beats while the loop turns, and ends a worker that takes nothing although records wait.

    Faust's consumer can stop fetching after a rebalance without an error. Progress is asked of the
    broker, not of Faust: the end of each partition against how far we are.
    """

    def __init__(self, app: Any, marks: Watermarks, ops: Ops, *, stalled_s_max: float) -> None:
        self._app, self._marks, self._ops = app, marks, ops
        self._stalled_s_max = stalled_s_max
        self._seen: dict[TopicPartition, int] = {}
        self._progress_s = time.monotonic()

    async def run(self) -> None:
        """Until the app stops."""
        while not self._app.should_stop:
            self._ops.beat()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001  A broker that is away is not a stall.
                self._progress_s = time.monotonic()
                log.info("lag unknown", extra={"why": type(error).__name__})
            if time.monotonic() - self._progress_s > self._stalled_s_max:
                line = f"records wait and none was taken for {self._stalled_s_max:g} s"
                log.error(line)
                await self._app.crash(Unusable(line))
            await self._app.sleep(WATCH_S)

    async def _look(self) -> None:
        consumer, topics = self._app.consumer, self._app.topics
        places = [tp for tp in consumer.assignment() if topics.acks_enabled_for(tp.topic)]
        ends = await consumer.highwaters(*places) if places else {}
        positions = {place: await self._position(consumer, place) for place in places}
        lag = 0
        for place, position in positions.items():
            behind = max(ends.get(place, position) - position, 0)
            self._ops.gauge(metrics.LAG, behind, place[0], str(place[1]))
            lag += behind
        if not lag or positions != self._seen or self._app.rebalancing:
            self._progress_s = time.monotonic()
        self._seen = positions

    async def _position(self, consumer: Any, place: Any) -> int:
        mark = self._marks.position((place[0], place[1]))
        return int(await consumer.position(place) or 0) if mark is None else mark


def _scratch() -> Path:
    """An empty folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="heddle-faust-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def options(vendor: Any, connection: Connection, *, app_id: str) -> dict[str, Any]:
    """Keyword arguments of `faust.App`. Raises Unusable for a security property with no meaning."""
    given: dict[str, Any] = {
        "id": app_id,
        "broker": [f"kafka://{address}" for address in _addresses(connection.bootstrap)],
        "broker_client_id": app_id,
        "broker_session_timeout": SESSION_S,
        "broker_request_timeout": REQUEST_S_MAX,
        "broker_commit_interval": COMMIT_S,
        "consumer_auto_offset_reset": "earliest",
        "producer_request_timeout": DELIVERY_S_MAX,
        "producer_compression_type": "gzip",
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
        "table_standby_replicas": 0,
        "store": "memory://",
        # Tables live in memory; Faust makes this folder all the same, by default where one stands.
        "datadir": _scratch(),
        "key_serializer": "raw",
        "value_serializer": "raw",
        "autodiscover": False,
    }
    credentials = _credentials(vendor, connection.properties)
    return given if credentials is None else given | {"broker_credentials": credentials}


def guard(app: Any, marks: Watermarks) -> None:
    """Never commit beyond `marks`. Before the app starts."""
    base: Any = app.transport.Consumer

    class Guarded(base):  # type: ignore[misc]
        """A consumer whose commits are ours."""

        async def _commit(self, offsets: Mapping[Any, int]) -> bool:
            safe = marks.safe(offsets)
            return bool(safe and await super()._commit(safe))

    app.transport.Consumer = Guarded


def on_rebalance(app: Any, begun: Callable[[], None]) -> None:
    """Call `begun` as soon as the group rebalances, before Faust waits for work in flight."""
    theirs = app.on_rebalance_start

    def start() -> None:
        begun()
        theirs()

    app.on_rebalance_start = start


async def give_up(app: Any, error: Exception) -> None:
    """End the process after an error that it cannot work around; nothing unfinished is committed.

    Faust would wait for ever for records that nobody works on any more.
    """
    log.error("this worker cannot go on; what it had not finished is done again", exc_info=error)
    app.consumer.unacked.clear()
    _exit_after(GIVE_UP_S_MAX, threading.Event())
    await app.crash(error)


def message(raw: Any) -> Message:
    """A Faust message as ours."""
    return Message(
        Place(raw.topic, raw.partition, raw.offset),
        raw.key,
        raw.value,
        tuple(raw.headers or ()),
        round((raw.timestamp or 0) * 1000),
    )


def run(
    vendor: Any,
    app: Any,
    *,
    drain_ms_max: int,
    on_signal: Callable[[], None] = lambda: None,
) -> int:
    """Run the app in the foreground until SIGTERM or SIGINT; the exit code of the process.

    `on_signal` is called when the first of them arrives.

    0 after a drain; what was not finished within `drain_ms_max` is left uncommitted and the process
    ends with EXIT_UNUSABLE, as it does after a crash.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = vendor.Worker(
        app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False
    )
    worker.spinner = None
    over = threading.Event()
    _bound_drain(worker, over, drain_ms_max, on_signal)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return EXIT_UNUSABLE if ended.code else 0
    finally:
        over.set()
    return 0


def _bound_drain(
    worker: Any, over: threading.Event, drain_ms_max: int, on_signal: Callable[[], None]
) -> None:
    """From the first signal on, the process has `drain_ms_max` left."""
    schedule: Callable[[Any], None] = worker._schedule_shutdown

    def signalled(number: Any) -> None:
        log.info("draining")
        on_signal()
        _exit_after(drain_ms_max / 1000, over)
        schedule(number)

    worker._schedule_shutdown = signalled


def _exit_after(wait_s: float, over: threading.Event) -> None:
    """End the process hard unless `over` is set in time."""

    def watch() -> None:
        if not over.wait(wait_s):
            log.error("the end took too long; unfinished records will be done again")
            logging.shutdown()
            os._exit(EXIT_UNUSABLE)

    threading.Thread(target=watch, daemon=True, name="end").start()


def _addresses(bootstrap: str) -> list[str]:
    found = [part.strip().rpartition("//")[2] for part in bootstrap.split(",") if part.strip()]
    if not found:
        raise Unusable("no bootstrap address; set HEDDLE_BOOTSTRAP to host:port")
    return found


def _credentials(vendor: Any, properties: Mapping[str, str]) -> Any:
    """Faust's credentials for librdkafka's security properties; None for plaintext."""
    for name in properties:
        if name.startswith(("sasl.", "ssl.", "security.")) and name not in _SECURITY:
            raise Unusable(f"{name} means nothing to Faust's client; it knows {_known()}")
    protocol = properties.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in _PROTOCOLS:
        line = f"security.protocol is {protocol}, it must be one of {', '.join(_PROTOCOLS)}"
        raise Unusable(line)
    context = _context(properties) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL"):
        return vendor.SSLCredentials(context) if context else None
    mechanism = properties.get("sasl.mechanism") or properties.get("sasl.mechanisms", "PLAIN")
    if mechanism not in _MECHANISMS:
        line = f"sasl.mechanism is {mechanism}, Faust's client knows {', '.join(_MECHANISMS)}"
        raise Unusable(line)
    return vendor.SASLCredentials(
        username=properties.get("sasl.username"),
        password=properties.get("sasl.password"),
        ssl_context=context,
        mechanism=mechanism,
    )


def _context(properties: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=properties.get("ssl.ca.location"))
        certificate = properties.get("ssl.certificate.location")
        if certificate:
            key = properties.get("ssl.key.location")
            context.load_cert_chain(certificate, key, properties.get("ssl.key.password"))
    except (OSError, ssl.SSLError) as error:
        raise Unusable(f"a certificate or key cannot be read: {error}; check ssl.*") from error
    if properties.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    if properties.get("enable.ssl.certificate.verification", "true").lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _known() -> str:
    return ", ".join(sorted(_SECURITY))
