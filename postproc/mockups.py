"""The cloth where people will see it: a wall, a cushion and a bolt, at true scale.

Drawn from nothing but the repeat and its size: each pixel of a scene asks which point of the cloth,
in millimetres, it shows. Furniture and folds are plain geometry of known size (a sofa of 1.9 m, a
45 cm cushion, a bolt 1.4 m wide), so that a motif of 6 cm looks like one. For people who look; no
gate reads them and no mill should.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from postproc.colour import Bytes, Floats, linear_from_srgb, srgb_from_linear
from postproc.lattice import STRAIGHT, Lattice, expand_to_straight
from postproc.upscale import lanczos

SAMPLES: Final = 2
"""Samples per pixel each way."""
ROWS: Final = 16
"""Rows drawn at a time: bounds memory."""
UNIT_SIDE_PX_MAX: Final = 2048
_UM_PER_MM: Final = 1000
Grid = npt.NDArray[np.floating[Any]]
Light = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloth:
    """A straight unit in linear light [h, w, 3] and its size."""

    linear: Floats
    width_mm: float
    height_mm: float

    def at(self, x_mm: Grid, y_mm: Grid) -> Floats:
        """Linear light [..., 3] at points of the endless cloth, y downwards; the nearest sample.

        The cloth is held at the scene's own sampling, so nearest is near enough.
        """
        height, width = self.linear.shape[:2]
        column = np.floor(x_mm * (width / self.width_mm)).astype(np.int32) % width
        row = np.floor(y_mm * (height / self.height_mm)).astype(np.int32) % height
        sampled: Floats = self.linear.reshape(-1, 3)[row * width + column]
        return sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How large a stage is, in millimetres, and what is drawn on it."""

    width_mm: float
    height_mm: float
    draw: Callable[[Cloth, Grid, Grid], Light]


def mock_up(
    unit: Bytes, lattice: Lattice, *, size_um: tuple[int, int], scene: str, side_px_max: int
) -> Bytes:
    """The 8-bit RGB picture of a scene hung with the cloth of `unit` [H, W, 3].

    `size_um` is the unit's (width, height). The picture's longer side is `side_px_max`.
    """
    stage = SCENES[scene]
    px_per_mm = side_px_max / max(stage.width_mm, stage.height_mm)
    cloth = _cloth(unit, lattice, size_um, px_per_mm * SAMPLES)
    width, height = (round(mm * px_per_mm) for mm in (stage.width_mm, stage.height_mm))
    columns = (np.arange(width * SAMPLES, dtype=np.float32) + 0.5) / (px_per_mm * SAMPLES)
    picture = np.empty((height, width, 3), dtype=np.uint8)
    for top in range(0, height, ROWS):
        count = min(ROWS, height - top)
        first, last = top * SAMPLES, (top + count) * SAMPLES
        rows = (np.arange(first, last, dtype=np.float32) + 0.5) / (px_per_mm * SAMPLES)
        x, y = np.meshgrid(columns, rows)
        light = stage.draw(cloth, x, y).reshape(count, SAMPLES, width, SAMPLES, 3)
        drawn = srgb_from_linear(light.mean(axis=(1, 3)))
        picture[top : top + count] = np.rint(drawn * 255)
    return picture


def _cloth(unit: Bytes, lattice: Lattice, size_um: tuple[int, int], px_per_mm: float) -> Cloth:
    """The straight unit at about the scene's own resolution, so that nothing glitters."""
    straight = expand_to_straight(unit, lattice)
    width_mm = size_um[0] / _UM_PER_MM * lattice.columns_to_straight
    height_mm = size_um[1] / _UM_PER_MM * lattice.rows_to_straight
    wanted = [max(2, min(round(mm * px_per_mm), UNIT_SIDE_PX_MAX)) for mm in (width_mm, height_mm)]
    small = lanczos(straight, STRAIGHT, width_px=wanted[0], height_px=wanted[1])
    linear = linear_from_srgb(small.astype(np.float32) / 255)
    return Cloth(linear=linear, width_mm=width_mm, height_mm=height_mm)


def _wall(cloth: Cloth, x: Grid, y: Grid) -> Light:
    """A papered wall of 3.2 x 2.4 m, a skirting board, a floor and a sofa 1.9 m wide."""
    light: Light = cloth.at(x, y) * _fade(x, 500, 900, last=0.86)[..., None]
    _over(light, y > 2250, (0.80, 0.79, 0.76))
    _over(light, y > 2370, _boards(x, y))
    seat = _rounded(x - 1600, y - 1985, (950, 165), 60)
    back = _rounded(x - 1600, y - 1760, (880, 210), 80)
    arms = _rounded(np.abs(x - 1600) - 880, y - 1930, (95, 230), 60)
    feet = _rounded(np.abs(x - 1600) - 840, y - 2240, (20, 80), 4)
    light *= _shadow((x - 1600) / 1050, (y - 2330) / 50)
    light *= _shadow((x - 1600) / 1000, (y - 2020) / 260)
    _over(light, feet < 0, (0.10, 0.06, 0.04))
    for shape, level in ((back, 0.30), (seat, 0.36), (arms, 0.33)):
        _over(light, shape < 0, (level, level * 0.97, level * 0.90))
        light[(shape >= 0) & (shape < 9)] *= 0.8
    light[(np.abs(seat + 6) < 5) & (y < 1990)] *= 0.7
    return light


