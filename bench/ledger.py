"""What the ledger costs at rest, per batch and per question.

    python -m bench.ledger [--patterns 100000] [--seconds 10] [--only-patterns] [--late]

Starts a ledger of its own in a temporary folder and prints JSON lines: memory and CPU at rest,
latency of SELECT 1 as writer and as reader (alone, and beside a heavy question), batches through
`analytics.sink` (all tables, durable), one table alone, and questions on so many made-up patterns.
With `--late` it waits until no fact is due any more (over five minutes), then for late words.
"""

# ruff: noqa: S608 - its SQL is put together from its own constants.

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil

from analytics.ask import sql_of
from analytics.contract import DATABASE, FACTS, VIEWS
from analytics.endpoint.limits import Limits, spill_settings
from analytics.link import Address, Link
from analytics.prices import read_prices
from analytics.sink import Sink
from schemas.errors import HeddleError, Transient
from tests.services.ledger_child import READER_PASSWORD, WRITER_PASSWORD, Ledger, running
from tests.unit.analytics import events

HEAVY = "SELECT count() FROM system.settings a, system.settings b, system.columns c"
RECORDS: Final = 2_000
"""Of one batch beside readers: as many as the record stage gathers."""
HEAVY_READERS: Final = 2
RUNS: Final = 3
"""Of a question, after one that warms."""
CHUNK_ROWS_MAX = 250_000
"""Of one made-up insert: each is one statement with limits of time and memory."""
TRIES_MAX = 60
"""Of one made-up insert, while facts are copied in the memory that it would need; 2 s apart."""
PATTERN_ID = "lower(hex(sipHash128(number)))"
MADE_UP = {
    # Table: its share of the patterns, and the rows.
    "raw_published": (1.0, f"""INSERT INTO raw_published (request_id, ordinal, variations, tenant,
        tier, model, version, recipe, arm, requested_at, event_id, generated_at, published_at,
        attempt, files, files_bytes)
        SELECT {PATTERN_ID} AS request_id, 1, 1, concat('tenant', toString(number % 50)),
        ['draft', 'standard', 'premium'][number % 3 + 1], 'swatch', toString(number % 2),
        'wallpaper', 'stable', toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number AS asked_at,
        concat('p', request_id), asked_at + 5, asked_at + 9, 1, 5, 4000000
        FROM numbers({{start}}, {{n}})"""),
    "raw_feedback": (0.6, f"""INSERT INTO raw_feedback (request_id, ordinal, tenant, kind,
        happened_at, event_id) SELECT {PATTERN_ID} AS request_id, 1,
        concat('tenant', toString(number % 50)), ['accepted', 'rejected'][number % 7 % 2 + 1],
        toDateTime64('2026-06-01 00:00:00', 3, 'UTC') + number, concat('f', request_id)
        FROM numbers({{start}}, {{n}})"""),
    "usage_shares": (1.0, f"""INSERT INTO usage_shares (request_id, ordinal, attempt, event_id,
        duration_us, started_at, price_id, price_per_hour, currency, stage, pool, device)
        SELECT {PATTERN_ID} AS request_id, 1, 1, concat('u', toString(intDiv(number, 8))),
        2000000 + number % 1000, toDateTime64('2026-01-01 00:00:04', 3, 'UTC') + number,
        'cpu-2026', 0.048, 'EUR', 'generate', 'small', 'cpu' FROM numbers({{start}}, {{n}})"""),
    # The intervals that those shares are of, each one forward over eight patterns.
    "raw_usage": (0.125, """INSERT INTO raw_usage (event_id, incarnation, interval, state, stage,
        pool, device, started_at, duration_us, `forwards.kind`, `forwards.duration_us`,
        `forwards.parts`, `forwards.parts_us`, price_id, price_per_hour, currency)
        SELECT concat('u', toString(number)), 'w', number, 'busy', 'generate', 'small', 'cpu',
        toDateTime64('2026-01-01 00:00:04', 3, 'UTC') + number * 8,
        arraySum(n -> 2000000 + (number * 8 + n) % 1000, range(8)) AS us, ['denoise'], [us], [8],
        [us], 'cpu-2026', 0.048, 'EUR' FROM numbers({start}, {n})"""),
}  # fmt: skip
LOOK_UP = """SELECT outcome, verdict, cost FROM patterns
    WHERE request_id = lower(hex(sipHash128(toUInt64({number})))) AND ordinal = 1"""
DASHBOARD = """SELECT day, sum(daily_patterns.published) AS made,
    sum(daily_patterns.accepted) AS kept, sum(daily_patterns.cost) AS spent
    FROM daily_patterns WHERE tenant = 'tenant7'
    GROUP BY day ORDER BY day DESC LIMIT 30"""
PER_ACCEPTED = """SELECT tier, model, version, sum(daily_patterns.cost) /
    nullIf(sum(daily_patterns.accepted), 0) AS cost_per_accepted FROM daily_patterns
    GROUP BY tier, model, version ORDER BY ALL"""
