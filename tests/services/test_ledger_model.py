"""Random lives of whole houses, on every bad day of a log: every view equals a plain model."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analytics.contract import VIEWS
from analytics.sink import Sink
from tests.services.ledger_child import WRITER_PASSWORD, Ledger, running
from tests.services.ledger_compare import ALL_MODELS, differences
from tests.services.ledger_lives import hang_up, refresh
from tests.services.ledger_model import House
from tests.services.ledger_weaver import BOOK
from tests.services.ledger_woven import batches, weave


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        yield process
        hang_up()


@pytest.fixture(scope="module")
def sink(ledger: Ledger) -> Iterator[Sink]:
    sink = Sink(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD, prices=BOOK)
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def house() -> House:
    """All that the ledger was told: one example is compared beside those before it."""
    return House(BOOK)


def test_every_view_has_a_model() -> None:
    """A new view without one fails here."""
    assert set(ALL_MODELS) == set(VIEWS)


@settings(
    max_examples=4,
    deadline=None,
    # A failing house is told by its first few differences; shrinking a seed tells nothing more.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_houses_against_a_plain_model(
    ledger: Ledger, sink: Sink, house: House, seed: int
) -> None:
    """Late, doubled, reordered and replayed: half-way and at the end, every view is the model's."""
    pieces = batches(weave(f"h{seed}", seed), Random(seed))
    for half in (pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]):
        for piece in half:
            sink.write(piece)
            house.hear(piece)
        refresh(ledger)
        assert differences(ledger, house) == []


def test_each_comparison_can_fail(ledger: Ledger, sink: Sink, house: House) -> None:
    """A house that was never written is missed in every view that could hold it."""
    sink.prepare()
    other = deepcopy(house)
    other.hear(weave("never", 1))
    told = {one.partition(" ")[0].rstrip(":") for one in differences(ledger, other)}
    assert told == set(VIEWS) - {"prices", "audit_forwards"}
