"""Who rides: bounded places, one key per batch, urgent rows at once, nobody passed for ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.lanes.board import Board
from streams.lanes.lanes import LaneLimits, Lanes, Waiting
from streams.lanes.openings import BoardLimits, Rider, openings, resuming, victim

TIERS = ("draft", "standard", "premium")
GROUPS: dict[str, int] = {"k": 1, "l": 1, "o": 1, "p": 1, "m": 2, "n": 3}
FEVER_MS = 1e12
"""No row ever grows that old."""


@dataclass(eq=False)
class Row:
    """What rides here."""

    name: str
    tier: str = "draft"
    key: str = "k"
    steps: int = 4


def rider(number: int, tier: str = "draft", key: str = "k", **marks: bool) -> Rider[int]:
    """A row aboard; its batch began with row 0 of its key's letter."""
    waiting = Waiting(number, tier, "a", 1, key, 0.0)
    return Rider(waiting=waiting, number=number, batch=ord(key), **marks)


def waiting(tier: str = "draft", key: str = "k") -> Waiting[int]:
    """A row that would board."""
    return Waiting(99, tier, "a", 1, key, 0.0)


class House:
    """Rows that arrive, ride and end, with the rules checked at every boundary."""

    def __init__(self, limits: BoardLimits, *, aging_ms: float = FEVER_MS) -> None:
        self.limits = limits
        self.lanes: Lanes[Row] = Lanes(limits=LaneLimits(waiting_max=100_000, aging_ms=aging_ms))
        self.board: Board[Row] = Board(self.lanes, limits)
        self.now_ms = 0.0
        self.joined: dict[Row, float] = {}
        self.left: dict[Row, int] = {}
        self.paused: Counter[Row] = Counter()
        self.ended: list[Row] = []

    def offer(self, row: Row) -> Row:
        """Let it wait, from now on."""
        group = GROUPS[row.key]
        self.lanes.offer(Waiting(row, row.tier, "t", row.steps, row.key, self.now_ms, group=group))
        self.left[row] = row.steps
        return row

    def turn(self) -> None:
        """A boundary, then the steps that are due, which take a millisecond."""
        turn = self.board.turn(now_ms=self.now_ms)
        for row in turn.joined:
            assert row not in self.joined, "boards once"
            self.joined[row] = self.now_ms
        self.paused.update(turn.paused)
        self.check()
        self.now_ms += 1
        for row in [row for batch in self.board.step() for row in batch]:
            self.left[row] -= 1
            if not self.left[row]:
                self.board.leave([row])
                self.ended.append(row)

    def check(self) -> None:
        """What holds at every boundary, whoever comes."""
        batches = self.board.batches()
        assert all(len({row.key for row in batch}) == 1 for batch in batches), "one key each"
        assert all(1 <= len(batch) <= self.limits.slots_max for batch in batches), "places"
        keys = {row.key for row in self.board.aboard()}
        assert len(batches) == len(keys) <= self.limits.batches_max, "batches"
        assert len({GROUPS[key] for key in keys}) <= self.limits.groups_max, "groups"
        resting = len(self.board) - sum(len(batch) for batch in batches)
        assert resting <= self.limits.paused_max, "resting"
        assert all(times == 1 for times in self.paused.values()), "pauses once"
        assert all(row.tier != "premium" for row in self.paused), "urgent ones never"


LIMITS = st.builds(
    BoardLimits,
    slots_max=st.integers(1, 4),
    batches_max=st.integers(1, 3),
    groups_max=st.integers(1, 2),
    turn_steps_max=st.integers(1, 3),
    paused_max=st.integers(0, 3),
    passed_max=st.integers(0, 5),
)
ROWS = st.tuples(st.sampled_from(TIERS), st.sampled_from("klm"), st.integers(1, 6))
CROWDS = st.lists(st.lists(ROWS, max_size=4), min_size=1, max_size=25)


@settings(deadline=None, max_examples=50)
@given(limits=LIMITS, crowds=CROWDS)
def test_everybody_rides_within_the_bounds(
    limits: BoardLimits, crowds: list[list[tuple[str, str, int]]]
) -> None:
    """Whoever comes whenever: no bound is broken, each boards once and each ends."""
    house = House(limits)
    rows: list[Row] = []
    for crowd in crowds:
        rows += [house.offer(Row("r", *facts)) for facts in crowd]
        house.turn()
    for _ in range(7 * len(rows)):
        house.turn()
    assert sorted(map(id, house.ended)) == sorted(map(id, rows))
    assert not len(house.board)
    assert not len(house.lanes)


