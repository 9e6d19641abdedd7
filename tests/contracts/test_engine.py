"""What every engine promises, one body for the diffusion loom and its stand-in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.build import LoomSettings, build_engine
from inference.engine import LATTICES, Ended, Engine, Row, Tile
from inference.whole import run
from schemas.errors import Rejected
from tests.unit.inference.tiny import build_sd

SIDE_PX = 64


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny model."""
    folder = tmp_path_factory.mktemp("models")
    build_sd(folder / "sd")
    return folder


@pytest.fixture(scope="module", params=["stand-in", "diffusion"])
def engine(request: pytest.FixtureRequest, models: Path) -> Iterator[Engine]:
    """Either engine, warm."""
    settings = LoomSettings(
        models_folders=(models,), default_model="sd", device="cpu", threads=1, rows_max=4
    )
    made = build_engine(request.param, settings)
    made.warm()
    yield made
    made.close()
    made.close()


def _row(ordinal: int = 1, **changes: Any) -> Row:
    facts: dict[str, Any] = {
        "pattern_id": f"r.{ordinal}",
        "attempt": 1,
        "prompt": "rose on cream",
        "seed": ordinal,
        "lattice": "straight",
        "width_px": SIDE_PX,
        "height_px": SIDE_PX,
        "steps": 3,
        "model": "sd",
    }
    return Row(**(facts | changes))


def test_as_many_ends_as_rows_in_their_order(engine: Engine) -> None:
    """Every row's tile lies in the row's own place, with its own size and facts."""
    rows = [_row(at, lattice=lattice) for at, lattice in enumerate(LATTICES, 1)]
    ends = run(engine, rows).ends
    assert [end.pattern_id for end in ends] == ["r.1", "r.2", "r.3"]
    for slot, end in enumerate(ends):
        assert isinstance(end, Tile)
        assert end.pixels.shape == (SIDE_PX, SIDE_PX, 3)
        assert end.pixels.dtype == np.uint8
        assert (end.steps, end.batch_slot, end.batch_rows) == (3, slot, 3)
        assert len(end.model_hash) == 64
        assert end.versions
        assert end.solver


def test_a_row_is_a_function_of_itself(engine: Engine) -> None:
    """The same row again gives the same picture within a level; another seed another."""
    (one,) = run(engine, [_row()]).ends
    again, other = run(engine, [_row(), _row(2)]).ends
    assert isinstance(one, Tile)
    assert isinstance(again, Tile)
    assert isinstance(other, Tile)
    assert np.abs(one.pixels.astype(int) - again.pixels.astype(int)).max() <= 1
    assert np.abs(one.pixels.astype(int) - other.pixels.astype(int)).max() > 1


def test_one_impossible_row_harms_nobody(engine: Engine) -> None:
    """It ends rejected in its place, names field and limit, and pays for nothing."""
    batch = run(engine, [_row(1, lattice="hexagon"), _row(2)])
    bad, good = batch.ends
    assert isinstance(bad, Ended)
    assert (bad.outcome, bad.field, bad.pattern_id) == ("rejected", "lattice", "r.1")
    assert bad.limit
    assert isinstance(good, Tile)
    assert {part.pattern_id for one in batch.forwards for part in one.parts} == {"r.2"}
    with pytest.raises(Rejected, match="lattice"):
        engine.key(_row(lattice="hexagon"))


def test_a_batch_of_impossible_rows_ends_too(engine: Engine) -> None:
    """Nothing left to weave is an answer, not an error."""
    batch = run(engine, [_row(1, seed=-1), _row(2, width_px=3)])
    assert [end.field for end in batch.ends if isinstance(end, Ended)] == ["seed", "width_px"]
    assert batch.forwards == ()


def test_cancelling_takes_effect_between_steps(engine: Engine) -> None:
    """A row cancelled after one step is not finished; its neighbour is."""
    done: list[int] = []
    ends = run(
        engine,
        [_row(1), _row(2)],
        cancelled=lambda name: name == "r.1" and bool(done),
        on_step=done.append,
    ).ends
    assert isinstance(ends[0], Ended)
    assert ends[0].outcome == "cancelled"
    assert isinstance(ends[1], Tile)
    assert done == [1, 2, 3]


def test_all_cancelled_at_once(engine: Engine) -> None:
    """Who cancels everything gets ends for everything, and soon."""
    ends = run(engine, [_row(1), _row(2)], cancelled=lambda _: True).ends
    assert [end.outcome for end in ends if isinstance(end, Ended)] == ["cancelled", "cancelled"]