ALL_FACTS = {
    # Every view: a replay must leave its rows as they were. When they were made is no fact.
    **dict.fromkeys(VIEWS, ""),
    **dict.fromkeys(
        ("daily_patterns", "daily_costs", "daily_machines", "daily_latency"), "refreshed_at"
    ),
    "patterns_by_day": "copied_at",
}
REPLAYS: Final = 2
HASH_S_MAX: Final = 1_800
"""For one view of ten million patterns that were written three times."""
SETTLE_S: Final = 305
"""As long as what was touched is copied again (`ddl/0015_lives_by_day.sql`)."""
LATE: Final = {"one day": 1, "every day": 0}
"""Late words on a hundred patterns: neighbours in time, or spread over everything (0)."""
LATE_WORDS = """INSERT INTO raw_feedback (request_id, ordinal, tenant, kind, happened_at, event_id)
    SELECT lower(hex(sipHash128(toUInt64(number * {step})))) AS request_id, 1,
    concat('tenant', toString(number * {step} % 50)), 'ordered',
    toDateTime64('2027-06-01 00:00:00', 3, 'UTC'), concat('late', request_id) FROM numbers(100)"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patterns", type=int, default=100_000)
    parser.add_argument("--only-patterns", action="store_true", help="skip rest and batches")
    parser.add_argument("--late", action="store_true", help="facts after late words, too")
    parser.add_argument("--seconds", type=float, default=10.0, help="of rest")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="heddle-bench-ledger-"))
    try:
        began = time.perf_counter()
        with running(folder / "data") as ledger:
            say("start", seconds=time.perf_counter() - began)
            if options.only_patterns:
                with linked(ledger, "writer") as writer, linked(ledger, "reader") as reader:
                    on_patterns(ledger, writer, reader, options.patterns)
                    if options.late:
                        process = psutil.Process(ledger.process.pid)
                        late_words(process, writer, options.patterns)
            else:
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
        on_patterns(ledger, writer, reader, patterns)
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
    sink, number = sink_of(ledger), iter(range(10**9))
    for size in (10, 100, 1_000):
        found = times(partial(write_batch, sink, number, size), 10)
        say("sink batch", records=size, records_per_second=size / found["p50_ms"] * 1e3, **found)
    columns = ("_topic", "_partition", "_offset", "event_id")
    for size in (1_000, 10_000, 100_000):

        def insert(size: int = size) -> None:
            writer.insert("raw_offsets", columns, [("t", 1, n, f"e{n}") for n in range(size)])

        found = times(insert, 5)
        say("one table", rows=size, rows_per_second=size / found["p50_ms"] * 1e3, **found)
    sink.close()


def sink_of(ledger: Ledger) -> Sink:
    """The record stage's way in, its tables ready."""
    book = read_prices(Path("examples/prices.toml").read_text(encoding="utf-8"))
    sink = Sink(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD, prices=book)
    sink.prepare()
    return sink


