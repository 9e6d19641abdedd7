"""The shipped model, as it lies in the repository: it loads, it wraps, it draws what it is told.

And what it was not meant to be told: any words give a picture or an error that names the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from client.wishes import repeat_mm, wish
from inference.build import BUILT_IN_FOLDER, LoomSettings, build_engine
from inference.engine import LATTICES, Ended, Engine, Pixels, Row, Tile
from inference.seamless import make_seamless
from inference.whole import run
from postproc.gates import tile_gates
from postproc.lattice import parse_lattice
from schemas.errors import Rejected

pytestmark = pytest.mark.skipif(
    not (BUILT_IN_FOLDER / "swatch" / "model_index.json").is_file(),
    reason="the built-in model is not in this checkout",
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The loom with its shipped model."""
    made = build_engine("diffusion", LoomSettings(device="cpu", threads=1))
    made.warm()
    yield made
    made.close()


def _row(ordinal: int, **changes: object) -> Row:
    facts: dict[str, object] = {
        "pattern_id": f"r.{ordinal}",
        "attempt": 1,
        "prompt": "navy dots on cream",
        "seed": ordinal,
        "lattice": "straight",
        "width_px": 256,
        "height_px": 256,
        "model": "swatch",
    }
    return Row(**(facts | changes))


def _pixels(engine: Engine, rows: list[Row]) -> list[Pixels]:
    ends = run(engine, rows).ends
    tiles = [end for end in ends if isinstance(end, Tile)]
    assert len(tiles) == len(rows), ends
    return [tile.pixels for tile in tiles]


def _wrap_jump(pixels: Pixels, *, shift_px: int) -> float:
    """Mean change across the left and right edge, over the 99th percentile inside."""
    tile = pixels.astype(int)
    inside = np.abs(np.diff(tile, axis=1)).mean(axis=(0, 2))
    across = np.abs(tile[:, -1] - np.roll(tile[:, 0], shift_px, axis=0)).mean()
    return float(across / np.percentile(inside, 99))


def test_tiles_of_all_lattices_wrap(engine: Engine) -> None:
    """Both edges of every lattice's tile are lines like any other."""
    rows = [_row(at, lattice=lattice) for at, lattice in enumerate(LATTICES, 1)]
    for row, pixels in zip(rows, _pixels(engine, rows), strict=True):
        beside = 128 if row.lattice == "half-drop" else 0
        below = 128 if row.lattice == "brick" else 0
        assert _wrap_jump(pixels, shift_px=beside) <= 1.3, row.lattice
        assert _wrap_jump(pixels.transpose(1, 0, 2), shift_px=below) <= 1.3, row.lattice


def test_a_tile_is_the_same_alone_and_in_a_running_batch(engine: Engine) -> None:
    """Whichever step of a stranger it joins at, and after resting a step for another: at most one
    level of 255, for both."""
    stranger = _row(1, lattice="brick", steps=6, guidance=2.0, prompt="red stripes on white")
    joins = _row(2, lattice="half-drop", steps=4)
    alone = [run(engine, [one]).ends[0] for one in (stranger, joins)]
    for joins_at in (1, 4):
        for tile, end in zip(alone, _in_company(engine, stranger, joins, joins_at), strict=True):
            assert isinstance(tile, Tile)
            assert isinstance(end, Tile)
            assert np.abs(tile.pixels.astype(int) - end.pixels.astype(int)).max() <= 1, joins_at
            assert end.batch_rows == 2


def _in_company(engine: Engine, first: Row, second: Row, joins_at: int) -> list[Tile | Ended]:
    """Both rows' ends, where the second boards after so many steps, and the first rests once."""
    aboard = [slot for slot in engine.add([first]) if isinstance(slot, int)]
    ends: dict[int, Tile | Ended] = {}
    for at in range(16):
        if at == joins_at:
            aboard += [slot for slot in engine.add([second]) if isinstance(slot, int)]
        riding = [slot for slot in aboard if slot not in ends]
        if riding := riding[1 if at == joins_at + 1 else 0 :]:
            ends |= engine.step(riding)
    engine.spent()
    return [ends[0], ends[1]]


