"""The ledger's disk is full: what was recorded stays and can be asked, what comes waits."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics.sink import Sink
from schemas.errors import HeddleError, Transient
from tests.services.ledger_child import Ledger, running
from tests.services.ledger_lives import ask, hang_up, story, write, writer
from tests.services.test_river_outages import small_disk

DISK_KIB = 96 * 1024
TRIES_MAX = 20
"""Merges make a little room again and again; it is filled before each batch."""


@pytest.mark.timeout(900)
def test_a_full_disk_loses_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    """A batch that finds no room is refused and may have left anything or nothing; readers are
    answered all the same, and the same batch, offered again once there is room, is there once."""
    disk = tmp_path / "disk"
    with small_disk(disk, DISK_KIB), running(disk / "ledger") as ledger:
        sink = writer(ledger)
        try:
            write(sink, story("before"), topic="before")
            refused = until_refused(sink, disk / "filler")
            kept = "SELECT outcome FROM patterns WHERE request_id = 'before' ORDER BY ordinal"
            assert [row["outcome"] for row in ask(ledger, kept)] == ["published", "failed"]
            (disk / "filler").unlink()
            write(sink, story(f"full{refused}"), topic=f"full{refused}")
            check(ledger, refused + 2)
        finally:
            sink.close()
            hang_up()


def test_an_insert_that_fails_behind_its_table_is_not_acknowledged(tmp_path: Path) -> None:
    """A view that throws: the writer hears of it. Mended, the same batch is there, once."""
    with running(tmp_path / "ledger") as ledger:
        sink, client = writer(ledger), ledger.client("writer")
        try:
            write(sink, story("good"), topic="good")
            client.command(
                "CREATE MATERIALIZED VIEW heddle.bad TO heddle.raw_cancel AS SELECT"
                " concat(event_id, throwIf(kind = 'accepted', 'no room for this')) AS event_id"
                " FROM heddle.raw_feedback"
            )
            with suppress(DatabaseError):
                client.command("SELECT 1 FROM heddle.nowhere")  # another error of the same second
            with pytest.raises(HeddleError, match="no room for this"):
                write(sink, story("bad"), topic="bad")
            client.command("DROP TABLE heddle.bad")
            write(sink, story("bad"), topic="bad")
            check(ledger, 2)
        finally:
            client.close()
            sink.close()
            hang_up()


def until_refused(sink: Sink, filler: Path) -> int:
    """Fill the disk and write, until a batch is refused; its number."""
    for number in range(TRIES_MAX):
        fill(filler)
        if refusal := refusal_of(sink, number):
            assert "disk is full: free some space" in refusal.reason
            return number
    raise AssertionError(f"{TRIES_MAX} batches found room on a full disk")


def refusal_of(sink: Sink, number: int) -> Transient | None:
    """Write one story; why not, if not."""
    try:
        write(sink, story(f"full{number}"), topic=f"full{number}")
    except Transient as refusal:
        return refusal
    return None


def fill(path: Path) -> None:
    """All that is left."""
    with path.open("ab", buffering=0) as full, suppress(OSError):
        while full.write(b"x" * 65_536):
            pass


def check(ledger: Ledger, stories: int) -> None:
    """Every story, once, and no offset lost."""
    patterns = "SELECT count() AS n, countIf(is_accepted) AS a FROM patterns"
    assert ask(ledger, patterns) == [{"n": 2 * stories, "a": stories}]
    offsets = "SELECT sum(f.missing) AS m, sum(f.doubled) AS d FROM offsets AS f"
    assert ask(ledger, offsets) == [{"m": 0, "d": 0}]
    assert ask(ledger, "SELECT * FROM audit_forwards") == []
