"""The safe subset of Faust, said once for the two rooms that use it.

Nothing is created unasked, no web server, no leader topic, no redirected stdout, raw bytes, classic
protocol; an error ends the process. What its consumer fetches, seeks and commits is watched over by
`streams.kafka.guarded_faust`.

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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import EXIT_UNUSABLE, Unusable
from streams.kafka import trust
from streams.kafka.message import Message, Place

if TYPE_CHECKING:
    from streams.kafka.connection import Connection

log = logging.getLogger("heddle.faust")

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
        return trust.context(properties)
    except (OSError, ssl.SSLError) as error:
        raise Unusable(f"a certificate or key cannot be read: {error}; check ssl.*") from error


def _known() -> str:
    return ", ".join(sorted(_SECURITY))