def test_plain_diffusers_draws_the_same_tile(engine: Engine) -> None:
    """The folder is an ordinary diffusers model; one call makes it seamless.

    Mean difference at most one level of 255, no pixel off by more than 12: float noise, grown over
    the steps.
    """
    row = _row(3, lattice="half-drop", steps=8, guidance=4.0)
    pipe: Any = StableDiffusionPipeline
    pipe = pipe.from_pretrained(
        BUILT_IN_FOLDER / "swatch", torch_dtype=torch.float32, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    make_seamless(pipe, "half-drop")
    image = pipe(
        row.prompt,
        num_inference_steps=8,
        guidance_scale=4.0,
        generator=torch.Generator("cpu").manual_seed(row.seed),
        output_type="np",
    ).images[0]
    difference = np.abs(_pixels(engine, [row])[0] - image * 255)
    assert difference.mean() <= 1
    assert difference.max() <= 12


ODD_PROMPTS = {
    "empty": "",
    "blank": " \n\t ",
    "long": ("navy dots on cream " * 600)[:10_000],
    "one word": "x" * 10_000,
    "emoji": "🧵🪡🌸" * 40,
    "emoji, long": ("👩‍👩‍👧‍👦" * 1_600)[:10_000],
    "Japanese": "紺の水玉、生成り地、小さい",
    "Arabic": "نقاط زرقاء داكنة على خلفية كريمية",
    "German": "dunkelblaue Tupfen auf Creme, halb versetzt",
    "Devanagari": "क्रीम पर गहरे नीले बिंदु",
    "control characters": "navy\x00dots\x1b[31m\u202eon cream\ufeff",
    "half a surrogate": "navy dots \ud83e on cream",
    "markup": "<script>alert(1)</script> {{7*7}} %s %n",
}
REFUSED = {"empty", "blank", "long", "one word", "emoji, long", "half a surrogate"}
"""What the door does not let in; the model draws it all the same."""


@pytest.fixture(scope="module")
def odd(engine: Engine) -> dict[str, Tile | Ended]:
    """What became of each odd prompt, in batches as large as the engine takes."""
    rows = [_row(at, prompt=prompt, steps=4) for at, prompt in enumerate(ODD_PROMPTS.values())]
    full = [rows[at : at + engine.rows_max] for at in range(0, len(rows), engine.rows_max)]
    return dict(
        zip(ODD_PROMPTS, (end for some in full for end in run(engine, some).ends), strict=True)
    )


@pytest.mark.parametrize("kind", list(ODD_PROMPTS))
def test_any_words_give_a_picture(odd: dict[str, Tile | Ended], kind: str) -> None:
    """A whole tile that passes every gate of a tile, whatever was said; what was cut is counted."""
    tile, prompt = odd[kind], ODD_PROMPTS[kind]
    assert isinstance(tile, Tile), tile
    assert tile.pixels.shape == (256, 256, 3)
    figures = tile_gates(tile.pixels, parse_lattice("straight"))
    assert all(figure.passed for figure in figures), [one for one in figures if not one.passed]
    assert tile.tokens_cut > 0 or len(prompt) < 10_000


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_the_door_names_the_limit(kind: str) -> None:
    """Of words that no request may hold, an error says field and limit and never the words."""
    prompt = ODD_PROMPTS[kind]
    with pytest.raises(Rejected) as refused:
        wish(tenant="a", prompt=prompt, repeat=repeat_mm(64, 64))
    told = f"{refused.value} {refused.value.field} {refused.value.limit}"
    assert refused.value.field.startswith("prompt")
    assert refused.value.limit
    assert not prompt.strip() or prompt[:4] not in told


@pytest.mark.parametrize("kind", sorted(ODD_PROMPTS.keys() - REFUSED))
def test_the_door_takes_other_words_as_they_are(kind: str) -> None:
    """Any script, emoji, control characters and markup reach the loom unchanged."""
    made = wish(tenant="a", prompt=ODD_PROMPTS[kind], repeat=repeat_mm(64, 64))
    assert made.prompt.text == ODD_PROMPTS[kind]


def test_colours_follow_the_words(engine: Engine) -> None:
    """Red dots are redder than blue ones, by far, on the same seed."""
    rows = [
        _row(at, prompt=f"{colour} dots on white", seed=5)
        for at, colour in enumerate(("red", "blue"))
    ]
    red, blue = (tile.reshape(-1, 3).astype(int) for tile in _pixels(engine, rows))
    assert (red[:, 0] - red[:, 2]).mean() > (blue[:, 0] - blue[:, 2]).mean() + 20
