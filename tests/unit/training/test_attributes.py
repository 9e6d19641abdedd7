"""What a swatch says of itself is measured in its pixels: period, colours, direction, finishes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from training import motifs, palette, render
from training.lattice import Lattice
from training.motifs import MOTIFS, SCALES

INKS = ("navy", "red", "gold", "green", "magenta")
ONCE = [name for name in motifs.ALL if MOTIFS[name].repeats == (((1, 1),) * 4)]
REGULAR = [name for name in motifs.ALL if name not in ONCE]


def plain(motif: str, scale: str, **more: object) -> render.Swatch:
    """The family's plainest picture: fewest inks on cream, straight."""
    facts = {
        "motif": motif,
        "scale": scale,
        "lattice": Lattice.STRAIGHT,
        "inks": INKS[: MOTIFS[motif].inks_min],
        "ground": "cream",
        "turn": 0.1 if MOTIFS[motif].ways else 0.5,
        "seed": 11,
    }
    return render.Swatch(**{**facts, **more})


def change(tile: Tensor, step_px: int, side: int) -> float:
    """Mean difference of a tile and itself moved; 0 where it repeats."""
    return float((tile - tile.roll(step_px, side)).abs().mean())


def size_for(across: int, down: int) -> int:
    """A tile of which every period, half period and third of a period is whole pixels."""
    step = 6 * math.lcm(max(across, 1), max(down, 1))
    return step * math.ceil(96 / step)


