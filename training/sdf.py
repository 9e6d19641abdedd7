"""Signed distances of simple shapes, in the units of their coordinates; negative is inside.

Refuses nothing: every function broadcasts its tensors and leaves colours and repeats to others.
Some shapes return a bound with the right zero set rather than a true distance; each one says so.
"""

from __future__ import annotations

import math

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
