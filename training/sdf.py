"""Signed distances of simple shapes, in the units of their coordinates; negative is inside.

Refuses nothing: every function broadcasts its tensors and leaves colours and repeats to others.
Some shapes return a bound with the right zero set rather than a true distance; each one says so.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor


def circle(x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    """A disc at the origin (exact)."""
    return torch.hypot(x, y) - radius


def ring(x: Tensor, y: Tensor, radius: Tensor, half_width: Tensor) -> Tensor:
    """An annulus around the origin (exact)."""
    return circle(x, y, radius).abs() - half_width


def rotate(x: Tensor, y: Tensor, turn: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates seen from a shape turned by `turn` radians."""
    cosine, sine = torch.cos(turn), torch.sin(turn)
    return cosine * x + sine * y, cosine * y - sine * x


def rhombus(x: Tensor, y: Tensor, half_width: Tensor, half_height: Tensor) -> Tensor:
    """A diamond standing on its corner (exact along the edges)."""
    scale = half_width * half_height / torch.hypot(half_width, half_height)
    return (x.abs() / half_width + y.abs() / half_height - 1) * scale


def star(x: Tensor, y: Tensor, radius: Tensor, *, points: int = 5, depth: float = 0.45) -> Tensor:
    """A star with its first point upwards; exact along the edges, a bound at the corners."""
    sector = math.pi / points
    angle = torch.atan2(x, -y)
    folded = (torch.remainder(angle + sector, 2 * sector) - sector).abs()
    length = torch.hypot(x, y)
    px, py = length * torch.sin(folded), length * torch.cos(folded)
    # The edge runs from the tip (0, radius) to the inner corner at angle `sector`.
    qx, qy = depth * radius * math.sin(sector), depth * radius * math.cos(sector)
    ex, ey = qx, qy - radius
    return ((py - radius) * ex - px * ey) / torch.hypot(ex, ey)


def heart(x: Tensor, y: Tensor, size: Tensor) -> Tensor:
    """A heart, point downwards, about 2 x size wide; a union of two discs and a turned square."""
    lobe = size * 0.52
    y = y - size * 0.08
    left = torch.hypot(x.abs() - lobe * 0.92, y + lobe * 0.62) - lobe
    # The body's lower edges are tangent to the lobes.
    body = torch.maximum(
        (x.abs() * 0.74 + y * 0.67) - lobe * 1.27,
        torch.maximum(x.abs() * 0.55 - y * 0.83 - lobe * 0.9, -y - lobe * 0.75),
    )
    return torch.minimum(left, body)


def crescent(x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    """A moon, open to the right (a bound near its horns)."""
    hollow = circle(x - radius * 0.48, y + radius * 0.1, radius * 0.8)
    return torch.maximum(circle(x, y, radius), -hollow)


def leaf(x: Tensor, y: Tensor, half_length: Tensor, half_width: Tensor) -> Tensor:
    """A pointed leaf along y: the intersection of two discs (a bound beyond the tips)."""
    bulge = (half_length**2 - half_width**2) / (2 * half_width)
    return torch.hypot(x.abs() + bulge, y) - (bulge + half_width)


def daisy(x: Tensor, y: Tensor, radius: Tensor, petals: int = 8) -> Tensor:
    """A flower of elliptic petals (a bound); the centre is left to the caller."""
    sector = math.pi / petals
    angle = torch.atan2(x, -y)
    folded = torch.remainder(angle + sector, 2 * sector) - sector
    length = torch.hypot(x, y)
    px, py = length * torch.sin(folded), length * torch.cos(folded)
    along, across = radius * 0.42, radius * 0.24
    lens = torch.hypot(px / across, (py - radius * 0.58) / along)
    return (lens - 1) * across


def band(phase: Tensor, share: Tensor) -> Tensor:
    """Stripes of a phase with period 1: negative within `share` of it, in units of the period."""
    return (torch.remainder(phase, 1.0) - 0.5).abs() - 0.5 * share


def triangle_wave(phase: Tensor) -> Tensor:
    """A zigzag of period 1 between 0 and 1."""
    return (2 * torch.remainder(phase, 1.0) - 1).abs()


def box(
    x: Tensor, y: Tensor, half_width: Tensor, half_height: Tensor, *, corner: float = 0.0
) -> Tensor:
    """A rectangle (exact), its corners rounded by `corner`."""
    dx, dy = x.abs() - half_width + corner, y.abs() - half_height + corner
    outside = torch.hypot(dx.clamp(min=0), dy.clamp(min=0))
    return outside + torch.maximum(dx, dy).clamp(max=0) - corner


Knot = tuple[float, float, float]
"""A point of a drawn line and the line's half width there."""


def stroke(x: Tensor, y: Tensor, knots: tuple[Knot, ...]) -> Tensor:
    """A line through the knots, round-ended, thickening and thinning evenly between them (exact).

    Between two knots it is the hull of their discs, as a cone between two balls in the plane; a
    knot's half width must differ from the next one's by less than their distance.
    """
    best: Tensor | None = None
    for (ax, ay, aw), (bx, by, bw) in pairwise(knots):
        length = math.hypot(bx - ax, by - ay)
        ex, ey = (bx - ax) / length, (by - ay) / length
        # The hull's edge leans by this much against the line from knot to knot.
        lean = (bw - aw) / math.sqrt(length**2 - (bw - aw) ** 2)
        run, side = (x - ax) * ex + (y - ay) * ey, ((y - ay) * ex - (x - ax) * ey).abs()
        at = (run + side * lean).clamp(0, length)
        part = torch.hypot(run - at, side) - (aw + (bw - aw) / length * at)
        best = part if best is None else torch.minimum(best, part)
    if best is None:
        raise ValueError("a stroke needs at least two knots")
    return best


def ellipse(x: Tensor, y: Tensor, half_width: float, half_height: float) -> Tensor:
    """An ellipse (a bound, right near its edge)."""
    scaled = torch.hypot(x / half_width, y / half_height)
    slope = torch.hypot(x / half_width**2, y / half_height**2)
    return scaled * (scaled - 1) / slope.clamp(min=1e-6)


def petal(x: Tensor, y: Tensor, length: float, *, half_width: float, turn: float) -> Tensor:
    """A pointed leaf that grows from the origin, `turn` radians clockwise from upright."""
    cosine, sine = math.cos(turn), math.sin(turn)
    across, along = cosine * x + sine * y, sine * x - cosine * y
    bulge = ((length / 2) ** 2 - half_width**2) / (2 * half_width)
    return torch.hypot(across.abs() + bulge, along - length / 2) - (bulge + half_width)


def lobes(
    x: Tensor, y: Tensor, radius: float, count: int, *, turn: float = 0.0, depth: float = 0.2
) -> Tensor:
    """A round flower of `count` lobes, creased between them by `depth` of the radius (a bound)."""
    angle = torch.atan2(x, -y) + turn
    edge = radius * (1 - depth + depth * torch.cos(angle * (count / 2)).abs())
    return torch.hypot(x, y) - edge


def triangle(x: Tensor, y: Tensor, radius: float) -> Tensor:
    """An upright triangle with equal sides, its corners `radius` from the origin (exact inside)."""
    return torch.maximum(y - radius / 2, (math.sqrt(3) / 2) * x.abs() - y / 2 - radius / 2)
