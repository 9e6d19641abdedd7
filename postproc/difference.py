"""How far apart two colours look: CIEDE2000, and CMC as textile tolerances are written.

Both take L*a*b* of one illuminant and observer; neither checks that. CIEDE2000 follows Sharma, Wu
and Dalal, Color Research and Application 30(1), 2005, whose test pairs are in the tests. CMC(l:c)
is Clarke, McDonald and Rigg, 1984 (ISO 105-J03); it is not symmetric: the standard comes first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def ciede2000(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """CIEDE2000 [...] of Lab [..., 3], all weights 1."""
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    mean_chroma = (np.hypot(*_ab(first)) + np.hypot(*_ab(second))) / 2
    stretch = 1.5 - 0.5 * _seventh(mean_chroma)
    (chroma1, hue1), (chroma2, hue2) = _polar(first, stretch), _polar(second, stretch)
    grey = chroma1 * chroma2 == 0
    turn = np.where(grey, 0.0, (hue2 - hue1 + 180) % 360 - 180)
    hue = np.where(grey, hue1 + hue2, _mean_hue(hue1, hue2))
    lightness = (first[..., 0] + second[..., 0]) / 2
    chroma = (chroma1 + chroma2) / 2
    weight = _hue_weight(hue)
    off = (lightness - 50) ** 2
    in_l = (second[..., 0] - first[..., 0]) / (1 + 0.015 * off / np.sqrt(20 + off))
    in_c = (chroma2 - chroma1) / (1 + 0.045 * chroma)
    in_h = 2 * np.sqrt(chroma1 * chroma2) * np.sin(np.radians(turn / 2))
    in_h = in_h / (1 + 0.015 * chroma * weight)
    bend = np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))
    rotation = -np.sin(bend) * 2 * _seventh(chroma)
    total: Floats = np.sqrt(in_l**2 + in_c**2 + in_h**2 + rotation * in_c * in_h)
    return total


def cmc(standard: npt.ArrayLike, sample: npt.ArrayLike, *, l: float = 2, c: float = 1) -> Floats:  # noqa: E741
    """CMC(l:c) [...] of a sample from its standard, both Lab [..., 3]; 2:1 is for acceptability."""
    first, second = np.asarray(standard, dtype=np.float64), np.asarray(sample, dtype=np.float64)
    chroma1, chroma2 = np.hypot(*_ab(first)), np.hypot(*_ab(second))
    hue = np.degrees(np.arctan2(first[..., 2], first[..., 1])) % 360
    violet = (hue >= 164) & (hue <= 345)
    weight = np.where(
        violet,
        0.56 + np.abs(0.2 * np.cos(np.radians(hue + 168))),
        0.36 + np.abs(0.4 * np.cos(np.radians(hue + 35))),
    )
    share = np.sqrt(chroma1**4 / (chroma1**4 + 1900))
    light = first[..., 0]
    of_l = np.where(light < 16, 0.511, 0.040975 * light / (1 + 0.01765 * light))
    of_c = 0.0638 * chroma1 / (1 + 0.0131 * chroma1) + 0.638
    of_h = of_c * (share * weight + 1 - share)
    jumps = second - first
    in_h2 = np.maximum(jumps[..., 1] ** 2 + jumps[..., 2] ** 2 - (chroma2 - chroma1) ** 2, 0)
    total: Floats = np.sqrt(
        (jumps[..., 0] / (l * of_l)) ** 2
        + ((chroma2 - chroma1) / (c * of_c)) ** 2
        + in_h2 / of_h**2
    )
    return total


def _ab(lab: Floats) -> tuple[Any, Any]:
    return lab[..., 1], lab[..., 2]


def _seventh(chroma: Any) -> Any:
    return np.sqrt(chroma**7 / (chroma**7 + 25.0**7))


def _polar(lab: Floats, stretch: Any) -> tuple[Any, Any]:
    """Chroma and hue in degrees after a* is stretched."""
    a = lab[..., 1] * stretch
    return np.hypot(a, lab[..., 2]), np.degrees(np.arctan2(lab[..., 2], a)) % 360


def _mean_hue(hue1: Any, hue2: Any) -> Any:
    total = hue1 + hue2
    near = np.abs(hue1 - hue2) <= 180
    return np.where(near, total / 2, np.where(total < 360, total / 2 + 180, total / 2 - 180))


def _hue_weight(hue: Any) -> Any:
    terms = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    waves = [share * np.cos(np.radians(times * hue + shift)) for share, times, shift in terms]
    return 1 + sum(waves)
