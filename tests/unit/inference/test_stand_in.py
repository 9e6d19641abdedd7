"""The stand-in keeps the engine's promises and draws tiles that truly repeat."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine import LATTICES, Pixels, Row, Tile
from inference.stand_in import StandIn, draw
from inference.whole import run


def _draw(name: str, seed: int, lattice: str, *, size: tuple[int, int] = (96, 64)) -> Pixels:
    digest = hashlib.sha256(name.encode()).digest()
    return draw(digest, seed, lattice=lattice, width_px=size[0], height_px=size[1])


def _row(**changes: object) -> Row:
    facts: dict[str, object] = {
        "pattern_id": "r.1",
        "attempt": 1,
        "prompt": "x",
        "seed": 1,
        "lattice": "straight",
        "width_px": 96,
        "height_px": 64,
        "model": "any@1",
    }
    return Row(**(facts | changes))


def _jump(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), lattice=st.sampled_from(LATTICES), name=st.text(max_size=5))
def test_the_wrap_is_a_line_like_any_other(seed: int, lattice: str, name: str) -> None:
    """Across every edge of the repeat the tile changes no more than it does inside."""
    tile = _draw(name.encode("utf-8", "replace").decode(), seed, lattice)
    height_px, width_px, _ = tile.shape
    right = np.roll(tile[:, 0], height_px // 2 if lattice == "half-drop" else 0, axis=0)
    below = np.roll(tile[0], width_px // 2 if lattice == "brick" else 0, axis=0)
    assert _jump(tile[:, -1], right) <= 1.5 * _jump(tile[:, 1:], tile[:, :-1])
    assert _jump(tile[-1], below) <= 1.5 * _jump(tile[1:], tile[:-1])


def test_a_sheared_tile_repeats_by_no_other_lattice() -> None:
    """A half-drop tile set straight shows its seam, so tests can tell lattices apart."""
    tile = _draw("x", 3, "half-drop")
    assert _jump(tile[:, -1], tile[:, 0]) > 2 * _jump(tile[:, 1:], tile[:, :-1])


def test_the_same_words_and_seed_are_the_same_bytes() -> None:
    """Known bytes: a change of the drawing is a change of every golden that uses it."""
    tile = _draw("x", 3, "brick")
    assert hashlib.sha256(tile.tobytes()).hexdigest() == (
        "255121ba71d1c1570b219eb0c746fb9257051402715171d75ecdbb72da056ee0"
    )
    assert (tile != _draw("x", 4, "brick")).any()
    assert (tile != _draw("y", 3, "brick")).any()


def test_a_tile_is_flat_colours_with_contrast() -> None:
    """At most four colours, none of them everywhere."""
    colours, counts = np.unique(
        _draw("x", 3, "straight").reshape(-1, 3), axis=0, return_counts=True
    )
    assert 2 <= len(colours) <= 4
    assert counts.max() < 0.7 * counts.sum()


def test_a_flawed_row_gets_a_seam() -> None:
    """Who tests the gates can ask for a tile that does not repeat, and get one per attempt."""
    engine = StandIn(flawed=lambda row: row.attempt == 1)
    rows = [_row(attempt=1), _row(attempt=2)]
    bad, good = run(engine, rows).ends
    assert isinstance(bad, Tile)
    assert isinstance(good, Tile)
    assert _jump(bad.pixels[:, -1], bad.pixels[:, 0]) > 2 * _jump(
        good.pixels[:, -1], good.pixels[:, 0]
    )


def test_one_model_too_many_does_not_board() -> None:
    """A third model's row is its caller's error while rows of two are aboard."""
    engine = StandIn()
    engine.add([_row(model="a@1")])
    engine.add([_row(model="b@1")])
    engine.add([_row(model="b@1", width_px=32)])
    with pytest.raises(ValueError, match="2 models at once"):
        engine.add([_row(model="c@1")])
    engine.drop([0])
    assert engine.add([_row(model="c@1")]) == [0]


@pytest.mark.parametrize("module", ["engine", "shares", "stand_in", "build", "models", "solvers"])
def test_the_package_loads_without_torch(module: str) -> None:
    """Processes that only speak of rows and tiles never pay for torch."""
    code = f"import sys, inference.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
