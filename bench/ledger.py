"""What the ledger costs at rest, per batch and per question.

    python bench/ledger.py [--patterns 100000] [--seconds 10]

Starts a ledger of its own in a temporary folder and prints JSON lines: memory and CPU at rest,
latency of SELECT 1 as writer and as reader (alone, and beside a heavy question), batches through
`analytics.sink` (all tables, durable), one table alone, and questions on so many made-up patterns.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from analytics.ask import sql_of
from analytics.link import Address, Link
from analytics.prices import read_prices
from analytics.sink import Sink
from schemas.errors import HeddleError
from tests.services.ledger_child import READER_PASSWORD, WRITER_PASSWORD, Ledger, running
from tests.unit.analytics import events

HEAVY = "SELECT count() FROM system.settings a, system.settings b, system.columns c"
MADE_UP = {
    "raw_routed": """INSERT INTO raw_routed (request_id, ordinal, variations, tenant, tier, model,
        version, recipe, arm, requested_at, event_id, _timestamp)
        SELECT {pattern}, concat('r', request_id), requested_at + 1 FROM numbers({n})""",
    "raw_published": """INSERT INTO raw_published (request_id, ordinal, variations, tenant, tier,
        model, version, recipe, arm, requested_at, event_id, generated_at, published_at, attempt)
        SELECT {pattern}, concat('p', request_id), requested_at + 5, requested_at + 9, 1
        FROM numbers({n})""",
    "raw_feedback": """INSERT INTO raw_feedback (request_id, ordinal, tenant, kind, happened_at,
        event_id) SELECT toString(number), 1, concat('tenant', toString(number % 50)),
        ['accepted', 'rejected'][number % 7 % 2 + 1],
        toDateTime64('2026-06-01 00:00:00', 3, 'UTC') + number, concat('f', toString(number))
        FROM numbers(intDiv({n} * 6, 10))""",
    "usage_parts": """INSERT INTO usage_parts (request_id, ordinal, attempt, event_id, forward,
        part, duration_us, started_at, price_id, price_per_hour, currency, stage, device)
        SELECT toString(number), 1, 1, concat('u', toString(intDiv(number, 8))), 1, number % 8,
        2000000 + number % 1000, toDateTime64('2026-01-01 00:00:04', 3, 'UTC') + number, 'cpu-2026',
        0.048, 'EUR', 'generate', 'cpu' FROM numbers({n})""",
}
PATTERN = """toString(number) AS request_id, 1 AS ordinal, 1 AS variations,
    concat('tenant', toString(number % 50)) AS tenant,
    ['draft', 'standard', 'premium'][number % 3 + 1] AS tier, 'swatch' AS model,
    toString(number % 2) AS version, 'wallpaper' AS recipe, 'stable' AS arm,
    toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number AS requested_at"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patterns", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of rest")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="heddle-bench-ledger-"))
    try:
        began = time.perf_counter()
        with running(folder / "data") as ledger:
            say("start", seconds=time.perf_counter() - began)
            measure(ledger, options.patterns, options.seconds)
    finally:
        shutil.rmtree(folder)


def measure(ledger: Ledger, patterns: int, seconds: float) -> None:
    """Everything, the quiet parts first."""
    process = psutil.Process(ledger.process.pid)
    rest(process, seconds)
    with linked(ledger, "writer") as writer, linked(ledger, "reader") as reader:
        for role, link in (("writer", writer), ("reader", reader)):
            say("SELECT 1", role=role, **times(partial(link.rows, "SELECT 1"), 50))
        batches(ledger, writer)
        beside(ledger, reader, writer)
        on_patterns(writer, reader, patterns)
    rest(process, seconds)


def rest(process: psutil.Process, seconds: float) -> None:
    """Memory and CPU while nobody asks."""
    before, memory = sum(process.cpu_times()[:2]), process.memory_full_info()
    time.sleep(seconds)
    used = sum(process.cpu_times()[:2]) - before
    say("at rest", rss_mb=memory.rss / 1e6, private_mb=memory.uss / 1e6,
        cpu_percent=100 * used / seconds, threads=process.num_threads())  # fmt: skip


