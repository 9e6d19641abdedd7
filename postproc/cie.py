"""CIE L*a*b* between illuminants and observers, and what lies between it and sRGB.

A Lab value means nothing without its illuminant and observer. Mills measure under D65 with the
10 degree observer; ICC profiles and Adobe's programs count in D50 with the 2 degree one. Going from
one to the other is a Bradford adaptation of the white: what can be done without the spectrum, and
exact for greys. It refuses illuminants that it holds no white point of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from postproc.colour import WHITE_D50, Bytes, srgb_from_linear
from schemas.errors import Rejected

Lab = npt.NDArray[np.float64]

WHITES: Final[dict[str, tuple[float, float, float]]] = {
    "D65/10": (0.94811, 1.0, 1.07304),
    "D65/2": (0.95047, 1.0, 1.08883),
    "D50/10": (0.96720, 1.0, 0.81427),
    "D50/2": WHITE_D50,
    "A/10": (1.11144, 1.0, 0.35200),
    "A/2": (1.09850, 1.0, 0.35585),
    "C/10": (0.97285, 1.0, 1.16145),
    "C/2": (0.98074, 1.0, 1.18232),
    "F11/10": (1.03863, 1.0, 0.65607),
    "F11/2": (1.00962, 1.0, 0.64350),
}
"""XYZ of the perfect diffuser by illuminant and observer in degrees (ASTM E308); D50/2 as ICC has
it."""
VIEWING_DEFAULT: Final = "D65/10"
VIEWING_ICC: Final = "D50/2"
_BRADFORD: Final = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_XYZ_D50_TO_RGB: Final = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
"""XYZ adapted to D50 to linear sRGB (brucelindbloom.com)."""
_EPSILON: Final = 6 / 29


@dataclass(frozen=True, slots=True)
class Viewing:
    """Under which light and for which eye a Lab value was measured, such as `D65/10`."""

    name: str

    def white(self) -> Lab:
        """XYZ of the white, Y = 1."""
        return np.array(WHITES[self.name])


def parse_viewing(text: str, *, field: str = "viewing") -> Viewing:
    """`D65/10`, `d65-10` or `D65 10`; an unknown one is Rejected with the known ones as limit."""
    name = "/".join(text.upper().replace("°", "").replace("-", "/").replace(" ", "/").split("/"))
    if name not in WHITES:
        limit = "one of " + ", ".join(WHITES)
        raise Rejected(f"viewing {text[:20]!r} is not known", field=field, limit=limit)
    return Viewing(name)


def to_d50(lab: npt.ArrayLike, viewing: Viewing) -> Lab:
    """Lab [..., 3] as ICC counts it (D50, 2 degrees) of Lab measured under `viewing`."""
    return lab_of_xyz(_adapted(xyz_of_lab(lab, viewing.white()), viewing.white()))


def lab_of_xyz(xyz: npt.ArrayLike, white: npt.ArrayLike = WHITE_D50) -> Lab:
    """L*a*b* [..., 3] of XYZ [..., 3], Y of the white 1 (CIE 15)."""
    ratios = np.asarray(xyz, dtype=np.float64) / np.asarray(white)
    low = ratios / (3 * _EPSILON**2) + 4 / 29
    roots = np.where(ratios > _EPSILON**3, np.cbrt(ratios), low)
    x, y, z = roots[..., 0], roots[..., 1], roots[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def xyz_of_lab(lab: npt.ArrayLike, white: npt.ArrayLike = WHITE_D50) -> Lab:
    """XYZ [..., 3] of L*a*b* [..., 3], the inverse of `lab_of_xyz`."""
    values = np.asarray(lab, dtype=np.float64)
    y = (values[..., 0] + 16) / 116
    roots = np.stack([y + values[..., 1] / 500, y, y - values[..., 2] / 200], axis=-1)
    low = 3 * _EPSILON**2 * (roots - 4 / 29)
    return np.asarray(np.where(roots > _EPSILON, roots**3, low) * np.asarray(white))


def srgb8_of_lab_d50(lab: npt.ArrayLike) -> Bytes:
    """8-bit sRGB [..., 3] of Lab D50/2; what lies outside the gamut is clipped per channel."""
    linear = xyz_of_lab(lab) @ _XYZ_D50_TO_RGB.T
    return np.rint(srgb_from_linear(linear) * 255).astype(np.uint8)


def _adapted(xyz: Lab, white: Lab) -> Lab:
    """XYZ as it would look under D50 (Bradford, linear)."""
    gains = (_BRADFORD @ np.array(WHITE_D50)) / (_BRADFORD @ white)
    matrix = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD
    return np.asarray(xyz @ matrix.T)