@pytest.mark.parametrize("motif", REGULAR)
def test_the_scale_is_the_period(motif: str) -> None:
    """A family repeats within the tile just as often as it says, and no oftener."""
    place = motifs.ALL.index(motif)
    for scale in (SCALES[place % 2], SCALES[2 + place % 2]):
        across, down = MOTIFS[motif].repeats[SCALES.index(scale)]
        size_px = size_for(across, down)
        tile = render.render([plain(motif, scale)], size_px)
        contrast = float(tile.std())
        for count, side in ((across, -1), (down, -2)):
            if count == 0:
                assert change(tile, 1, side) < 1e-3
                continue
            assert change(tile, size_px // count, side) < 2e-3, (scale, side)
            for finer in (2, 3):
                assert change(tile, size_px // (count * finer), side) > 0.05 * contrast


@pytest.mark.parametrize("motif", REGULAR)
def test_smaller_scales_repeat_oftener(motif: str) -> None:
    """From tiny to medium every scale has fewer repeats than the one before; large has no more."""
    tiny, small, medium, large = (across * max(down, 1) for across, down in MOTIFS[motif].repeats)
    assert tiny > small > medium >= large


@pytest.mark.parametrize("motif", ONCE)
def test_loose_parts_do_not_repeat_within_the_tile(motif: str) -> None:
    """Chance families are all different inside one unit."""
    tile = render.render([plain(motif, "medium")], 96)
    for parts in (2, 3):
        for side in (-1, -2):
            assert change(tile, 96 // parts, side) > 0.02


def shares(swatch: render.Swatch, size_px: int = 128) -> dict[str, float]:
    """The share of pixels nearest to each of the sixty colours."""
    tile = render.render([swatch], size_px)[0].permute(1, 2, 0)
    found = torch.bincount(palette.nearest(tile, palette.ALL).flatten(), minlength=60)
    return {name: float(count) / size_px**2 for name, count in zip(palette.ALL, found, strict=True)}


@pytest.mark.parametrize("motif", motifs.ALL)
def test_every_named_colour_is_there(motif: str) -> None:
    """With as many inks as the family carries, each is seen, and together they are the picture."""
    bounds = MOTIFS[motif]
    for scale, most in (("medium", bounds.inks_max), ("large", bounds.inks_large_max)):
        inks = INKS[: min(bounds.inks_max, most)]
        found = shares(plain(motif, scale, inks=inks), 192)
        # Of a gingham's second ink there is only half, and a plaid mixes most of what it has.
        mixed = motif in {"gingham", "plaid"}
        for name in ("cream", *inks[: 1 if motif == "gingham" else None]):
            if motif == "terrazzo" and name != "cream":
                continue  # Few chips may all draw the same ink.
            assert found[name] > 0.004, (scale, name)
        assert sum(found[name] for name in ("cream", *inks)) > (0.25 if mixed else 0.55)


def test_the_ink_named_first_leads() -> None:
    """Where two inks dye a family, the first one covers at least as much as an accent does."""
    led = 0
    for motif in motifs.ALL:
        if MOTIFS[motif].inks_max > 1:
            found = shares(plain(motif, "medium", inks=INKS[:2]))
            led += found[INKS[0]] > 0.8 * found[INKS[1]]
    assert led >= 0.8 * len(motifs.ALL)


@pytest.mark.parametrize("motif", [name for name in motifs.ALL if MOTIFS[name].ways])
def test_lines_run_as_they_say(motif: str) -> None:
    """Standing lines change more from left to right, lying ones from top to bottom."""
    ways = MOTIFS[motif].ways
    for place, way in enumerate(ways):
        swatch = plain(motif, "medium", turn=(place + 0.5) / len(ways))
        tile = render.render([swatch], 96)
        assert swatch.direction == way
        across, down = change(tile, 1, -1), change(tile, 1, -2)
        if motif == "herringbone":  # Its columns stand where its ribs slant both ways.
            across, down = _mirror(tile, -1), _mirror(tile, -2)
        if way == "diagonal":
            assert across == pytest.approx(down, rel=0.05)
        else:
            assert (across > 2 * down) == (way == "vertical")


def _mirror(tile: Tensor, side: int) -> float:
    """How like the tile its best mirror image along `side` is; greater is liker."""
    flipped = tile.flip(side)
    best = min(change_between(tile, flipped.roll(step, side)) for step in range(tile.shape[side]))
    return 1.0 / (best + 1e-3)


def change_between(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().mean())


def leans_deg(tile: Tensor) -> float:
    """The angle of the longest axis of what is darkest, clockwise from upright."""
    ink = 1 - tile.mean(0)
    ink = (ink - ink.min()).clamp(min=0)
    line = torch.linspace(-1, 1, ink.shape[-1])
    y, x = torch.meshgrid(line, line, indexing="ij")
    x, y = x - (x * ink).sum() / ink.sum(), y - (y * ink).sum() / ink.sum()
    xx, yy, xy = ((a * b * ink).sum() for a, b in ((x, x), (y, y), (x, y)))
    return float(torch.rad2deg(0.5 * torch.atan2(-2 * xy, yy - xx)))


@pytest.mark.parametrize("motif", ["leaf", "fern", "paisley"])
def test_rotation_is_measured(motif: str) -> None:
    """Turning the parameter turns the shape by as many degrees as the swatch says."""
    made = [plain(motif, "large", turn=turn) for turn in (0.2, 0.8)]
    tiles = render.render(made, 128)
    asked = made[1].rotation_deg - made[0].rotation_deg
    assert leans_deg(tiles[1]) - leans_deg(tiles[0]) == pytest.approx(asked, abs=4)


def covered(swatch: render.Swatch) -> float:
    """The share of pixels that are not the ground."""
    return 1 - shares(swatch)["cream"]


@pytest.mark.parametrize(
    "motif", [name for name in motifs.ALL if "sparse" in MOTIFS[name].densities]
)
def test_density_is_coverage(motif: str) -> None:
    """Sparse pictures show clearly more ground than even ones, dense ones less."""
    even = covered(plain(motif, "small"))
    assert covered(plain(motif, "small", density="sparse")) < 0.75 * even
    if "dense" in MOTIFS[motif].densities:
        assert covered(plain(motif, "small", density="dense")) > 1.08 * even


@pytest.mark.parametrize("motif", [name for name in motifs.ALL if MOTIFS[name].tosses])
def test_tossed_shapes_leave_their_order(motif: str) -> None:
    """A tossed picture no longer repeats from cell to cell, and still holds its shapes."""
    still, tossed = plain(motif, "small"), plain(motif, "small", toss=1.0)
    pair = render.render([still, tossed], 96)
    across = MOTIFS[motif].repeats[1][0]
    assert change(pair[1:], 96 // across, -1) > 0.1 * float(pair[1].std())
    assert 0.3 * covered(still) < covered(tossed) < 0.9 * covered(still)


@pytest.mark.parametrize("motif", [name for name in motifs.ALL if MOTIFS[name].lines])
def test_outlines_cover_less_than_fills(motif: str) -> None:
    """Drawn as lines, a family shows its ground inside its shapes, and its ink is still there."""
    fill, line = plain(motif, "large"), plain(motif, "large", style="line")
    assert 0.01 < covered(line) < 0.7 * covered(fill)


@pytest.mark.parametrize("texture", ["linen", "watercolour", "grain"])
def test_textures_keep_the_colours(texture: str) -> None:
    """A texture changes the picture a little everywhere, and its mean colours hardly."""
    swatch = plain("stripe", "large")
    pair = render.render([swatch, replace(swatch, texture=texture)], 128)
    assert float((pair[0] - pair[1]).abs().mean()) > 0.004
    assert float((pair[0].mean((1, 2)) - pair[1].mean((1, 2))).abs().max()) < 0.02
    found = shares(replace(swatch, texture=texture))
    near = found["cream"] + found["ivory"] + found["beige"] + found["butter"] + found["blush"]
    assert near > 0.3
    assert found["navy"] > 0.3
