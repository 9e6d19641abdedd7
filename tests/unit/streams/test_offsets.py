"""The offset ledger, driven by random histories against the plainest model there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.offsets import METADATA_CHARACTERS_MAX, UNKNOWN, PartitionLedger, read

OFFSETS = st.lists(st.integers(0, 5_000), unique=True, max_size=60).map(sorted)


@given(offsets=OFFSETS, order=st.randoms(use_true_random=False), data=st.data())
def test_watermark_never_passes_an_unfinished_record(
    offsets: list[int], order: object, data: st.DataObject
) -> None:
    """Whatever the gaps and the order of finishing: all before the watermark is finished, and the
    watermark is the lowest unfinished record or one past the last taken."""
    ledger = PartitionLedger(position=0)
    for offset in offsets:
        assert ledger.take(offset)
    finished = data.draw(st.lists(st.sampled_from(offsets), unique=True)) if offsets else []
    for offset in finished:
        ledger.finish(offset)
        ledger.finish(offset)  # a second time changes nothing
    left = [offset for offset in offsets if offset not in finished]
    expected = left[0] if left else (offsets[-1] + 1 if offsets else 0)
    assert ledger.watermark() == expected
    assert ledger.in_flight == len(left)


@given(offsets=OFFSETS, data=st.data())
def test_a_restart_takes_exactly_what_was_not_finished(
    offsets: list[int], data: st.DataObject
) -> None:
    """Commit, die, read the commit back: every unfinished record is taken again, no finished one
    is, and once all are finished the watermark is past them all."""
    ledger = PartitionLedger(position=0)
    for offset in offsets:
        ledger.take(offset)
    finished = data.draw(st.lists(st.sampled_from(offsets), unique=True)) if offsets else []
    for offset in finished:
        ledger.finish(offset)
    watermark = ledger.watermark()
    mark = read(ledger.metadata(), watermark=watermark)
    again = PartitionLedger(position=watermark, beyond=mark.beyond)
    taken = [offset for offset in offsets if offset >= watermark and again.take(offset)]
    assert taken == [offset for offset in offsets if offset not in finished]
    for offset in taken:
        again.finish(offset)
    assert again.watermark() == (offsets[-1] + 1 if offsets else 0)
    assert again.in_flight == 0


@given(
    watermark=st.integers(0, 2**40),
    clean=st.booleans(),
    trying=st.none() | st.tuples(st.integers(0, 2**60), st.integers(1, 9)),
)
def test_marks_come_back_as_they_went(
    watermark: int, clean: bool, trying: tuple[int, int] | None
) -> None:
    """Clean mark and trying mark survive the commit's metadata."""
    ledger = PartitionLedger(position=watermark)
    mark = read(ledger.metadata(clean=clean, trying=trying), watermark=watermark)
    assert (mark.clean, mark.trying, mark.beyond) == (clean, trying, frozenset())


@pytest.mark.parametrize(
    "metadata",
    [None, "", "x", "h1 open", "h2 open - -", "h1 dirty - -", "h1 open - !!!", "h1 open - gA"],
)
def test_foreign_metadata_is_nobodys_death(metadata: str | None) -> None:
    """Metadata of another program or a torn one says nothing, and so frightens nobody."""
    assert read(metadata, watermark=7) == UNKNOWN


def test_a_bomb_in_the_metadata_is_refused() -> None:
    """Ten characters that claim 2**60 finished records unfold into nothing."""
    assert read("h1 open - AP______________D8", watermark=0) == UNKNOWN


def test_full_metadata_is_noticed_before_the_broker_refuses_it() -> None:
    """Every second record finished is the worst case: the partition pauses below the limit."""
    ledger = PartitionLedger(position=0)
    count = 0
    while not ledger.is_full():
        ledger.take(count)
        if count % 2:
            ledger.finish(count)
        count += 1
        assert count < 20_000
    assert METADATA_CHARACTERS_MAX * 0.7 < len(ledger.metadata()) <= METADATA_CHARACTERS_MAX


def test_a_record_taken_twice_is_our_mistake() -> None:
    """Offsets come ascending: going back is an error of ours, not a silent double."""
    ledger = PartitionLedger(position=5)
    ledger.take(5)
    with pytest.raises(ValueError, match="taken before"):
        ledger.take(5)


def test_finished_records_that_vanished_do_not_hold_the_metadata() -> None:
    """Compaction removed a record that was finished beyond the watermark: it is forgotten."""
    ledger = PartitionLedger(position=0, beyond=frozenset({3}))
    ledger.take(10)
    ledger.finish(10)
    assert ledger.watermark() == 11
    assert read(ledger.metadata(), watermark=11).beyond == frozenset()
