"""sRGB, linear light and OKLab, and back; vectorised, float32.

OKLab is Björn Ottosson's space of 2020 (bottosson.github.io/posts/oklab), D65. A distance of 0.02
is about what an eye just sees on flat areas side by side. Nothing here knows an ICC profile.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_RGB_TO_LMS: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float64,
)
_LMS_TO_LAB: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float64,
)
_LAB_TO_LMS: Final = np.linalg.inv(_LMS_TO_LAB)
_LMS_TO_RGB: Final = np.linalg.inv(_RGB_TO_LMS)


def linear_from_srgb(srgb: npt.NDArray[Any]) -> Floats:
    """Linear light in [0, 1] from sRGB in [0, 1] (IEC 61966-2-1), any shape."""
    values = np.asarray(srgb, dtype=np.float32)
    low = values / np.float32(12.92)
    high = ((values + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(values <= np.float32(0.04045), low, high).astype(np.float32)


def srgb_from_linear(linear: npt.NDArray[Any]) -> Floats:
    """SRGB in [0, 1] from linear light; values outside [0, 1] are clipped."""
    values = np.clip(np.asarray(linear, dtype=np.float32), 0, 1)
    low = values * np.float32(12.92)
    high = np.float32(1.055) * values ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(values <= np.float32(0.0031308), low, high).astype(np.float32)


_THIRD: Final = np.float32(1 / 3)
_LINEAR_OF_BYTE: Final = linear_from_srgb(np.arange(256, dtype=np.float32) / 255)


def oklab_planes(rgb: Bytes) -> Floats:
    """OKLab [3, ...] (L in [0, 1]) from 8-bit sRGB [..., 3]; planes, because they are faster."""
    linear = [_LINEAR_OF_BYTE[rgb[..., channel]] for channel in range(3)]
    # As exact as cbrt in 32 bits, twice as fast, and nearly all of what a gate of a tile takes.
    cones = [_mix(weights, linear) ** _THIRD for weights in _RGB_TO_LMS]
    planes = np.empty((3, *rgb.shape[:-1]), dtype=np.float32)
    for index, weights in enumerate(_LMS_TO_LAB):
        planes[index] = _mix(weights, cones)
    return planes


def oklab_from_srgb8(rgb: Bytes) -> Floats:
    """OKLab [..., 3] (L in [0, 1]) from 8-bit sRGB [..., 3]."""
    return np.ascontiguousarray(np.moveaxis(oklab_planes(rgb), 0, -1))


def _mix(weights: npt.NDArray[np.float64], channels: list[Floats]) -> Floats:
    first, second, third = (np.float32(weight) for weight in weights)
    mixed: Floats = channels[0] * first + channels[1] * second + channels[2] * third
    return mixed


def srgb8_from_oklab(lab: npt.NDArray[Any]) -> Bytes:
    """8-bit sRGB [..., 3] from OKLab [..., 3]; what lies outside the gamut is clipped."""
    cones = (np.asarray(lab, dtype=np.float64) @ _LAB_TO_LMS.T) ** 3
    srgb = srgb_from_linear(cones @ _LMS_TO_RGB.T)
    return np.rint(srgb * 255).astype(np.uint8)


def hex_of(rgb: npt.ArrayLike) -> str:
    """`#rrggbb` of one 8-bit colour."""
    red, green, blue = (int(channel) for channel in np.asarray(rgb).reshape(3))
    return f"#{red:02x}{green:02x}{blue:02x}"


_RGB_TO_XYZ_D50: Final = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ],
    dtype=np.float64,
)
"""Linear sRGB to XYZ adapted to D50 by Bradford, as ICC wants it (brucelindbloom.com)."""
WHITE_D50: Final = (0.9642, 1.0, 0.8249)


def lab_d50_from_srgb8(rgb: Bytes) -> npt.NDArray[np.float64]:
    """CIE L*a*b* [..., 3], illuminant D50, 2 degree observer, from 8-bit sRGB [..., 3]."""
    linear = _LINEAR_OF_BYTE[rgb].astype(np.float64)
    ratios = linear @ _RGB_TO_XYZ_D50.T / np.array(WHITE_D50)
    roots = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios * (29 / 6) ** 2 / 3 + 4 / 29)
    light = 116 * roots[..., 1] - 16
    red_green = 500 * (roots[..., 0] - roots[..., 1])
    yellow_blue = 200 * (roots[..., 1] - roots[..., 2])
    return np.stack([light, red_green, yellow_blue], axis=-1)