def test_time_adds_up(engine: Engine) -> None:
    """Every forward's parts sum to it exactly, guidance counts double, none is left for later."""
    rows = [_row(1, guidance=1.0), _row(2, guidance=3.0)]
    batch = run(engine, rows)
    assert {one.kind for one in batch.forwards} <= {"load", "encode", "denoise", "decode"}
    for one in batch.forwards:
        assert sum(part.duration_us for part in one.parts) == one.duration_us
        assert one.started_at > 1_600_000_000_000_000
        paid = {part.pattern_id: part.duration_us for part in one.parts}
        if len(paid) == 2:
            assert abs(paid["r.2"] - 2 * paid["r.1"]) <= 2
    again = run(engine, [_row(3)])
    assert {part.pattern_id for one in again.forwards for part in one.parts} == {"r.3"}


def test_keys_tell_what_may_share_a_run(engine: Engine) -> None:
    """Seeds, prompts, lattices, steps and guidance share; sizes and adapters do not."""
    key = engine.key(_row())
    assert hash(key) == hash(engine.key(_row(2, prompt="", lattice="brick", steps=1, guidance=1.0)))
    assert key == engine.key(_row(2, prompt="", lattice="brick", steps=1, guidance=1.0))
    assert key != engine.key(_row(width_px=SIDE_PX * 2))
    assert key != engine.key(_row(adapters=(("a", 0.5),)))


def _step(engine: Engine, slots: Sequence[int | Ended]) -> dict[int, Tile | Ended]:
    return engine.step([slot for slot in slots if isinstance(slot, int)])


def test_a_row_that_joins_a_running_batch_is_the_same_tile(engine: Engine) -> None:
    """Boarding after a step of another row changes nothing in either's picture."""
    rows = [_row(1), _row(2, lattice="brick", guidance=1.0)]
    alone = [run(engine, [one]).ends[0] for one in rows]
    slots = engine.add(rows[:1])
    assert _step(engine, slots) == {}
    slots += engine.add(rows[1:])
    ends: dict[int, Tile | Ended] = {}
    while left := [slot for slot in slots if slot not in ends]:
        ends |= _step(engine, left)
    for slot, tile in enumerate(alone):
        end = ends[slot]
        assert isinstance(tile, Tile)
        assert isinstance(end, Tile)
        assert np.abs(tile.pixels.astype(int) - end.pixels.astype(int)).max() <= 1
        assert end.batch_rows == 2
    engine.spent()


def test_a_row_may_rest_and_go_on(engine: Engine) -> None:
    """Aboard but not named in a step it waits where it is, and pays for nothing."""
    (alone,) = run(engine, [_row(1)]).ends
    slots = engine.add([_row(1), _row(2)])
    assert _step(engine, slots) == {}
    engine.spent()
    ends: dict[int, Tile | Ended] = {}
    for _ in range(2):
        ends |= _step(engine, slots[1:])
    assert [end.pattern_id for end in ends.values()] == ["r.2"]
    assert {part.pattern_id for one in engine.spent() for part in one.parts} == {"r.2"}
    for _ in range(2):
        ends |= _step(engine, slots[:1])
    rested = ends[0]
    assert isinstance(alone, Tile)
    assert isinstance(rested, Tile)
    assert np.abs(alone.pixels.astype(int) - rested.pixels.astype(int)).max() <= 1
    engine.spent()


def test_time_of_a_row_that_left_is_told(engine: Engine) -> None:
    """What it cost until then is in the parts; its slot goes to the next row."""
    slots = engine.add([_row(1), _row(2)])
    _step(engine, slots)
    engine.drop([0, 99])
    forwards = engine.spent()
    assert {part.pattern_id for one in forwards for part in one.parts} == {"r.1", "r.2"}
    assert all(sum(p.duration_us for p in one.parts) == one.duration_us for one in forwards)
    assert engine.add([_row(3)]) == [0]
    engine.drop([0, 1])
    engine.spent()


def test_rows_board_within_bounds(engine: Engine) -> None:
    """Mixed keys in one call and slots that nobody has are programming errors."""
    with pytest.raises(ValueError, match="different keys"):
        engine.add([_row(1), _row(2, width_px=SIDE_PX * 2)])
    with pytest.raises(ValueError, match="not all aboard"):
        engine.step([0])
    slots = [*engine.add([_row(1)]), *engine.add([_row(2, width_px=SIDE_PX * 2)])]
    with pytest.raises(ValueError, match="different keys"):
        _step(engine, slots)
    engine.drop([0, 1])
    engine.spent()
    assert engine.models_max == 2
    # Bills are priced by it: `auto` is no machine.
    assert engine.device_name == "cpu"
    assert engine.key(_row())[0] in ("sd", "sd@1")


@pytest.mark.parametrize("count", [0, 5])
def test_batches_are_bounded(engine: Engine, count: int) -> None:
    """Nothing and more than rows_max are programming errors."""
    with pytest.raises(ValueError, match="this engine takes 1"):
        run(engine, [_row(at) for at in range(count)])


def test_models_have_cards(engine: Engine) -> None:
    """At least one card, each with a name and a size that it accepts itself."""
    for card in engine.models():
        assert card.name == f"{card.family}@{card.version}"
        side_px = card.tile_px
        engine.key(_row(model=card.name, width_px=side_px, height_px=side_px))