@settings(deadline=None, max_examples=40)
@given(
    limits=LIMITS,
    flood=st.lists(ROWS, min_size=1, max_size=6),
    tier=st.sampled_from(TIERS),
    key=st.sampled_from("klmn"),
)
def test_nobody_starves(
    limits: BoardLimits, flood: list[tuple[str, str, int]], tier: str, key: str
) -> None:
    """More work than there is room for, for ever, of any tiers and keys: past the aging floor a
    row boards within as many turns as all that was before it needs."""
    house = House(limits, aging_ms=20)
    for _ in range(10):
        house.turn()
        for facts in flood:
            house.offer(Row("flood", *facts))
    before = sum(1 for row in house.left if row not in house.joined)
    row = house.offer(Row("waits", tier, key, 3))
    aboard_max = limits.slots_max * limits.batches_max + limits.paused_max
    others_max = limits.batches_max * limits.turn_steps_max
    turns_max = 20 + 7 * (before + aboard_max + 1) * others_max
    for _ in range(turns_max):
        house.turn()
        for facts in flood:
            house.offer(Row("flood", *facts))
        if row in house.joined:
            return
    pytest.fail(f"not aboard after {turns_max} turns")


@settings(deadline=None)
@given(
    tiers=st.lists(st.sampled_from(TIERS), min_size=1, max_size=4),
    key=st.sampled_from("kl"),
    age=st.integers(0, 3),
)
def test_an_urgent_row_boards_at_the_next_step(tiers: list[str], key: str, age: int) -> None:
    """Full batch or foreign key: as long as a row of another tier is there to give way, or a batch
    to begin, premium rides in the very next step."""
    house = House(BoardLimits(slots_max=len(tiers), paused_max=1))
    for tier in tiers:
        house.offer(Row("first", tier, "k", 9))
    for _ in range(1 + age):
        house.turn()
    others = [house.offer(Row("waits", tier, "k", 9)) for tier in ("draft", "standard")]
    urgent = house.offer(Row("urgent", "premium", key))
    house.turn()
    assert (urgent in house.joined) == (key == "l" or set(tiers) != {"premium"})
    assert not set(others) & set(house.joined)


def test_the_one_that_gave_way_comes_back_first() -> None:
    """The youngest draft rests, keeps its steps, and takes the next free place before others."""
    house = House(BoardLimits(slots_max=2))
    old, young = house.offer(Row("old", steps=3)), house.offer(Row("young", steps=5))
    house.turn()
    urgent = house.offer(Row("urgent", "premium", steps=4))
    other = house.offer(Row("other", "standard", steps=4))
    house.turn()
    assert house.board.batches() == [[old, urgent]]
    assert house.left[young] == 4
    house.turn()
    assert house.ended == [old]
    house.turn()
    assert house.board.batches() == [[young, urgent]]
    second = house.offer(Row("second", "premium"))
    house.turn()
    assert second not in house.joined, "nobody rests twice"
    for _ in range(12):
        house.turn()
    assert set(house.ended) == {old, young, urgent, other, second}


def test_shares_hold_in_a_running_batch() -> None:
    """With every tier waiting, of those that board nine are premium and three standard for each
    draft: giving way changes who is first, not who gets how much."""
    house = House(BoardLimits(slots_max=4))
    for _ in range(400):
        for tier in TIERS:
            house.offer(Row("r", tier))
    while len(house.joined) < 520:
        house.turn()
    served = Counter(row.tier for row in house.joined)
    assert served["premium"] / served["draft"] == pytest.approx(9, rel=0.1)
    assert served["standard"] / served["draft"] == pytest.approx(3, rel=0.1)


def test_company_passes_within_bounds_and_then_the_batch_empties() -> None:
    """A draft of another key sees `passed_max` rows board before it, and its own batch next."""
    house = House(BoardLimits(slots_max=2, batches_max=2, passed_max=3))
    for steps in (3, 4):
        house.offer(Row("k", steps=steps))
    house.turn()
    foreign = house.offer(Row("foreign", key="l"))
    for _ in range(50):
        house.offer(Row("k"))
    while foreign not in house.joined:
        house.turn()
    passed = [row for row, at_ms in house.joined.items() if 0 < at_ms < house.joined[foreign]]
    assert len(passed) == 3
    assert house.board.aboard()[0] is foreign


