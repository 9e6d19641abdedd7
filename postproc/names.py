"""Names that people read: inks, sizes and files. Keys on the shelf are content-addressed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from postproc.colour import oklab_from_srgb8

DESIGN_CHARACTERS_MAX: Final = 48
PLATE_CHARACTERS_MAX: Final = 32
ORIGINAL: Final = "original"
"""The colourway that was found in the tile."""
_UM_PER_MM: Final = 1000
_UM_PER_INCH: Final = 25_400

_COLOUR_NAMES: Final[dict[str, tuple[int, int, int]]] = {
    "black": (16, 16, 16),
    "charcoal": (64, 64, 68),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "white": (252, 252, 252),
    "cream": (246, 238, 214),
    "beige": (222, 203, 168),
    "tan": (190, 150, 105),
    "brown": (115, 72, 40),
    "rust": (170, 72, 36),
    "maroon": (110, 22, 40),
    "red": (205, 32, 44),
    "coral": (246, 122, 100),
    "pink": (244, 170, 190),
    "magenta": (205, 40, 140),
    "purple": (110, 50, 140),
    "lavender": (186, 166, 220),
    "navy": (24, 36, 84),
    "blue": (40, 90, 200),
    "sky": (130, 190, 235),
    "teal": (20, 128, 128),
    "turquoise": (70, 205, 200),
    "mint": (170, 225, 195),
    "green": (44, 150, 70),
    "lime": (150, 215, 60),
    "olive": (122, 122, 40),
    "forest": (24, 74, 44),
    "mustard": (210, 165, 40),
    "yellow": (248, 220, 60),
    "orange": (244, 140, 40),
    "peach": (252, 205, 170),
    # The muted ones: without them a soft colour falls to the grey that is as light.
    "sage": (163, 184, 153),
    "moss": (92, 122, 62),
    "slate": (98, 114, 130),
    "denim": (74, 112, 158),
    "petrol": (12, 82, 98),
    "powder": (184, 212, 232),
    "mauve": (170, 124, 158),
    "plum": (96, 32, 84),
    "rose": (204, 164, 166),
    "taupe": (150, 131, 116),
    "chocolate": (74, 42, 28),
}
_NEUTRAL: Final = ("black", "charcoal", "grey", "silver", "white")
NEUTRAL_CHROMA_MAX: Final = 0.025
NEUTRAL_DARK: Final = 0.5
"""What is lighter than this in OKLab and has more chroma than a grey has a hue that people name;
of darker colours they say black or charcoal all the same."""
HUE_WEIGHT: Final = 2.0
"""People name a colour by its hue before its lightness."""
_COLOUR_LAB: Final = oklab_from_srgb8(np.array(list(_COLOUR_NAMES.values()), dtype=np.uint8))


def colour_name(oklab: tuple[float, float, float]) -> str:
    """The plain English name nearest to an OKLab colour; a grey's only for what has no hue."""
    lightness, a, b = oklab
    parts = (_COLOUR_LAB - np.array(oklab, dtype=np.float32)) ** 2
    gaps = parts @ np.array([1, HUE_WEIGHT, HUE_WEIGHT], dtype=np.float32)
    if lightness > NEUTRAL_DARK and a * a + b * b > NEUTRAL_CHROMA_MAX**2:
        gaps[[name in _NEUTRAL for name in _COLOUR_NAMES]] = np.inf
    return list(_COLOUR_NAMES)[int(np.argmin(gaps))]


def colour_of(word: str) -> tuple[int, int, int] | None:
    """The sRGB colour that a name of `colour_name` stands for; None for other words."""
    return _COLOUR_NAMES.get(word)


def plate_name(rank: int, oklab: tuple[float, float, float], *, name: str = "") -> str:
    """`01-navy`: the plate's place in printing order from 1, and its name or what it looks like."""
    return f"{rank:02d}-{slug(name)[:PLATE_CHARACTERS_MAX] if name else colour_name(oklab)}"


def decimal_text(value: Fraction, *, digits_max: int = 3) -> str:
    """`value` to at most `digits_max` decimals, without trailing zeros and never an exponent."""
    scaled = round(value * 10**digits_max)
    whole, rest = divmod(abs(scaled), 10**digits_max)
    text = f"{whole}.{rest:0{digits_max}d}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 else text


def mm_text(length_um: int) -> str:
    """Micrometres as exact millimetres: 640000 is `640`, 641350 is `641.35`."""
    return decimal_text(Fraction(length_um, _UM_PER_MM))


def dpi_text(*, width_px: int, width_um: int) -> str:
    """Pixels per inch of a file, to two decimals."""
    return decimal_text(Fraction(width_px * _UM_PER_INCH, width_um), digits_max=2)


def slug(text: str) -> str:
    """Lower-case ASCII letters, digits and single hyphens; never empty, bounded in length."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    cleaned = re.sub(r"[^a-z0-9]+", "-", plain)[:DESIGN_CHARACTERS_MAX].strip("-")
    return cleaned or "pattern"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLabel:
    """What a display name says of a file, its ending apart."""

    design: str
    colourway: str
    lattice: str
    recipe: str
    width_um: int
    height_um: int

    def name(self, *, width_px: int, ending: str) -> str:
        """`design-colourway-lattice-WxHmm-dpi-recipe` and an ending such as `.tif`.

        0 px leaves the resolution out: for pictures that show the cloth at no one scale.
        """
        size = f"{mm_text(self.width_um)}x{mm_text(self.height_um)}mm"
        dpi = f"-{dpi_text(width_px=width_px, width_um=self.width_um)}dpi" if width_px else ""
        head = f"{slug(self.design)}-{slug(self.colourway)}-{self.lattice}"
        return f"{head}-{size}{dpi}-{slug(self.recipe)}{ending}"
