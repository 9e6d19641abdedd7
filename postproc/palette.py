"""The palette of a tile: k-means in OKLab, deterministic, and the map of which pixel is which ink.

Screens, plates and colourways all start from here. No dithering: a mill's ink is on or off.
Pixels on the blurred edge between two areas are weighed down when colours are sought; `plates`
decides which ink they become.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from postproc import clusters
from postproc.colour import (
    Bytes,
    Floats,
    hex_of,
    lab_d50_from_srgb8,
    oklab_from_srgb8,
    oklab_planes,
    srgb8_from_oklab,
)
from postproc.lattice import Lattice, wrap_pad
from postproc.names import plate_name
from schemas.errors import Rejected

COLOURS_MAX: Final = 256
BINS_PER_CHANNEL: Final = 32
HUMP_DISTANCE_MAX: Final = 0.13
"""OKLab distance up to which two inks may turn out to be one ink with grain."""
HUMP_DIP: Final = 0.5
"""Pixels half way between two inks, over those of the rarer one, from which they are one."""
HUMP_PIXELS_MAX: Final = 1 << 14
MIX_DISTANCE: Final = 0.04
"""OKLab distance from the line between two inks up to which a colour is a mix of them."""
FLAT_JUMP: Final = 0.03
FLAT_SHARE_MIN: Final = 0.15
"""Share of flat pixels from which a colour between two others is an ink of its own."""
SPARE_FACTOR: Final = 2
SPARE_MORE: Final = 4
SETTLED_SIGMA: Final = 0.03
"""OKLab slope per pixel at which a pixel's vote has sunk to 1/e."""
_HERE, _LESS, _MORE = slice(1, -1), slice(None, -2), slice(2, None)
_OPPOSITE: Final = (
    (np.s_[:, _HERE, _LESS], np.s_[:, _HERE, _MORE]),
    (np.s_[:, _LESS, _HERE], np.s_[:, _MORE, _HERE]),
    (np.s_[:, _LESS, _LESS], np.s_[:, _MORE, _MORE]),
    (np.s_[:, _LESS, _MORE], np.s_[:, _MORE, _LESS]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """One colour of a palette."""

    rgb: tuple[int, int, int]
    """8-bit sRGB."""
    oklab: tuple[float, float, float]
    coverage: float
    """Share of the tile it covers, 0 to 1."""
    name: str = ""
    """A client's name for it; empty for what was found in the tile."""
    lab: tuple[float, float, float] | None = None
    """A client's L*a*b*, D50/2; None where `rgb` is all that is known."""

    @property
    def hex(self) -> str:
        """`#rrggbb`."""
        return hex_of(self.rgb)

    def plate(self, rank: int) -> str:
        """`01-navy`: its place in printing order from 1, and its name or what it looks like."""
        return plate_name(rank, self.oklab, name=self.name)

    def lab_d50(self) -> tuple[float, float, float]:
        """L*a*b*, D50 and 2 degrees."""
        if self.lab is not None:
            return self.lab
        lightness, a, b = (float(v) for v in lab_d50_from_srgb8(np.array(self.rgb, np.uint8)))
        return lightness, a, b


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Inks by falling coverage of the tile they were found in; 0 is the ground. Never empty."""

    inks: tuple[Ink, ...]

    def rgb(self) -> Bytes:
        """[n, 3] 8-bit sRGB in palette order."""
        return np.array([ink.rgb for ink in self.inks], dtype=np.uint8)

    def paint(self, index_map: Bytes) -> Bytes:
        """The 8-bit RGB picture [H, W, 3] of an index map [H, W]."""
        return self.rgb()[index_map]


def find_palette(rgb: Bytes, lattice: Lattice, *, colours_max: int, seed: int = 0) -> Palette:
    """At most `colours_max` inks that stand for the 8-bit RGB tile [H, W, 3].

    Same tile, limit and seed give the same palette. Coverage is of the nearest ink per pixel.
    """
    if not 1 <= colours_max <= COLOURS_MAX:
        raise Rejected(
            f"a palette of {colours_max} colours cannot be made",
            field="palette_max",
            limit=f"1 to {COLOURS_MAX}",
        )
    votes = settled(rgb, lattice)
    points, weights = _binned(rgb, votes)
    # More centres than inks at first, so that blurred edges do not take the place of an ink.
    first = clusters.seeds(points, weights, SPARE_FACTOR * colours_max + SPARE_MORE, seed)
    centres = clusters.merged(points, weights, clusters.kmeans(points, weights, first))
    centres = _without_mixes(rgb, lattice, centres)
    centres = _without_grain(rgb, votes, centres)
    centres = clusters.at_most(
        points, weights, clusters.kmeans(points, weights, centres), colours_max
    )
    return _as_palette(rgb, centres)


def with_coverage(palette: Palette, index_map: Bytes) -> Palette:
    """The same inks in the same order, their coverage as counted in `index_map`."""
    counts = np.bincount(index_map.ravel(), minlength=len(palette.inks))
    shares = counts / max(1, int(counts.sum()))
    inks = zip(palette.inks, shares, strict=True)
    return Palette(inks=tuple(replace(ink, coverage=float(share)) for ink, share in inks))


def settled(rgb: Bytes, lattice: Lattice) -> Floats:
    """[H, W] in (0, 1]: how little a pixel is on its way from one colour to another.

    On the way means between its two opposite neighbours on the cloth, in any of four directions;
    flat areas and the backs of thin lines are settled, both sides of an edge are, its middle not.
    """
    planes = oklab_planes(wrap_pad(rgb, lattice, margin_px=1))
    inner = planes[:, 1:-1, 1:-1]
    steepest = np.zeros(rgb.shape[:2], dtype=np.float32)
    for before, after in _OPPOSITE:
        climb = ((inner - planes[before]) * (planes[after] - inner)).sum(axis=0)
        np.maximum(steepest, climb, out=steepest)
    votes: Floats = np.exp(-steepest / np.float32(SETTLED_SIGMA**2))
    return np.maximum(votes, np.float32(1e-4))


def map_to_inks(rgb: Bytes, palette: Palette, *, allowed: npt.NDArray[Any] | None = None) -> Bytes:
    """[H, W] (or [m]) index of the nearest ink in OKLab; ties go to the ink with more coverage.

    `allowed` [n, H, W] of bool forbids inks per pixel; a pixel with none allowed takes any.
    """
    planes = oklab_planes(rgb)
    nearest = np.zeros(rgb.shape[:-1], dtype=np.uint8)
    least = np.full(rgb.shape[:-1], np.inf, dtype=np.float32)
    for index, ink in enumerate(palette.inks):
        distance = sum(
            (plane - np.float32(value)) ** 2 for plane, value in zip(planes, ink.oklab, strict=True)
        )
        if allowed is not None:
            # Past any real distance, yet still in order: the nearest when none is allowed.
            distance = distance + np.float32(16) * ~allowed[index]
        closer = distance < least
        nearest[closer] = index
        np.minimum(least, distance, out=least)
    return nearest


def _binned(rgb: Bytes, votes: Floats) -> tuple[Floats, Floats]:
    """Mean OKLab [m, 3] and summed vote [m] of the colour cells that occur, m <= 32768."""
    cells = (rgb >> 3).astype(np.int32)
    keys = (cells[..., 0] * BINS_PER_CHANNEL + cells[..., 1]) * BINS_PER_CHANNEL + cells[..., 2]
    flat_keys, flat_votes = keys.ravel(), votes.ravel().astype(np.float64)
    size = BINS_PER_CHANNEL**3
    weights = np.bincount(flat_keys, flat_votes, minlength=size)
    occupied = np.flatnonzero(weights)
    lab = oklab_planes(rgb).reshape(3, -1)
    sums = [np.bincount(flat_keys, flat_votes * plane, minlength=size)[occupied] for plane in lab]
    points = np.stack(sums, axis=1) / weights[occupied, None]
    return points.astype(np.float32), weights[occupied].astype(np.float32)


def _without_mixes(rgb: Bytes, lattice: Lattice, centres: Floats) -> Floats:
    """Centres after dropping those that lie between two others and have hardly a flat pixel."""
    shares = _flat_shares(rgb, lattice, centres)
    kept = list(range(len(centres)))
    for index in np.argsort(shares, kind="stable"):
        others = [k for k in kept if k != index]
        if shares[index] < FLAT_SHARE_MIN and _is_mix(centres[index], centres[others]):
            kept = others
    return centres[kept]


def _without_grain(rgb: Bytes, votes: Floats, centres: Floats) -> Floats:
    """Centres after joining near pairs with as many pixels half way between as at the rarer end.

    Two inks leave a dip between them once edges do not vote; the grain of one ink does not.
    """
    stride = max(1, round((votes.size / HUMP_PIXELS_MAX) ** 0.5))
    colours = oklab_from_srgb8(rgb[::stride, ::stride]).reshape(-1, 3)
    weights = votes[::stride, ::stride].ravel()
    labels = clusters.nearest(colours, centres)
    totals = np.bincount(labels, weights, minlength=len(centres)).astype(np.float64)
    while (pair := _one_hump(colours, weights, labels, centres)) is not None:
        loser, winner = sorted(pair, key=lambda k: float(totals[k]))
        labels[labels == loser] = winner
        totals[winner] += totals[loser]
        totals[loser] = 0
        centres[loser] = np.inf
    return centres[np.isfinite(centres[:, 0])]


def _one_hump(
    colours: Floats, weights: Floats, labels: npt.NDArray[np.intp], centres: Floats
) -> tuple[int, int] | None:
    """The nearest pair of centres without a dip between them, if there is one."""
    alive = np.flatnonzero(np.isfinite(centres[:, 0]))
    pairs = [
        (float(np.linalg.norm(centres[i] - centres[j])), i, j) for i, j in combinations(alive, 2)
    ]
    for gap, one, other in sorted(pairs):
        if gap > HUMP_DISTANCE_MAX:
            break
        own = (labels == one) | (labels == other)
        way = centres[other] - centres[one]
        along = (colours[own] - centres[one]) @ way / gap**2
        places = np.clip(np.rint(along * 4 + 1), 0, 6).astype(np.intp)
        counts = np.bincount(places, weights[own], minlength=7)
        # Bins a quarter of the way wide: 1 holds the one ink, 3 the middle, 5 the other.
        if counts[3] > HUMP_DIP * min(counts[1], counts[5]):
            return int(one), int(other)
    return None


def _flat_shares(rgb: Bytes, lattice: Lattice, centres: Floats) -> Floats:
    """[n]: of the pixels nearest to each centre, the share whose neighbours look the same."""
    planes = oklab_planes(wrap_pad(rgb, lattice, margin_px=1))
    inner = planes[:, _HERE, _HERE]
    steepest = np.zeros(rgb.shape[:2], dtype=np.float32)
    for sides in _OPPOSITE[:2]:
        for side in sides:
            np.maximum(steepest, ((planes[side] - inner) ** 2).sum(axis=0), out=steepest)
    labels = clusters.nearest(np.ascontiguousarray(inner.reshape(3, -1).T), centres)
    flat = np.bincount(labels, (steepest < FLAT_JUMP**2).ravel(), minlength=len(centres))
    shares = flat / np.maximum(np.bincount(labels, minlength=len(centres)), 1)
    return shares.astype(np.float32)


def _is_mix(colour: Floats, others: Floats) -> bool:
    for one, other in combinations(others, 2):
        way = other - one
        along = float((colour - one) @ way) / max(float(way @ way), 1e-9)
        if 0 < along < 1 and float(((one + along * way - colour) ** 2).sum()) < MIX_DISTANCE**2:
            return True
    return False


def _as_palette(rgb: Bytes, centres: Floats) -> Palette:
    """The palette of these centres, by falling coverage, colours as 8-bit sRGB holds them."""
    colours = np.unique(srgb8_from_oklab(centres), axis=0)
    lab = oklab_from_srgb8(colours)
    inks = tuple(_ink(c, v) for c, v in zip(colours, lab, strict=True))
    palette = Palette(inks=inks)
    counted = with_coverage(palette, map_to_inks(rgb, palette))
    return Palette(inks=tuple(sorted(counted.inks, key=lambda ink: -ink.coverage)))


def _ink(rgb: Bytes, lab: Floats) -> Ink:
    red, green, blue = (int(value) for value in rgb)
    lightness, a, b = (float(value) for value in lab)
    return Ink(rgb=(red, green, blue), oklab=(lightness, a, b), coverage=0.0)