def test_past_the_aging_floor_nobody_passes() -> None:
    """Not even an urgent one: the running batch empties at once."""
    riders = [rider(0), rider(1, "premium")]
    limits = BoardLimits(slots_max=4, batches_max=2)
    foreign = waiting(key="l")
    now = openings(riders, limits, head=foreign)
    assert now.foreign
    assert now.admits(waiting())
    assert now.admits(waiting("premium"))
    passed = openings(riders, limits, head=foreign, passed=limits.passed_max)
    assert not passed.admits(waiting())
    assert passed.admits(waiting("premium"))
    aged = openings(riders, limits, head=foreign, head_aged=True)
    assert not aged.admits(waiting())
    assert not aged.admits(waiting("premium"))
    assert not aged.admits(waiting("premium", "m"))


def test_the_last_batch_is_for_urgent_rows() -> None:
    """Others neither begin it nor join it; once the first batch has ended it is like any other."""
    limits = BoardLimits(slots_max=2, batches_max=2)
    both = [rider(0), rider(1, "premium", "l")]
    alone = openings([rider(0)], limits, head=None)
    assert alone.admits(waiting("premium", "l"))
    assert not alone.admits(waiting("standard", "l"))
    two = openings(both, limits, head=waiting("standard", "l"))
    assert two.admits(waiting("premium", "l"))
    assert not two.admits(waiting("standard", "l"))
    assert not two.admits(waiting("premium", "m"))
    assert openings(both[1:], limits, head=None).admits(waiting("standard", "l"))
    single = BoardLimits(slots_max=2, batches_max=1)
    assert not openings([rider(0)], single, head=None).admits(waiting("premium", "l"))
    assert openings([], single, head=None).admits(waiting("draft", "l"))


def test_who_rests_is_chosen_once_and_within_bounds() -> None:
    """The last to have boarded of those who never rested, in a full batch only."""
    limits = BoardLimits(slots_max=2, paused_max=1)
    assert victim([rider(0)], "k", limits) is None
    full = [rider(0), rider(1)]
    assert victim(full, "k", limits) == full[1]
    assert victim(full, "l", limits) is None
    assert victim([full[0], rider(1, rested=True)], "k", limits) == full[0]
    assert victim([full[0], rider(1, "premium")], "k", limits) == full[0]
    resting = [*full, rider(2, paused=True, rested=True)]
    assert victim(resting, "k", limits) is None
    assert resuming(resting, limits) == []
    assert resuming(resting[1:], limits) == resting[2:]


def test_only_those_named_board_when_somebody_is_in_a_hurry() -> None:
    """While a partition leaves, newcomers stay outside; its own rows may come again."""
    house = House(BoardLimits(slots_max=2))
    first, second = house.offer(Row("a")), house.offer(Row("b"))
    assert house.board.turn(now_ms=0, only=lambda row: row is second).joined == (second,)
    assert house.board.turn(now_ms=0, only=lambda row: False).joined == ()
    turn = house.board.turn(now_ms=0)
    assert (turn.joined, turn.flying) == ((first,), 1)


def test_batches_take_turns_and_urgent_ones_every_step() -> None:
    """Others go on for `turn_steps_max` steps and then make way; none is left out."""
    house = House(BoardLimits(slots_max=2, turn_steps_max=2))
    for key in "kl":
        house.offer(Row("r", "draft", key, 9))
    house.board.turn(now_ms=0)
    seen = [[batch[0].key for batch in house.board.step()] for _ in range(6)]
    assert seen == [["k"], ["k"], ["l"], ["l"], ["k"], ["k"]]
    house.offer(Row("r", "premium", "m", 9))
    house.board.turn(now_ms=0)
    seen = [[batch[0].key for batch in house.board.step()] for _ in range(4)]
    assert seen == [["m", "l"], ["m", "l"], ["m", "k"], ["m", "k"]]
    first = [batch[0].key for batch in house.board.step(first=lambda row: row.key in "ml")]
    assert first == ["l"], "the one of those that has run longest, alone"
    assert len(house.board.step(first=lambda row: row.key == "n")) == 2, "nobody of those rides"


def test_rows_of_too_many_groups_wait() -> None:
    """A third model's row boards when the rows of one of the two have ended, and is passed by
    `passed_max` rows at most."""
    house = House(BoardLimits(slots_max=1, groups_max=2, passed_max=1))
    for key in "km":
        house.offer(Row("first", "draft", key, 2))
    house.turn()
    third = house.offer(Row("third", "draft", "n", 1))
    later = [house.offer(Row("later", "draft", key, 9)) for key in "lop"]
    while third not in house.joined:
        house.turn()
    before = list(house.joined)[: list(house.joined).index(third)]
    assert sum(row in before for row in later) == 1
