"""Records become rows: all of them, without their prompts, and never a false one."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analytics.moments import CLAIMS, SKEW_S_MAX
from analytics.prices import PriceBook, read_prices
from analytics.rows import Row, Source, rows_of
from analytics.usage import at_midnight
from schemas.records import RECORDS, Forward, Record
from tests.unit.analytics import events
from tests.unit.analytics.events import T0, WORDS, at, pattern

BOOK = read_prices(Path("examples/prices.toml").read_text(encoding="utf-8"))
SOURCE = Source(topic="patterns.x", partition=3, offset=17, timestamp=at(60))


def rows(record: Record | None, book: PriceBook = BOOK) -> list[Row]:
    return rows_of(record, SOURCE, book)


def cells(record: Record, table: str) -> dict[str, Any]:
    found = [cells for name, cells in rows(record) if name == table]
    assert len(found) == 1, (table, [name for name, _ in rows(record)])
    return found[0]


def test_every_kind_of_record_has_a_table() -> None:
    """No record is forgotten: each gives its offset and at least one row of its own."""
    records = events.one_of_each()
    assert {type(record) for record in records} == set(RECORDS)
    for record in records:
        tables = [name for name, _ in rows(record)]
        assert tables[0] == "raw_offsets"
        assert len(tables) > 1
        assert "raw_quarantine" not in tables, type(record)


def test_no_cell_ever_holds_a_prompt() -> None:
    """The house's promise: hash and length, nothing else, in every table."""
    for record in events.one_of_each():
        for table, row in rows(record):
            assert WORDS not in repr(row), table
            assert "secret" not in repr(row), table


def test_a_prompt_is_kept_as_hash_and_length() -> None:
    """Equal prompts can be recognised, none can be read."""
    row = cells(events.requested(), "raw_requested")
    assert row["prompt_length"] == len(WORDS)
    assert len(row["prompt_hash"]) == 64
    assert row["prompt_hash"] == cells(events.requested("other"), "raw_requested")["prompt_hash"]


def test_an_offset_without_a_record_is_noted() -> None:
    """Tombstones and dead letters must not look lost in the audit."""
    assert rows(None) == [
        (
            "raw_offsets",
            {
                "_topic": "patterns.x",
                "_partition": 3,
                "_offset": 17,
                "_timestamp": at(60),
                "event_id": "",
            },
        )
    ]


def test_the_same_request_twice_is_the_same_event() -> None:
    """Requests carry no event id: id and payload hash make one."""
    first, again = events.requested(), events.requested(traceparent="00-aa")
    assert rows(first)[0] == rows(again)[0]
    assert rows(first)[0] != rows(events.requested(tier="draft"))[0]


def test_a_usage_event_is_priced_as_it_is_written() -> None:
    """Price, its id and its currency stand on every row, by the machine and the day."""
    record = events.usage({("r1.1", 1): 700, ("r1.2", 2): 300}, device="NVIDIA H100 80GB")
    parts = [row for name, row in rows(record) if name == "usage_shares"]
    assert [(p["request_id"], p["ordinal"], p["attempt"], p["duration_us"]) for p in parts] == [
        ("r1", 1, 1, 700),
        ("r1", 2, 2, 300),
    ]
    assert {p["price_id"] for p in parts} == {"h100-2026"}
    assert {p["price_per_hour"] for p in parts} == {Decimal("2.490")}
    interval = cells(record, "raw_usage")
    assert interval["forwards.duration_us"] == [1000]
    assert interval["forwards.parts_us"] == [1000]
    assert interval["duration_us"] == 2000


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (events.usage({("r1.1", 1): -5}), "forwards.duration_us"),
        (events.usage({("r1.1", 1): 5}, duration_us=-1), "duration_us"),
        (events.usage({("r1.1", 1): 5}, duration_us=10**12), "duration_us"),
        (events.usage({("r1.1", 1): 5}, state="dreaming"), "state"),
        (events.usage({("r1", 1): 5}), "pattern_id"),
        (events.usage({("r1.1", 256): 5}), "attempt"),
        (events.usage({("r1.70000", 1): 5}), "ordinal"),
        (events.usage({("r1.1", 1): 5}, started_at=datetime(1999, 1, 1, tzinfo=UTC)), "device"),
        (events.usage({("r1.1", 1): 5}, started_at=datetime(9999, 1, 1, tzinfo=UTC)), "started_at"),
        (events.usage({}, started_at=datetime(9999, 12, 31, tzinfo=UTC)), "started_at"),
        (events.usage({}, state="stopped", duration_us=-1), "duration_us"),
        (events.usage({}, state="stopped", duration_us=10**18), "duration_us"),
        (
            events.usage({}, state="stopped", started_at=datetime(9999, 12, 31, tzinfo=UTC)),
            "started_at",
        ),
        (events.generated(pattern(), attempt=-1), "attempt"),
        (events.generated(pattern(), gpu_us=1 << 64), "gpu_us"),
        (events.routed(pattern(repeat_width_um=1 << 32)), "repeat_width_um"),
        (events.feedback(pattern(), kind="splendid"), "kind"),
        (events.feedback(pattern(ordinal=0)), "ordinal"),
        (events.feedback(pattern("no dots. please")), "request_id"),
    ],
)
def test_what_cannot_count_goes_to_quarantine(record: Record, field: str) -> None:
    """One bad event is one row with its field and limit, and no row anywhere else."""
    tables = dict(rows(record))
    assert set(tables) == {"raw_offsets", "raw_quarantine"}
    assert tables["raw_quarantine"]["field"] == field
    assert tables["raw_quarantine"]["limit"]
    assert tables["raw_quarantine"]["record"] == type(record).__name__


