"""Who writes the rows may be two, or die before it has said so: no number knows.

Two writers happen when a partition moves while the one that had it is still at work; a death between
insert and commit is what at least once means.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from random import Random

import pytest

from analytics.sink import Sink
from tests.services.ledger_child import WRITER_PASSWORD, Ledger, running
from tests.services.ledger_compare import differences
from tests.services.ledger_lives import hang_up, refresh
from tests.services.ledger_model import House
from tests.services.ledger_weaver import BOOK, Row
from tests.services.ledger_woven import weave

SIZE = 25


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        yield process
        hang_up()


@pytest.fixture(scope="module")
def house() -> House:
    """What this file has written so far."""
    return House(BOOK, datetime.now(UTC).date())


def sink_of(ledger: Ledger) -> Sink:
    return Sink(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD, prices=BOOK)


def test_two_writers_of_the_same_partitions_write_one_truth(ledger: Ledger, house: House) -> None:
    """Each has three quarters of every partition, half of it in common, in batches of its own, at
    the same time; the ledger makes its facts meanwhile."""
    log = weave("two", 2)
    house.hear(log)
    shares = [
        list(row for line in _lines(log) for row in line[: len(line) * 3 // 4 + 1]),
        list(row for line in _lines(log) for row in line[len(line) // 4 :]),
    ]
    begin, troubles = threading.Barrier(2), []

    def write(rows: list[Row], seed: int) -> None:
        sink, draw = sink_of(ledger), Random(seed)
        draw.shuffle(rows)
        try:
            sink.prepare()
            begin.wait(30)
            while rows:
                size = draw.randint(1, SIZE)
                sink.write(rows[:size])
                del rows[:size]
        except Exception as trouble:  # noqa: BLE001 - told below, by the main thread.
            troubles.append(trouble)
        finally:
            sink.close()

    threads = [
        threading.Thread(target=write, args=(rows, seed)) for seed, rows in enumerate(shares)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    refresh(ledger)
    assert differences(ledger, house) == []


def _lines(log: Sequence[Row]) -> list[list[Row]]:
    """Each partition's rows, ascending."""
    ordered = sorted(log, key=lambda row: row[1:4])
    return [list(rows) for _, rows in groupby(ordered, key=lambda row: row[1:3])]
