"""Woven families: stripes, pinstripe, ticking, checks, plaid, houndstooth, herringbone, basket.

They are drawn as the loom makes them: what lies on top is a rule about warp and weft. Refuses to
shear: an even number of repeats closes under half a tile's drop too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training import sdf
from training.motifs.canvas import Canvas, Layer, Layers, Motif, square

BANDS = (16, 8, 4, 2)


def _stripe(canvas: Canvas, inks: int) -> Layers:
    count = BANDS[canvas.scale]
    way = (canvas.turn * 3).long().clamp(max=2)
    phase = torch.where(way == 1, canvas.v, canvas.u) + torch.where(way == 2, canvas.v, 0.0)
    phase = phase * count
    # A diagonal's period across the line is shorter by the square root of two.
    step = torch.where(way == 2, math.sqrt(0.5), 1.0)
    layers = [
        Layer(
            distance_px=canvas.px(sdf.band(phase, canvas.between(0.4, 0.56)) * step, count),
            turns=torch.remainder(torch.floor(phase), 2) > 0.5,
        )
    ]
    if inks > 1:
        line = sdf.band(phase + 0.5, torch.full_like(canvas.fill, 0.14)) * step
        layers.append(Layer(distance_px=canvas.px(line, count), ink=1))
    return layers


def _gingham(canvas: Canvas, inks: int) -> Layers:
    count = BANDS[canvas.scale]
    share = torch.full_like(canvas.fill, 0.5)
    across = canvas.px(sdf.band(canvas.u * count, share), count)
    down = canvas.px(sdf.band(canvas.v * count, share), count)
    return [
        Layer(distance_px=across, opacity=0.5),
        Layer(distance_px=down, opacity=0.5, ink=min(inks, 2) - 1),
        Layer(distance_px=torch.maximum(across, down), ink=0),
    ]


def _check(canvas: Canvas, inks: int) -> Layers:
    # Squares in a row; half of them must be even too, or half a drop would swap the colours.
    count = (16, 12, 8, 4)[canvas.scale]
    column, row = torch.floor(canvas.u * count), torch.floor(canvas.v * count)
    x, y = canvas.u * count - column - 0.5, canvas.v * count - row - 0.5
    inside = torch.maximum(x.abs(), y.abs()) - 0.5
    parity = torch.remainder(column + row, 2) > 0.5
    square = torch.where(parity, inside, -inside) + 0.0 * canvas.fill
    layers = [Layer(distance_px=canvas.px(square, count))]
    if inks > 1:
        middle = torch.maximum(x.abs(), y.abs()) - canvas.between(0.16, 0.24)
        accent = torch.where(parity, middle, torch.full_like(middle, 9.0))
        layers.append(Layer(distance_px=canvas.px(accent, count), ink=1))
    return layers


def _along(canvas: Canvas) -> tuple[Tensor, Tensor]:
    """Across and along the lines, for families whose lines stand or lie: each (B, H, W)."""
    lying = canvas.turn >= 0.5
    return torch.where(lying, canvas.v, canvas.u), torch.where(lying, canvas.u, canvas.v)


def _pinstripe(canvas: Canvas, inks: int) -> Layers:
    """Hairlines far apart; a second ink takes every second line."""
    count = _PINS[canvas.scale]
    across, _ = _along(canvas)
    phase = across * count
    width_px = canvas.between(0.8, 1.4) * (1 + 0.45 * canvas.scale) * (canvas.size_px / 256)
    line_px = canvas.px((torch.remainder(phase, 1.0) - 0.5).abs(), count) - width_px
    dye = torch.remainder(torch.floor(phase), inks).long()
    return [Layer(distance_px=line_px, dye=dye)]


def _ticking(canvas: Canvas, inks: int) -> Layers:
    """A broad stripe between two pairs of thin ones, as on old mattresses."""
    count = BANDS[canvas.scale]
    across, _ = _along(canvas)
    place = (torch.remainder(across * count, 1.0) - 0.5).abs()
    broad = place - canvas.between(0.09, 0.12)
    thin = torch.minimum((place - 0.19).abs(), (place - 0.27).abs()) - 0.024
    return [
        Layer(distance_px=canvas.px(broad, count)),
        Layer(distance_px=canvas.px(thin, count), ink=min(inks, 2) - 1),
    ]


# Middles and half widths of a sett's stripes, in periods, from the broadest; the sett mirrors.
_SETT = ((0.0, 0.2, 0), (0.36, 0.03, 1), (0.44, 0.03, 1), (0.0, 0.025, 2), (0.27, 0.02, 3))


def _plaid(canvas: Canvas, inks: int) -> Layers:
    """A tartan: one sett of stripes both ways, warp over weft on every second twill line."""
    count = _PLAIDS[canvas.scale]
    twill = sdf.band((canvas.u + canvas.v) * 64, torch.full_like(canvas.fill, 0.5))
    twill = canvas.px(twill * math.sqrt(0.5), 64)
    layers = _sett(canvas, canvas.v, inks, count)
    warp = _sett(canvas, canvas.u, inks, count)
    # Undyed warp lies over the weft only where no dyed one does, so that dye on dye stays pure.
    dyed = torch.stack([stripe.distance_px for stripe in warp]).amin(0)
    layers.append(Layer(distance_px=torch.maximum(twill, -dyed), ink=-1))
    for stripe in warp:
        both = torch.maximum(stripe.distance_px, twill)
        layers.append(Layer(distance_px=both, ink=stripe.ink))
    return layers


def _sett(canvas: Canvas, across: Tensor, inks: int, count: int) -> Layers:
    place = (torch.remainder(across * count, 1.0) - 0.5).abs()
    layers: Layers = []
    for middle, half_width, ink in _SETT:
        if ink > max(inks - 1, 1):
            continue
        half = half_width * (canvas.between(0.8, 1.2) if ink == 0 else 1.0)
        band = (place - middle).abs() - half + 0.0 * canvas.fill
        layers.append(Layer(distance_px=canvas.px(band, count), ink=min(ink, inks - 1)))
    return layers


def _houndstooth(canvas: Canvas, inks: int) -> Layers:
    """Four dark and four light threads both ways in a two-over-two twill, drawn without steps."""
    count = _TEETH[canvas.scale]
    x, y = canvas.u * count, canvas.v * count
    half = torch.full_like(canvas.fill, 0.5)
    warp, weft = sdf.band(x, half), sdf.band(y, half)
    over = sdf.band((x + y) * 2, half) * (0.5 * math.sqrt(0.5))
    dark = torch.maximum(warp, weft)
    dark = torch.minimum(dark, torch.maximum(warp, over))
    dark = torch.minimum(dark, torch.maximum(weft, -over))
    layers = [Layer(distance_px=canvas.px(dark + 0.0 * canvas.fill, count))]
    if inks > 1:
        # A windowpane over every second tooth.
        pane = torch.minimum(*(sdf.band(way / 2, half * 0.14) * 2 for way in (x + 0.75, y + 0.75)))
        layers.append(Layer(distance_px=canvas.px(pane, count), ink=1))
    return layers


def _herringbone(canvas: Canvas, inks: int) -> Layers:
    """A twill that turns about at every column, broken by half a rib where it turns."""
    count, ribs = _BONES[canvas.scale], _RIBS[canvas.scale]
    across, along = _along(canvas)
    x = across * count
    column = torch.floor(x)
    side = torch.remainder(column, 2)
    slant = torch.where(side > 0.5, x - column, column + 1 - x)
    phase = along * (count * ribs) + slant * ribs + 0.5 * side
    rib = sdf.band(phase, canvas.between(0.42, 0.56)) * (math.sqrt(0.5) / ribs)
    layers = [Layer(distance_px=canvas.px(rib, count))]
    if inks > 1:
        dye = torch.remainder(torch.floor(phase), inks).long()
        layers = [Layer(distance_px=canvas.px(rib, count), dye=dye)]
    return layers


def _basketweave(canvas: Canvas, inks: int) -> Layers:
    """Blocks of three strands, lying and standing in turn, each ducking under the next block."""
    count = _BASKETS[canvas.scale]
    x, y = canvas.u * count, canvas.v * count
    column, row = torch.floor(x), torch.floor(y)
    standing = torch.remainder(column + row, 2) > 0.5
    dx, dy = x - column - 0.5, y - row - 0.5
    run, side = torch.where(standing, dy, dx), torch.where(standing, dx, dy)
    strand = torch.remainder((side + 0.5) * 3, 1.0) - 0.5
    thick = canvas.between(0.38, 0.44)
    bar = sdf.box(run, strand / 3, torch.full_like(thick, 0.47), thick / 3, corner=0.08)
    dye = standing.long() * min(inks - 1, 1) + 0 * canvas.fill.long()
    if inks > 2:
        middle = torch.floor((side + 0.5) * 3) == 1
        dye = torch.where(middle, torch.full_like(dye, 2), dye)
    return [Layer(distance_px=canvas.px(bar, count), dye=dye)]


_PINS = (24, 16, 8, 4)
_PLAIDS = (8, 4, 2, 2)
_TEETH = (16, 8, 4, 2)
# Half of them is even as well, so that columns keep their sides under half a tile's drop.
_BONES = (12, 8, 4, 4)
_RIBS = (4, 4, 4, 2)
_BASKETS = (16, 12, 8, 4)
_STANDS = ("vertical", "horizontal")


def _columns(counts: tuple[int, int, int, int]) -> tuple[tuple[int, int], ...]:
    """Repeats of standing lines, which never change downwards; 0 says so."""
    return tuple((count, 0) for count in counts)


FAMILIES: dict[str, Motif] = {
    "stripe": Motif(paint=_stripe, repeats=_columns(BANDS), ways=(*_STANDS, "diagonal")),
    "gingham": Motif(paint=_gingham, repeats=square(BANDS), inks_max=2),
    "check": Motif(paint=_check, repeats=((8, 8), (6, 6), (4, 4), (2, 2)), inks_max=2),
    "pinstripe": Motif(paint=_pinstripe, repeats=_columns(_PINS), inks_max=2, ways=_STANDS),
    "ticking": Motif(paint=_ticking, repeats=_columns(BANDS), inks_max=2, ways=_STANDS),
    "plaid": Motif(paint=_plaid, repeats=square(_PLAIDS), inks_max=4, inks_large_max=4),
    "houndstooth": Motif(paint=_houndstooth, repeats=square(_TEETH), inks_max=2, inks_large_max=1),
    "herringbone": Motif(
        paint=_herringbone, repeats=((6, 48), (4, 32), (2, 16), (2, 8)), inks_max=2, ways=_STANDS
    ),
    "basketweave": Motif(paint=_basketweave, repeats=((8, 8), (6, 6), (4, 4), (2, 2))),
}