def batches(ledger: Ledger, writer: Link) -> None:
    """The record stage's batches, and one table alone."""
    book = read_prices(Path("examples/prices.toml").read_text(encoding="utf-8"))
    sink = Sink(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD, prices=book)
    sink.prepare()
    number = iter(range(10**9))
    for size in (10, 100, 1_000):

        def batch(size: int = size) -> None:
            name = f"b{next(number)}"
            stream = [
                make(events.pattern(f"{name}-{n}"))
                for n in range(size // 4)
                for make in (events.routed, events.generated, events.published, events.feedback)
            ] or [events.routed(events.pattern(name))]  # fmt: skip
            now = datetime.now(UTC)
            sink.write([(one, "t", 0, n, now) for n, one in enumerate(stream)])

        found = times(batch, 10)
        say("sink batch", records=size, records_per_second=size / found["p50_ms"] * 1e3, **found)
    columns = ("_topic", "_partition", "_offset", "event_id")
    for size in (1_000, 10_000, 100_000):

        def insert(size: int = size) -> None:
            writer.insert("raw_offsets", columns, [("t", 1, n, f"e{n}") for n in range(size)])

        found = times(insert, 5)
        say("one table", rows=size, rows_per_second=size / found["p50_ms"] * 1e3, **found)
    sink.close()


def beside(ledger: Ledger, reader: Link, writer: Link) -> None:
    """Short questions and inserts while a long question runs."""
    with linked(ledger, "reader") as other:
        thread = threading.Thread(target=lambda: quietly(other))
        thread.start()
        time.sleep(0.5)
        say("SELECT 1 beside a long question", **times(lambda: reader.rows("SELECT 1"), 20))
        columns = ("_topic", "_partition", "_offset")
        one = [("t", 2, 1)]
        say("insert beside it", **times(lambda: writer.insert("raw_offsets", columns, one), 20))
        thread.join()


def quietly(link: Link) -> None:
    """A question whose time will be up."""
    try:
        link.rows(HEAVY)
    except HeddleError as error:
        say("the long question", ended=type(error).__name__)


def on_patterns(writer: Link, reader: Link, patterns: int) -> None:
    """Fill the tables through their views, then ask."""
    for table, sql in MADE_UP.items():
        began = time.perf_counter()
        writer.execute(sql.replace("{n}", str(patterns)).replace("{pattern}", PATTERN))
        seconds = time.perf_counter() - began
        say("fill", table=table, rows_per_second=patterns / seconds, seconds=seconds)
    look_up = "SELECT outcome, cost FROM patterns WHERE tenant = 'tenant7' AND request_id = '7'"
    asked = {"look-up": look_up}
    for name in ("cost_per_pattern_by_tier", "latency_by_stage", "acceptance_by_model"):
        asked[name] = sql_of(name)
    for name, sql in asked.items():
        say("question", name=name, patterns=patterns, **times(partial(reader.rows, sql), 5))
    sql = "SELECT sum(bytes_on_disk) FROM system.parts WHERE database = 'heddle' AND active"
    say("on disk", bytes_per_pattern=writer.rows(sql)[1][0][0] / patterns)


@contextmanager
def linked(ledger: Ledger, role: str) -> Iterator[Link]:
    """A line to the ledger in one of the two roles."""
    password = WRITER_PASSWORD if role == "writer" else READER_PASSWORD
    link = Link(Address(url=ledger.url, user=f"heddle_{role}", password=password))
    yield link
    link.close()


def times(work: Callable[[], Any], count: int) -> dict[str, float]:
    """Median and worst of some runs after a first one."""
    work()
    found = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1e3)
    return {"p50_ms": statistics.median(found), "max_ms": max(found)}


def say(what: str, **figures: Any) -> None:
    """One JSON line."""
    shown = {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps({"what": what, **shown}), flush=True)


if __name__ == "__main__":
    main()