def _cushion(cloth: Cloth, x: Grid, y: Grid) -> Light:
    """A 45 cm cushion on a pale bench, bulging: its cloth is stretched in the middle."""
    light: Light = np.empty((*x.shape, 3), dtype=np.float32)
    light[:] = (0.72, 0.70, 0.66)
    _over(light, y > 470, (0.50, 0.42, 0.33))
    u, v = (x - 300) / 225, (y - 290) / 225
    # Sides are drawn in between the corners, as a filled cover's are.
    pull = 1 - 0.075 * (1 - v**2), 1 - 0.075 * (1 - u**2)
    across, down = u / np.maximum(pull[0], 0.5), v / np.maximum(pull[1], 0.5)
    inside = (np.abs(across) < 1) & (np.abs(down) < 1)
    light *= _shadow((x - 305) / 225, (y - 502) / 26)
    swell = np.clip((1 - across**2) * (1 - down**2), 0, 1) ** 0.5
    lit = 0.62 + 0.42 * swell + 0.16 * (-across - down) * (1 - swell)
    fabric = cloth.at(225 * across, 225 * down) * np.clip(lit, 0.3, 1.06)[..., None]
    light[inside] = fabric[inside]
    seam = inside & (np.maximum(np.abs(across), np.abs(down)) > 0.985)
    light[seam] *= 0.7
    return light


def _bolt(cloth: Cloth, x: Grid, y: Grid) -> Light:
    """A bolt 1.4 m wide: a roll of 16 cm and a length of cloth running from it to the viewer."""
    light: Light = np.empty((*x.shape, 3), dtype=np.float32)
    light[:] = (0.60, 0.60, 0.62)
    light *= _fade(y, 0, 1150, last=0.8)[..., None]
    left, right = 150, 1550
    turn = np.clip((y - 280) / 80, -0.9999, 0.9999)
    roll = (np.abs(y - 280) < 80) & (x > left) & (x < right)
    angle = np.arcsin(turn)
    on_roll = cloth.at(x - left, 80 * angle) * (0.35 + 0.65 * np.cos(angle - 0.35))[..., None]
    down = np.clip(y - 330, 0, None)
    folds = 1 + 0.07 * np.sin((x - left) / 83 + 0.004 * down) * np.clip(down / 300, 0, 1)
    length = (y >= 330) & (y < 1080) & (x > left) & (x < right)
    flat = cloth.at(x - left, down + 80 * np.pi / 2 - 50) * folds[..., None]
    near = np.clip((y - 330) / 70, 0.35, 1)
    light[length] = (flat * near[..., None])[length]
    light[roll] = on_roll[roll]
    core = np.abs(y - 280) < 25
    beside = np.abs(x - (left + right) / 2) - (right - left) / 2
    _over(light, core & (beside >= 0) & (beside < 60), (0.42, 0.31, 0.2))
    light[(np.abs(y - 1090) < 12) & (x > left) & (x < right)] *= 0.75
    return light


def _boards(x: Grid, y: Grid) -> Light:
    tone = 0.30 + 0.03 * np.sin(np.floor(x / 130) * 12.9898)
    tone = np.where(np.mod(x, 130) < 2, 0.2, tone)
    return np.stack([tone, tone * 0.72, tone * 0.5], axis=-1).astype(np.float32)


def _shadow(x: Grid, y: Grid) -> Light:
    """What is left of the light under something, 1 at twice its size and beyond."""
    return (1 - 0.45 * np.exp(-((x**2 + y**2) ** 2)))[..., None].astype(np.float32)


def _over(light: Light, where: Any, colour: Any) -> None:
    """Paint a colour, or another picture, where a mask is set."""
    paint = np.asarray(colour, dtype=np.float32)
    light[where] = paint[where] if paint.ndim > 1 else paint


def _rounded(x: Grid, y: Grid, half: tuple[float, float], radius: float) -> Grid:
    """Signed distance in mm to a rectangle with rounded corners about the origin."""
    over = np.maximum(np.abs(x) - half[0] + radius, 0), np.maximum(np.abs(y) - half[1] + radius, 0)
    inner = np.minimum(np.maximum(np.abs(x) - half[0], np.abs(y) - half[1]), -radius)
    distance: Grid = np.hypot(*over) - radius + np.minimum(inner + radius, 0)
    return distance


def _fade(along: Grid, start: float, length: float, *, last: float) -> Grid:
    """From 1 to `last` along a way, level before and after."""
    share = np.clip((along - start) / length, 0, 1)
    faded: Grid = 1 + (last - 1) * share
    return faded


SCENES: Final[dict[str, Scene]] = {
    "wall": Scene(width_mm=3200, height_mm=2500, draw=_wall),
    "cushion": Scene(width_mm=600, height_mm=600, draw=_cushion),
    "bolt": Scene(width_mm=1700, height_mm=1150, draw=_bolt),
}
