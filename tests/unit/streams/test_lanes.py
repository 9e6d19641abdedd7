"""Who is next: shares by weight, equal tenants, nobody starves."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Busy
from streams.lanes.lanes import LaneLimits, Lanes, Waiting
from streams.lanes.ring import Ring


def waiting(item: int, tier: str = "draft", tenant: str = "a", key: str = "k") -> Waiting[int]:
    """A pattern of cost 100 that came at time 0."""
    return Waiting(item, tier, tenant, 100, key, 0.0)


def take(lanes: Lanes[Any], places: int, *, now_ms: float = 0) -> list[Any]:
    """The next few of the first one's key, as a batch that never changes would take them."""
    first = lanes.call(now_ms=now_ms)
    taken = [first] if first else []
    while first is not None and len(taken) < places:
        following = lanes.call(now_ms=now_ms, may=lambda one: one.key == first.key)
        if following is None:
            break
        taken.append(following)
    return [one.item for one in taken]


def test_shares_follow_the_weights_in_cost_not_in_count() -> None:
    """A queue of weight 3 whose heads cost double gets three times the cost over time."""
    ring, served = Ring({"a": 1.0, "b": 3.0}), Counter[str]()
    for _ in range(4_000):
        key = ring.choose({"a": 10, "b": 20})
        served[key] += 10 if key == "a" else 20
    assert served["b"] / served["a"] == pytest.approx(3.0, rel=0.05)


@given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=1, max_size=80))
def test_the_ring_serves_only_who_may_be_served(rounds: list[set[str]]) -> None:
    """Queues come and go at every turn; the choice is always one that has something."""
    ring = Ring({"a": 2.0})
    for keys in rounds:
        assert ring.choose(dict.fromkeys(sorted(keys), 7)) in keys
        for gone in set("abcd") - keys:
            ring.forget(gone)


def test_every_tier_gets_its_share_under_load() -> None:
    """With all tiers full, premium gets nine and standard three for each draft."""
    lanes: Lanes[int] = Lanes(limits=LaneLimits(waiting_max=10_000, aging_ms=1e12))
    for item in range(3_000):
        for tier in ("draft", "standard", "premium"):
            lanes.offer(Waiting((item, tier), tier, "a", 100, "k", 0.0))
    served = Counter[str]()
    for _ in range(100):
        for item in take(lanes, 13):
            served[item[1]] += 1
    assert served["premium"] / served["draft"] == pytest.approx(9, rel=0.1)
    assert served["standard"] / served["draft"] == pytest.approx(3, rel=0.1)


def test_tenants_share_a_tier_equally() -> None:
    """One tenant with a thousand patterns does not hold back another with ten."""
    lanes: Lanes[int] = Lanes(limits=LaneLimits(waiting_max=10_000))
    for item in range(1_000):
        lanes.offer(waiting(item, tenant="whale"))
    for item in range(1_000, 1_010):
        lanes.offer(waiting(item, tenant="shrimp"))
    first = take(lanes, 20)
    assert sum(item >= 1_000 for item in first) == 10


def test_only_those_that_may_are_called() -> None:
    """Patterns of another key are passed over and stay where they are; none is lost."""
    lanes: Lanes[int] = Lanes()
    for item in range(30):
        lanes.offer(waiting(item, tenant=f"t{item % 4}", key=f"k{item % 3}"))
    seen: list[int] = []
    while batch := take(lanes, 8):
        assert len({item % 3 for item in batch}) == 1
        seen += batch
    assert sorted(seen) == list(range(30))


def test_draft_never_starves() -> None:
    """Past the aging floor the oldest goes first whatever its tier."""
    lanes: Lanes[int] = Lanes(limits=LaneLimits(aging_ms=1_000))
    for item in range(1, 50):
        lanes.offer(Waiting(item, "premium", "b", 1, "k", 900.0))
    lanes.offer(Waiting(0, "draft", "a", 100, "k", 0.0))
    assert take(lanes, 1, now_ms=999) != [0]
    assert take(lanes, 1, now_ms=1_000) == [0]


def test_of_those_that_came_together_the_dearest_tier_goes_first() -> None:
    """Past the aging floor too."""
    lanes: Lanes[str] = Lanes(limits=LaneLimits(aging_ms=10))
    for tier in ("draft", "standard", "premium"):
        lanes.offer(Waiting(tier, tier, "a", 1, "k", 0.0))
    assert take(lanes, 3, now_ms=10) == ["premium", "standard", "draft"]


def test_a_full_tier_says_busy_and_a_second_attempt_does_not_count() -> None:
    """The look-ahead is bounded; a job that comes back keeps the place it had."""
    lanes: Lanes[int] = Lanes(limits=LaneLimits(waiting_max=2))
    lanes.offer(waiting(0))
    lanes.offer(waiting(1))
    with pytest.raises(Busy):
        lanes.offer(waiting(2))
    lanes.offer(waiting(3), first=True)
    assert take(lanes, 1) == [3]


def test_what_is_removed_is_not_served() -> None:
    """Given back on a drain: gone from the lanes, the others stay."""
    lanes: Lanes[int] = Lanes()
    for item in range(4):
        lanes.offer(waiting(item))
    assert sorted(lanes.remove({1, 2, 9})) == [1, 2]
    assert take(lanes, 8) == [0, 3]
    assert len(lanes) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["draft", "standard", "premium"]),
            st.sampled_from("ab"),
            st.integers(1, 9),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_whose_turn_it_is_can_be_asked_before(entries: list[tuple[str, str, int]]) -> None:
    """`head` tells what `call` takes out next, however often it is asked."""
    lanes: Lanes[int] = Lanes()
    for item, (tier, tenant, cost) in enumerate(entries):
        lanes.offer(Waiting(item, tier, tenant, cost, "k", 0.0))
    for left in range(len(entries), 0, -1):
        assert len(lanes) == left == len(list(lanes))
        assert lanes.head(now_ms=0) is lanes.head(now_ms=0) is lanes.call(now_ms=0)
    assert lanes.head(now_ms=0) is lanes.call(now_ms=0) is None


def test_who_is_served_out_of_turn_owes_it() -> None:
    """Premium taken whenever it comes first in line: over time it still gets nine for each draft,
    and standard three."""
    lanes: Lanes[str] = Lanes(limits=LaneLimits(waiting_max=10_000, aging_ms=1e12))
    served = Counter[str]()
    for _ in range(3_000):
        for tier in ("draft", "standard", "premium"):
            lanes.offer(Waiting(tier, tier, "a", 100, "k", 0.0))
    for turn in range(1_300):
        only = (lambda one: one.urgent) if turn % 3 == 0 else None
        called = lanes.call(now_ms=0, may=only)
        assert called is not None
        served[called.item] += 1
    assert served["premium"] / served["draft"] == pytest.approx(9, rel=0.1)
    assert served["standard"] / served["draft"] == pytest.approx(3, rel=0.1)
