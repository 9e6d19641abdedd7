"""The ledger killed at any moment, of batches of every kind and of the making of facts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from analytics.contract import FACTS
from analytics.link import Address, Link
from analytics.sink import Sink
from schemas.errors import Transient
from tests.services.ledger_child import (
    WRITER_PASSWORD,
    Ledger,
    free_port,
    running,
    start,
    wait_ready,
)
from tests.services.ledger_compare import differences
from tests.services.ledger_lives import hang_up, refresh
from tests.services.ledger_model import House
from tests.services.ledger_weaver import BOOK, Row
from tests.services.ledger_woven import batches, weave

DEATHS = 4
LIFE_BATCHES = (3, 6)
"""Acknowledged in one life before the kill, at least and at most."""
INTO_NEXT_S_MAX = 0.3
"""From the last of them to the kill: a moment in the next one, or between the two."""
WAIT_S_MAX = 60
UNCOMMITTED = 2
"""Batches that were acknowledged and whose offsets were not committed yet: a stage offers them
again, as it does the one that failed."""


class Stage:
    """Offers batches as record does: after the last acknowledged one, or from a little before."""

    def __init__(self, pieces: list[list[Row]]) -> None:
        self.pieces, self.done = pieces, 0
        self._written = threading.Semaphore(0)

    def offer(self, sink: Sink) -> None:
        """All that is left. Raises Transient when the ledger is gone."""
        self.done = max(self.done - UNCOMMITTED, 0)
        for piece in self.pieces[self.done :]:
            sink.write(piece)
            self.done += 1
            self._written.release()

    def wait_for(self, batches: int) -> bool:
        """Until so many more were acknowledged; False if that takes too long."""
        return all(self._written.acquire(timeout=WAIT_S_MAX) for _ in range(batches))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [3])
def test_a_ledger_killed_at_any_moment_holds_the_truth(tmp_path: Path, seed: int) -> None:
    """SIGKILL at drawn moments while batches of all kinds come in and facts are made, each time
    started again on its folder: at the end every view is the model's."""
    draw = Random(seed)
    log = [row for name in ("k", "l", "m") for row in weave(f"{name}{seed}", seed)]
    stage = Stage(batches(log, draw, size_max=12))
    for _ in range(DEATHS):
        with _alive(tmp_path / "ledger") as (ledger, sink):
            threads = [
                threading.Thread(target=_until_it_dies, args=(stage.offer, sink)),
                threading.Thread(target=_until_it_dies, args=(_make_facts, ledger)),
            ]
            for thread in threads:
                thread.start()
            assert stage.wait_for(draw.randint(*LIFE_BATCHES))
            threads[0].join(draw.uniform(0, INTO_NEXT_S_MAX))
            assert all(thread.is_alive() for thread in threads), "killed in mid-work"
            ledger.kill()
            for thread in threads:
                thread.join()
    assert DEATHS < stage.done < len(stage.pieces)
    with running(tmp_path / "ledger") as ledger:
        sink = _sink(ledger)
        stage.offer(sink)
        sink.close()
        refresh(ledger)
        house = House(BOOK)
        house.hear(log)
        assert differences(ledger, house) == []
        hang_up()


@contextlib.contextmanager
def _alive(folder: Path) -> Iterator[tuple[Ledger, Sink]]:
    """A ledger that is to be killed in the block, with its tables, and a line to it."""
    ledger = start(folder, free_port())
    try:
        wait_ready(ledger)
        sink = _sink(ledger)
        sink.prepare()
        yield ledger, sink
        sink.close()
    finally:
        ledger.kill()
        assert ledger.process.stderr is not None
        ledger.process.stderr.close()


def _sink(ledger: Ledger) -> Sink:
    return Sink(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD, prices=BOOK)


def _until_it_dies(work: Callable[[object], None], with_what: object) -> None:
    """The kill is told to a stage as what may pass."""
    with contextlib.suppress(Transient):
        work(with_what)


def _make_facts(ledger: Ledger) -> None:
    """One making after the other."""
    link = Link(Address(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD))
    try:
        while True:
            for name in FACTS:
                link.execute(f"SYSTEM REFRESH VIEW heddle.{name}")
                link.execute(f"SYSTEM WAIT VIEW heddle.{name}")
    finally:
        link.close()