def test_parts_that_do_not_fit_their_forward_are_refused_whole() -> None:
    """Half an interval would be a false bill."""
    record = events.usage({("r1.1", 1): 700, ("r1.2", 1): 300})
    forward = replace(record.forwards[0], duration_us=1001)
    tables = dict(rows(replace(record, forwards=(forward,))))
    assert set(tables) == {"raw_offsets", "raw_quarantine"}
    assert tables["raw_quarantine"]["field"] == "forwards.parts"
    assert tables["raw_quarantine"]["subject_id"] == "inc/0"


def test_an_interval_is_ten_seconds_at_most() -> None:
    """Longer ones were measured by nobody of ours; field and limit say so."""
    idle = replace(events.usage({}, state="idle"), forwards=())
    assert "raw_usage" in dict(rows(replace(idle, duration_us=10_000_000)))
    refused = dict(rows(replace(idle, duration_us=10_000_001)))
    assert set(refused) == {"raw_offsets", "raw_quarantine"}
    told = refused["raw_quarantine"]
    assert (told["field"], told["limit"]) == ("duration_us", "0 to 10000000")


def test_a_forward_may_be_longer_than_its_interval() -> None:
    """It is not cut, and told where it ended: a slow machine's honest time counts, to a bound."""
    record = events.usage({("r1.1", 1): 600_000_000}, seconds=-30)
    assert record.duration_us == 10_000_000
    assert cells(record, "usage_shares")["duration_us"] == 600_000_000
    refused = dict(rows(events.usage({("r1.1", 1): 600_000_001})))
    told = refused["raw_quarantine"]
    assert (told["field"], told["limit"]) == ("forwards.duration_us", "0 to 600000000")


def test_a_forward_without_parts_is_nobodys_time() -> None:
    """Loading a model is machine time, and belongs to no pattern."""
    record = events.usage({})
    forward = replace(record.forwards[0], kind="load", duration_us=500)
    tables = [name for name, _ in rows(replace(record, forwards=(forward,)))]
    assert tables == ["raw_offsets", "raw_usage"]


CLAIMED = [
    pytest.param(record, field, id=f"{type(record).__name__}.{field}")
    for record in events.one_of_each()
    for field in CLAIMS[type(record)]
]


@pytest.mark.parametrize(("record", "field"), CLAIMED)
def test_a_claim_from_the_future_is_refused(record: Record, field: str) -> None:
    """It would be booked on a day that has not come, and no later word could overrule it."""

    def tables(ahead_s: int) -> dict[str, Any]:
        claimed = SOURCE.timestamp + timedelta(seconds=ahead_s)
        return dict(rows(replace(record, **{field: claimed})))

    refused = tables(SKEW_S_MAX + 1)
    assert set(refused) == {"raw_offsets", "raw_quarantine"}
    told = refused["raw_quarantine"]
    assert told["field"] == field
    assert told["reason"] == f"{field} lies 901 s after the broker's timestamp"
    assert told["limit"] == "at most 900 s ahead of the broker's clock"
    for ahead_s in (SKEW_S_MAX - 1, -3_600, -86_400):
        assert "raw_quarantine" not in tables(ahead_s), "whoever is late is late honestly"


def test_every_time_of_a_record_is_a_claim_or_the_brokers() -> None:
    """A new field of time must be named among the claims, or it would be believed. A deadline is a
    wish about the future, and no row holds it."""
    for kind in RECORDS:
        times = {one.name for one in fields(kind) if "datetime" in str(one.type)}
        assert times - {"deadline"} == {*CLAIMS[kind]}, kind


@pytest.mark.parametrize("state", ["idle", "stopped"])
def test_time_that_ends_in_the_future_is_refused(state: str) -> None:
    """Its end is booked too: of an interval, and of a life whose stop was told."""
    began = SOURCE.timestamp + timedelta(seconds=SKEW_S_MAX - 5)
    record = events.usage({}, state=state, started_at=began, duration_us=5_000_000)
    assert "raw_quarantine" not in dict(rows(record))
    told = dict(rows(replace(record, duration_us=6_000_000)))["raw_quarantine"]
    assert told["field"] == "duration_us"
    assert told["reason"].startswith("the end of the time that was measured lies 901 s after")