def write_batch(sink: Sink, number: Iterator[int], size: int) -> None:
    """So many records of new patterns, all kinds, durably."""
    name = f"b{next(number)}"
    stream = [
        make(events.pattern(f"{name}-{n}"))
        for n in range(size // 4)
        for make in (events.routed, events.generated, events.published, events.feedback)
    ] or [events.routed(events.pattern(name))]
    now = datetime.now(UTC)
    sink.write([(one, "t", 0, n, now) for n, one in enumerate(stream)])


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
    recording_beside_readers(ledger)


def recording_beside_readers(ledger: Ledger) -> None:
    """Records a second through the record stage's sink: alone, then beside readers without end."""
    sink, number = sink_of(ledger), iter(range(10**9))
    batch = partial(write_batch, sink, number, RECORDS)
    alone = times(batch, 5)
    say("recording", records_per_second=RECORDS / alone["p50_ms"] * 1e3, **alone)
    enough = threading.Event()

    def read() -> None:
        with linked(ledger, "reader") as link:
            while not enough.is_set():
                quietly(link)

    readers = [threading.Thread(target=read) for _ in range(HEAVY_READERS)]
    for one in readers:
        one.start()
    time.sleep(0.5)
    beside_them = times(batch, 5)
    say("recording beside heavy readers", readers=HEAVY_READERS,
        records_per_second=RECORDS / beside_them["p50_ms"] * 1e3, **beside_them)  # fmt: skip
    enough.set()
    for one in readers:
        one.join()
    sink.close()


def quietly(link: Link) -> None:
    """A question whose time will be up."""
    try:
        link.rows(HEAVY)
    except HeddleError as error:
        say("the long question", ended=type(error).__name__)


def on_patterns(ledger: Ledger, writer: Link, reader: Link, patterns: int) -> None:
    """Fill the tables through their views, then ask; then some again, and ask whether it shows.

    Beside wall time stands the processor time of the ledger's process, which is much the same on a
    busy machine as on an idle one.
    """
    process = psutil.Process(ledger.process.pid)
    fill(process, writer, patterns)
    refresh(process, writer)
    # Or the engine's own refreshes would be in the figures of the questions.
    writer.execute("SYSTEM STOP VIEWS")
    asked = {
        "look-up": LOOK_UP.replace("{number}", "7"),
        "dashboard": DASHBOARD,
        "cost per accepted": PER_ACCEPTED,
    }
    for name in ("cost_per_pattern_by_tier", "latency_by_stage", "bill_by_tenant"):
        asked[name] = sql_of(name)
    for name, sql in asked.items():
        question(process, partial(reader.rows, sql), name, patterns)
    writer.execute("SYSTEM START VIEWS")
    sql = "SELECT sum(bytes_on_disk) FROM system.parts WHERE database = 'heddle' AND active"
    say("on disk", bytes_per_pattern=writer.rows(sql)[1][0][0] / patterns)
    before = hashes(ledger)
    for _ in range(REPLAYS):
        fill(process, writer, patterns)
    refresh(process, writer)
    after = hashes(ledger)
    say("replayed", times=REPLAYS, patterns=patterns, same=after == before,
        changed=[name for name in before if before[name] != after[name]])  # fmt: skip


def late_words(process: psutil.Process, writer: Link, patterns: int) -> None:
    """What the facts cost when nothing is due, and after late words."""
    time.sleep(SETTLE_S)
    for _ in range(3):
        refresh(process, writer)
    for name, step in LATE.items():
        writer.execute(LATE_WORDS.replace("{step}", str(step or patterns // 100)))
        began = cpu_s(process)
        refresh(process, writer)
        say(
            "facts after late words", on=name, patterns=patterns, cpu_seconds=cpu_s(process) - began
        )


def hashes(ledger: Ledger) -> dict[str, Any]:
    """Of all rows of every view, whatever their order. As a writer with the time that takes."""
    limits = {"max_execution_time": HASH_S_MAX, **spill_settings(Limits())}
    client = ledger.client("writer", send_receive_timeout=HASH_S_MAX, settings=limits)
    found = {}
    for view, left_out in ALL_FACTS.items():
        rows = f"{DATABASE}.{view}"
        if left_out:
            rows = f"(SELECT * EXCEPT ({left_out}) FROM {rows})"
        sql = f"SELECT count(), sum(cityHash64(*)) FROM {rows}"
        found[view] = client.query(sql).result_rows
    client.close()
    return found


def fill(process: psutil.Process, writer: Link, patterns: int) -> None:
    """Made-up rows, CHUNK_ROWS_MAX at a time; what is refused for now is offered again."""
    for table, (share, sql) in MADE_UP.items():
        began, used, rows = time.perf_counter(), cpu_s(process), int(patterns * share)
        refused = 0
        for start in range(0, rows, CHUNK_ROWS_MAX):
            count = min(CHUNK_ROWS_MAX, rows - start)
            refused += offered(
                writer, sql.replace("{start}", str(start)).replace("{n}", str(count))
            )
        seconds = time.perf_counter() - began
        say("fill", table=table, rows=rows, rows_per_second=rows / seconds, seconds=seconds,
            rows_per_cpu_second=rows / (cpu_s(process) - used), refused=refused)  # fmt: skip


def offered(writer: Link, sql: str) -> int:
    """Insert, again where it is refused for now, as the record stage does; how often that was."""
    for refused in range(TRIES_MAX):
        try:
            writer.execute(sql)
        except Transient:
            time.sleep(2)
        else:
            return refused
    raise Transient(f"a made-up insert was refused {TRIES_MAX} times")


def refresh(process: psutil.Process, writer: Link) -> None:
    """The daily facts anew, as the engine makes them by itself."""
    for name in FACTS:
        wait_for(writer, name)
        began, used = time.perf_counter(), cpu_s(process)
        writer.execute(f"SYSTEM REFRESH VIEW {name}")
        wait_for(writer, name)
        say("refresh", facts=name, seconds=time.perf_counter() - began,
            cpu_seconds=cpu_s(process) - used)  # fmt: skip


def wait_for(writer: Link, name: str) -> None:
    """Until a refresh has ended. On a busy machine that takes longer than one question may."""
    is_over = False
    while not is_over:
        with suppress(Transient):
            writer.execute(f"SYSTEM WAIT VIEW {name}")
            is_over = True


def question(process: psutil.Process, ask: Callable[[], Any], name: str, patterns: int) -> None:
    """Times of one question; a refusal is a figure too."""
    used = cpu_s(process)
    try:
        found = times(ask, RUNS)
    except HeddleError as error:
        say("question", name=name, patterns=patterns, refused=str(error)[:200])
        return
    cpu_ms = (cpu_s(process) - used) / (RUNS + 1) * 1e3
    say("question", name=name, patterns=patterns, cpu_ms=cpu_ms, **found)


def cpu_s(process: psutil.Process) -> float:
    """Processor time of the ledger so far, all threads."""
    return float(sum(process.cpu_times()[:2]))


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
