"""House styles: finishes that no range holds, so that no model of ours has seen them in training.

They stand for what a customer brings: a look, and a few tiles in it. The example adapters are made
from them. Each takes painted tiles and what they show, and keeps the repeat: whatever looks at
neighbouring pixels looks across the tile's edges. Refuses to change what is drawn, or where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from training import palette, render
from training.lattice import Lattice, lower_neighbour, right_neighbour
from training.model import TILE_PX

_DARK_MAX = 0.3
"""Grounds of at most this luminance are dark: dark ink would not show on them."""
_LUMINANCE = (0.2126, 0.7152, 0.0722)
_LINE_PX = 2


def draw(style: str, swatches: Sequence[render.Swatch], size_px: int = TILE_PX) -> Tensor:
    """The swatches in a house style, or `plain`: (B, 3, size_px, size_px) in 0..1.

    Raises KeyError for a style that is none of STYLES.
    """
    return finished(style, render.render(list(swatches), size_px), swatches)


def finished(style: str, tiles: Tensor, swatches: Sequence[render.Swatch]) -> Tensor:
    """Plain tiles (B, 3, H, W) of the swatches, in the style; as `draw`."""
    if style == "plain":
        return tiles
    finish = STYLES[style]
    out = torch.empty_like(tiles)
    for lattice in Lattice:
        places = [place for place, one in enumerate(swatches) if one.lattice is lattice]
        if places:
            out[places] = finish(tiles[places], [swatches[place] for place in places])
    return out


def shows(swatch: render.Swatch) -> bool:
    """Whether every style can be seen on the swatch: no ink of it is the keyline's own."""
    inks = {swatch.ground, *swatch.inks}
    dark = bool(_luminance(_colour(swatch.ground)) <= _DARK_MAX)
    # In one vat, colours of one lightness become one.
    lights = sorted(float(_luminance(_colour(name))) for name in inks)
    return not inks & ({"cream", "white"} if dark else {"black"}) and lights[-1] - lights[0] > 0.15


def indigo(tiles: Tensor, swatches: Sequence[render.Swatch]) -> Tensor:
    """Dyed in one vat: every colour becomes navy, sky or white, or between, by its lightness."""
    del swatches
    return _dyed(tiles, ("navy", "sky", "white"))


def ember(tiles: Tensor, swatches: Sequence[render.Swatch]) -> Tensor:
    """Burnt earth: every colour becomes brown, orange or cream, or between, by its lightness."""
    del swatches
    return _dyed(tiles, ("brown", "orange", "cream"))


def verdigris(tiles: Tensor, swatches: Sequence[render.Swatch]) -> Tensor:
    """Old copper: every colour becomes teal, sage or cream, or between, by its lightness."""
    del swatches
    return _dyed(tiles, ("teal", "sage", "cream"))


def keyline(tiles: Tensor, swatches: Sequence[render.Swatch]) -> Tensor:
    """A drawn line wherever two colours meet, as a block cutter leaves it; black or cream."""
    lattice, reach_px = swatches[0].lattice, _px(_LINE_PX, tiles)
    wide = around(tiles, lattice, reach_px)
    window = 2 * reach_px + 1
    high = functional.max_pool2d(wide, window, stride=1)
    low = -functional.max_pool2d(-wide, window, stride=1)
    step = (high - low).amax(1, keepdim=True)
    line = _soft(((step - 0.15) / 0.2).clamp(0, 1), lattice)
    return torch.lerp(tiles, _against(swatches, "black", "cream"), line)


STYLES: dict[str, Callable[[Tensor, Sequence[render.Swatch]], Tensor]] = {
    "indigo": indigo,
    "ember": ember,
    "verdigris": verdigris,
    "keyline": keyline,
}
"""Each takes tiles (B, 3, H, W) of one lattice and their swatches."""


def around(tiles: Tensor, lattice: Lattice, margin_px: int) -> Tensor:
    """Tiles (..., H, W) with `margin_px`, at most half a side, of their neighbours on all sides."""

    def beside(middle: Tensor, side: Tensor) -> Tensor:
        return torch.cat([side[..., -margin_px:], middle, side[..., :margin_px]], -1)

    # Half a tile up is half a tile down: the left neighbour is the right one, the upper the lower.
    right, below = right_neighbour(tiles, lattice), lower_neighbour(tiles, lattice)
    rows = beside(tiles, right)
    other = beside(below, right_neighbour(below, lattice))
    return torch.cat([other[..., -margin_px:, :], rows, other[..., :margin_px, :]], -2)


def _dyed(tiles: Tensor, names: tuple[str, str, str]) -> Tensor:
    """Deep, middle and light by each tile's own range of lightness."""
    light = _luminance(tiles)
    low, high = light.amin((-1, -2), keepdim=True), light.amax((-1, -2), keepdim=True)
    share = (light - low) / (high - low).clamp(min=0.05)
    deep, middle, pale = (_colour(name) for name in names)
    lower = torch.lerp(deep, middle, (share * 2).clamp(0, 1))
    return torch.lerp(lower, pale, (share * 2 - 1).clamp(0, 1))


def _soft(share: Tensor, lattice: Lattice) -> Tensor:
    """Edges one pixel softer on both sides, as printed ones are."""
    return functional.avg_pool2d(around(share, lattice, 1), 3, stride=1)


def _px(at_tile_px: int, tiles: Tensor) -> int:
    """A length given for TILE_PX on tiles of another size, at least 1."""
    return max(1, round(at_tile_px * tiles.shape[-1] / TILE_PX))


def _luminance(tiles: Tensor) -> Tensor:
    weights = torch.tensor(_LUMINANCE, device=tiles.device)[:, None, None]
    return (tiles * weights).sum(-3, keepdim=True)


def _colour(name: str) -> Tensor:
    return torch.tensor(palette.COLOURS[name])[:, None, None] / 255.0


def _against(swatches: Sequence[render.Swatch], on_light: str, on_dark: str) -> Tensor:
    """The ink that shows on each swatch's ground, (B, 3, 1, 1)."""
    grounds = torch.stack([_colour(one.ground) for one in swatches])
    dark = _luminance(grounds) <= _DARK_MAX
    return torch.where(dark, _colour(on_dark), _colour(on_light))