def test_hashes_of_prompt_and_payload_are_not_confused() -> None:
    """One recognises equal prompts, the other equal requests."""
    row = cells(events.routed(pattern()), "raw_routed")
    assert (row["prompt_hash"], row["payload_hash"]) == ("ab" * 32, "cd" * 32)


def test_a_refusal_before_the_split_keeps_ordinal_zero() -> None:
    """It is no pattern; the views know it by its ordinal."""
    record = events.failed(replace(pattern(), ordinal=0, count=0), outcome="rejected")
    row = cells(record, "raw_failed")
    assert (row["ordinal"], row["variations"], row["outcome"]) == (0, 0, "rejected")
    assert row["requested_at"] == T0


def test_an_interval_is_cut_at_midnight_and_nothing_is_lost() -> None:
    """Pieces sum to the interval, parts to their forwards, on both sides."""
    record = events.usage({("r1.1", 1): 1001, ("r1.2", 1): 2002}, seconds=9.999)
    forwards = (*record.forwards, Forward(kind="load", duration_us=333))
    record = replace(record, duration_us=4004, forwards=forwards)
    first, second = at_midnight(record)
    assert (first.duration_us, second.duration_us) == (1000, 3004)
    assert (first.started_at, second.started_at) == (record.started_at, at(10))
    for early, late, whole in zip(first.forwards, second.forwards, forwards, strict=True):
        assert early.duration_us + late.duration_us == whole.duration_us
        for one in (early, late):
            assert not one.parts or sum(p.duration_us for p in one.parts) == one.duration_us
    pieces = [(r["piece"], r["duration_us"]) for name, r in rows(record) if name == "raw_usage"]
    assert pieces == [(0, 1000), (1, 3004)]
    shares = [(r["piece"], r["ordinal"], r["duration_us"]) for n, r in rows(record)
              if n == "usage_shares"]  # fmt: skip
    assert shares == [(0, 1, 250), (0, 2, 500), (1, 1, 751), (1, 2, 1502)]


def test_an_interval_that_ends_at_midnight_is_whole() -> None:
    """The last microsecond of a day belongs to it."""
    record = replace(events.usage({("r1.1", 1): 5}, seconds=9.999), duration_us=1000)
    assert at_midnight(record) == (record,)


def test_a_stop_is_a_row_of_its_own_priced_as_it_stopped() -> None:
    """It is no interval: the ledger works out how much of the life was never reported."""
    record = events.usage({}, state="stopped", started_at=at(-60), duration_us=75_000_000)
    row = cells(record, "raw_stops")
    assert (row["started_at"], row["stopped_at"]) == (at(-60), at(15))
    assert (row["incarnation"], row["price_id"]) == ("inc", "cpu-2026")
    assert [name for name, _ in rows(record)] == ["raw_offsets", "raw_stops"]


def test_the_tables_time_is_a_share_too() -> None:
    """Processor time of finishing, priced as the cpu of pool finish."""
    share = cells(events.published(pattern()), "usage_shares")
    assert (share["stage"], share["device"], share["duration_us"]) == ("finish", "cpu", 99)
    assert share["price_id"] == "cpu-2026"
    tables = [name for name, _ in rows(events.published(pattern(), cpu_us=0))]
    assert tables == ["raw_offsets", "raw_published"]


def test_an_asset_counts_whatever_its_processor_time_says() -> None:
    """Impossible time goes to quarantine alone; the files are there all the same."""
    tables = [name for name, _ in rows(events.published(pattern(), cpu_us=10**15))]
    assert tables == ["raw_offsets", "raw_published", "raw_quarantine"]


def test_finishing_that_failed_is_a_share_of_no_attempt() -> None:
    """Priced as the table's other time; attempt 0 never passes, so that it is waste for good."""
    record = events.failed(pattern(), stage="finish", cpu_us=99)
    share = cells(record, "usage_shares")
    assert (share["stage"], share["device"], share["pool"]) == ("finish", "cpu", "finish")
    assert (share["attempt"], share["duration_us"], share["price_id"]) == (0, 99, "cpu-2026")
    assert share["started_at"] == record.failed_at
    assert cells(record, "raw_failed")["cpu_us"] == 99
    again = cells(events.failed(pattern(), 7, stage="finish", cpu_us=99), "usage_shares")
    assert again["event_id"] != share["event_id"], "work done again is paid for again"


def test_failures_without_processor_time_have_no_share() -> None:
    """Those of generate, whose time is in its usage; and of requests that never became patterns."""
    for record in (events.failed(pattern()), events.failed(pattern(ordinal=0), cpu_us=5)):
        assert [name for name, _ in rows(record)] == ["raw_offsets", "raw_failed"]
    tables = [name for name, _ in rows(events.failed(pattern(), cpu_us=10**15))]
    assert tables == ["raw_offsets", "raw_failed", "raw_quarantine"]
