"""Weighted k-means in OKLab and the joining of its centres. Deterministic; knows nothing of tiles.

`points` are OKLab colours [m, 3], `weights` their votes [m], `centres` [n, 3].
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from postproc.colour import Floats

ROUNDS_MAX: Final = 30
MERGE_DISTANCE: Final = 0.045
"""OKLab distance under which two inks are one; a little over what an eye sees side by side."""
SHARE_MIN: Final = 0.002
"""Share of the votes under which a centre is dropped."""


def seeds(points: Floats, weights: Floats, count: int, seed: int) -> Floats:
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


def kmeans(points: Floats, weights: Floats, centres: Floats) -> Floats:
    """Lloyd's rounds until nothing moves; centres without points are dropped."""
    for _ in range(ROUNDS_MAX):
        labels = nearest(points, centres)
        totals = np.bincount(labels, weights, minlength=len(centres))
        sums = [np.bincount(labels, weights * p, minlength=len(centres)) for p in points.T]
        kept = totals > 0
        moved = (np.stack(sums, axis=1)[kept] / totals[kept, None]).astype(np.float32)
        if moved.shape == centres.shape and np.abs(moved - centres).max() < 1e-5:
            return moved
        centres = moved
    return centres


def nearest(points: Floats, centres: Floats) -> npt.NDArray[np.intp]:
    distances = (centres**2).sum(axis=1) - 2 * points @ centres.T
    nearest: npt.NDArray[np.intp] = np.argmin(distances, axis=1)
    return nearest


def merged(points: Floats, weights: Floats, centres: Floats) -> Floats:
    """Centres after joining the closest pairs and dropping those with next to no vote."""
    totals = votes(points, weights, centres)
    kept = totals >= SHARE_MIN * totals.sum()
    centres, totals = centres[kept], totals[kept]
    while len(centres) > 1:
        gaps = distances(centres)
        if gaps.min() >= MERGE_DISTANCE:
            break
        one, other = np.unravel_index(int(np.argmin(gaps)), gaps.shape)
        centres, totals = joined(centres, totals, int(one), int(other))
    return centres


def at_most(points: Floats, weights: Floats, centres: Floats, count: int) -> Floats:
    """Centres after joining, cheapest pair first (Ward, 1963), until `count` are left."""
    totals = votes(points, weights, centres)
    while len(centres) > count:
        shares = totals[:, None] * totals[None] / np.maximum(totals[:, None] + totals[None], 1e-9)
        costs = np.where(np.eye(len(centres), dtype=bool), np.inf, shares * distances(centres) ** 2)
        one, other = np.unravel_index(int(np.argmin(costs)), costs.shape)
        centres, totals = joined(centres, totals, int(one), int(other))
    return centres


def votes(points: Floats, weights: Floats, centres: Floats) -> npt.NDArray[np.float64]:
    """[n] summed weight of the points nearest to each centre."""
    labels = nearest(points, centres)
    return np.bincount(labels, weights, minlength=len(centres)).astype(np.float64)


def joined(
    centres: Floats, totals: npt.NDArray[np.float64], one: int, other: int
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """The pair becomes its heavier member, not a mean: an ink is a colour that is there."""
    loser, winner = (one, other) if totals[one] < totals[other] else (other, one)
    totals = totals.copy()
    totals[winner] += totals[loser]
    return np.delete(centres, loser, axis=0), np.delete(totals, loser)


def distances(centres: Floats) -> Floats:
    """[n, n] OKLab distances, infinite to oneself."""
    gaps: Floats = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(axis=2))
    np.fill_diagonal(gaps, np.inf)
    return gaps
