"""The palette of a tile: k-means in OKLab, deterministic, and the map of which pixel is which ink.

Screens, plates and colourways all start from here. No dithering: a mill's ink is on or off.
Pixels on the blurred edge between two areas are weighed down when colours are sought; `plates`
decides which ink they become.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from postproc.colour import Bytes, Floats, hex_of, oklab_from_srgb8, oklab_planes, srgb8_from_oklab
from postproc.lattice import Lattice, wrap_pad
from schemas.errors import Rejected

COLOURS_MAX: Final = 256
ROUNDS_MAX: Final = 30
BINS_PER_CHANNEL: Final = 32
MERGE_DISTANCE: Final = 0.045
"""OKLab distance under which two inks are one; a little over what an eye sees side by side."""
COVERAGE_MIN: Final = 0.002
"""Share of the tile under which an ink is dropped."""
FLATNESS_SIGMA: Final = 0.02
"""OKLab jump to a neighbour at which a pixel's vote has sunk to 1/e."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """One colour of a palette."""

    rgb: tuple[int, int, int]
    """8-bit sRGB."""
    oklab: tuple[float, float, float]
    coverage: float
    """Share of the tile it covers, 0 to 1."""

    @property
    def hex(self) -> str:
        """`#rrggbb`."""
        return hex_of(self.rgb)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Inks by falling coverage; index 0 is the ground. Never empty."""

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
    votes = flatness(rgb, lattice)
    points, weights = _binned(rgb, votes)
    centres = _kmeans(points, weights, _seeds(points, weights, colours_max, seed))
    centres = _merged(points, weights, centres)
    return _as_palette(rgb, centres)


def with_coverage(palette: Palette, index_map: Bytes) -> Palette:
    """The same inks in the same order, their coverage as counted in `index_map`."""
    counts = np.bincount(index_map.ravel(), minlength=len(palette.inks))
    shares = counts / max(1, int(counts.sum()))
    inks = zip(palette.inks, shares, strict=True)
    return Palette(inks=tuple(replace(ink, coverage=float(share)) for ink, share in inks))


def flatness(rgb: Bytes, lattice: Lattice) -> Floats:
    """[H, W] in (0, 1]: 1 where a pixel equals its four neighbours on the cloth."""
    planes = oklab_planes(wrap_pad(rgb, lattice, margin_px=1))
    inner = planes[:, 1:-1, 1:-1]
    neighbours = (
        planes[:, :-2, 1:-1],
        planes[:, 2:, 1:-1],
        planes[:, 1:-1, :-2],
        planes[:, 1:-1, 2:],
    )
    steepest = np.max([((inner - other) ** 2).sum(axis=0) for other in neighbours], axis=0)
    flat: Floats = np.exp(-steepest / np.float32(FLATNESS_SIGMA**2))
    return np.maximum(flat, np.float32(1e-4))


def map_to_inks(rgb: Bytes, palette: Palette, *, allowed: npt.NDArray[Any] | None = None) -> Bytes:
    """[H, W] index of the nearest ink in OKLab; ties go to the ink with more coverage.

    `allowed` [n, H, W] of bool forbids inks per pixel; a pixel with none allowed takes any.
    """
    planes = oklab_planes(rgb)
    nearest = np.zeros(rgb.shape[:2], dtype=np.uint8)
    least = np.full(rgb.shape[:2], np.inf, dtype=np.float32)
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


def _seeds(points: Floats, weights: Floats, count: int, seed: int) -> Floats:
    """First centres by k-means++ (Arthur and Vassilvitskii, 2007)."""
    generator = np.random.default_rng(seed)
    chosen = [points[int(np.argmax(weights))]]
    distances = ((points - chosen[0]) ** 2).sum(axis=1)
    for _ in range(min(count, len(points)) - 1):
        chances = np.cumsum(distances.astype(np.float64) * weights)
        if chances[-1] <= 0:
            break
        pick = int(np.searchsorted(chances, generator.random() * chances[-1], side="right"))
        chosen.append(points[min(pick, len(points) - 1)])
        distances = np.minimum(distances, ((points - chosen[-1]) ** 2).sum(axis=1))
    return np.array(chosen, dtype=np.float32)


def _kmeans(points: Floats, weights: Floats, centres: Floats) -> Floats:
    """Lloyd's rounds until nothing moves; centres without points are dropped."""
    for _ in range(ROUNDS_MAX):
        labels = _nearest(points, centres)
        totals = np.bincount(labels, weights, minlength=len(centres))
        sums = [np.bincount(labels, weights * p, minlength=len(centres)) for p in points.T]
        kept = totals > 0
        moved = (np.stack(sums, axis=1)[kept] / totals[kept, None]).astype(np.float32)
        if moved.shape == centres.shape and np.abs(moved - centres).max() < 1e-5:
            return moved
        centres = moved
    return centres


def _nearest(points: Floats, centres: Floats) -> npt.NDArray[np.intp]:
    distances = (centres**2).sum(axis=1) - 2 * points @ centres.T
    nearest: npt.NDArray[np.intp] = np.argmin(distances, axis=1)
    return nearest


def _merged(points: Floats, weights: Floats, centres: Floats) -> Floats:
    """Centres after joining the closest pairs and dropping those with next to no vote."""
    while len(centres) > 1:
        gaps = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(axis=2))
        np.fill_diagonal(gaps, np.inf)
        totals = np.bincount(_nearest(points, centres), weights, minlength=len(centres))
        rarest = int(np.argmin(totals))
        if gaps.min() < MERGE_DISTANCE:
            pair = np.unravel_index(int(np.argmin(gaps)), gaps.shape)
            loser = min((int(i) for i in pair), key=lambda i: totals[i])
        elif totals[rarest] < COVERAGE_MIN * totals.sum():
            loser = rarest
        else:
            break
        centres = _kmeans(points, weights, np.delete(centres, loser, axis=0))
    return centres


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
