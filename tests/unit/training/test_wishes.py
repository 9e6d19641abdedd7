"""What the model is asked: held out for certain, read rightly, and every motif in the grid."""

from __future__ import annotations

import pytest

from training import motifs, wishes
from training.labels import label
from training.latents import ShardPlan, shard_labels
from training.lattice import Lattice
from training.motifs import SCALES
from training.palette import NAMES
from training.render import Swatch
from training.wishes import held_out


def test_held_out_motifs_take_turns_and_are_the_same_each_time() -> None:
    """Every motif has the same weight, and two evaluations ask the same prompts."""
    asked = held_out(32, shards=1)
    assert [wish.motif for wish in asked] == list(motifs.NAMES) * 2
    assert asked == held_out(32, shards=1)


def test_a_swatch_of_a_shard_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a shard that holds the first swatch that would be asked, another one is asked."""
    asked: list[list[int]] = []

    def noted(swatch: Swatch) -> list[int]:
        asked.append(label(swatch))
        return asked[-1]

    monkeypatch.setattr(wishes, "label", noted)
    first = held_out(1, shards=0)
    held = asked[0]
    monkeypatch.setattr(wishes, "shard_labels", lambda _index, _plan: [held])
    assert held_out(1, shards=1) != first


def test_labels_of_a_shard_are_known_without_drawing_it() -> None:
    """A small shard's labels name real values, and half tiles say the scale of the whole one."""
    whole = shard_labels(3, ShardPlan(tiles=32))
    half = shard_labels(3, ShardPlan(tiles=32, tile_px=128))
    assert len(whole) == len(half) == 32
    assert whole != half
    assert all(0 <= row[1] < len(SCALES) - 1 for row in half)


def test_colours_named_are_those_of_the_words() -> None:
    """`navy blue` is navy and not blue; a colour left unsaid is not expected."""
    for wish in held_out(64, shards=0):
        assert set(wish.colours) <= set(NAMES)
        if "midnight blue" in wish.prompt or "navy" in wish.prompt:
            assert "navy" in wish.colours
        if "sky blue" in wish.prompt and "royal" not in wish.prompt:
            assert "sky" in wish.colours


def test_the_grid_asks_for_every_motif_three_times() -> None:
    """Forty-eight plain prompts in three sizes and three lattices, which name two colours each."""
    asked = wishes.grid()
    assert [wish.motif for wish in asked[::3]] == list(motifs.NAMES)
    assert {wish.lattice for wish in asked} == set(Lattice)
    assert all(len(set(wish.colours)) == 2 for wish in asked)


def test_people_ask_in_their_own_words() -> None:
    """Thirty prompts for the first range; their motifs and colours are of that range."""
    asked = wishes.people()
    assert len(asked) == 30
    assert {wish.motif for wish in asked} <= set(motifs.NAMES)
    assert {name for wish in asked for name in wish.colours} <= set(NAMES)
