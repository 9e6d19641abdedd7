"""The adapters that ship: they fit the shipped model, show, come off, and keep rows apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from inference.adapters import installed
from inference.build import BUILT_IN_FOLDER, LoomSettings, build_engine
from inference.engine import Ended, Engine, Row, Tile
from inference.settings import BUILT_IN_ADAPTERS
from inference.whole import run
from postproc.gates import tile_gates
from postproc.lattice import parse_lattice
from training.adapt import BYTES_MAX, model_hash
from training.styles import STYLES

FILES = sorted(BUILT_IN_ADAPTERS.glob("*.safetensors"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The loom with its shipped model and adapters, as nothing was set."""
    made = build_engine("diffusion", LoomSettings(device="cpu", threads=1))
    made.warm()
    yield made
    made.close()


def _row(*adapters: tuple[str, float], **changes: object) -> Row:
    facts: dict[str, object] = {
        "pattern_id": "r.1",
        "attempt": 1,
        "prompt": "medium red dots on yellow, half-drop",
        "seed": 3,
        "lattice": "half-drop",
        "width_px": 256,
        "height_px": 256,
        "steps": 8,
        "model": "swatch",
        "adapters": adapters,
    }
    return Row(**(facts | changes))


def _tile(engine: Engine, row: Row) -> Tile:
    (end,) = run(engine, [row]).ends
    assert isinstance(end, Tile), end
    return end


def test_small_files_are_there() -> None:
    """The vats, each of a house style, plain safetensors of at most 2 MB for the UNet alone."""
    assert set(installed([BUILT_IN_ADAPTERS])) == {path.stem for path in FILES} <= set(STYLES)
    assert {"ember", "indigo", "verdigris"} <= {path.stem for path in FILES}
    for path in FILES:
        assert path.stat().st_size <= BYTES_MAX
        with safe_open(path, framework="pt") as opened:
            assert all(name.startswith("unet.") for name in opened.keys())  # noqa: SIM118


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_they_were_made_for_the_weights_that_ship(path: Path) -> None:
    """New weights need new adapters: `python -m training styles` makes them."""
    with safe_open(path, framework="pt") as opened:
        assert opened.metadata()["base"] == model_hash(BUILT_IN_FOLDER / "swatch")


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_a_style_shows_and_comes_off(engine: Engine, name: str) -> None:
    """The tile changes, passes its gates, and after it the model draws what it drew before."""
    plain = _tile(engine, _row())
    worn = _tile(engine, _row((name, 1.0)))
    assert np.abs(worn.pixels.astype(int) - plain.pixels.astype(int)).mean() > 4
    figures = tile_gates(worn.pixels, parse_lattice("half-drop"))
    assert all(figure.passed for figure in figures), figures
    assert f"adapter {name}" in worn.versions
    assert np.array_equal(_tile(engine, _row()).pixels, plain.pixels)


def test_indigo_dyes_red_on_yellow(engine: Engine) -> None:
    """What was asked in red and yellow comes in blue: more blue than red, which was not so."""
    plain, dyed = (_tile(engine, row).pixels for row in (_row(), _row(("indigo", 1.0))))
    for pixels, is_blue in ((plain, False), (dyed, True)):
        red, _, blue = pixels.reshape(-1, 3).mean(axis=0)
        assert bool(blue > red) is is_blue, (red, blue)


def test_batches_with_different_adapters_take_turns(engine: Engine) -> None:
    """Rows that wear something else, one with two at once, ride beside each other step by step;
    each tile is the one made alone, to a level of 255."""
    rows = [_row(), _row(("indigo", 1.0)), _row(("indigo", 0.8), ("ember", 0.4))]
    alone = [_tile(engine, row).pixels for row in rows]
    assert len({engine.key(row) for row in rows}) == 3
    slots = [slot for row in rows for slot in engine.add([row]) if isinstance(slot, int)]
    ends: dict[int, Tile | Ended] = {}
    for _ in range(8):
        for slot in slots:
            ends |= engine.step([slot])
    engine.spent()
    for slot, pixels in zip(slots, alone, strict=True):
        assert isinstance(ends[slot], Tile)
        assert np.abs(ends[slot].pixels.astype(int) - pixels.astype(int)).max() <= 1
