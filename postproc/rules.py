"""What a recipe's steps may be told: every key with its kind, its limits and its default.

A default never changes, because a recipe's hash leaves defaults out; a new need is a new key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from postproc.cie import VIEWING_DEFAULT, WHITES
from postproc.describe import DIGITAL_SOURCES
from postproc.swatches import parse_swatches
from postproc.vendors import VENDORS

Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one key of a step may hold, and what it is when left out."""

    default: Value
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    characters_max: int = 0
    """Of a text; 0 where `choices` or numbers say what is allowed."""
    reads: Callable[[str], object] | None = None
    """Reads a text when the recipe is read, so that what cannot be read is Rejected then."""

    def limit(self) -> str:
        """The rule in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.characters_max:
            return f"a text of at most {self.characters_max} characters"
        if isinstance(self.default, bool):
            return "true or false"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def accepts(self, value: object) -> bool:
        """Whether a value from the file keeps this rule."""
        if isinstance(self.default, bool) or isinstance(value, bool):
            return isinstance(self.default, bool) and isinstance(value, bool)
        if self.choices:
            return value in self.choices
        if self.characters_max:
            return isinstance(value, str) and len(value) <= self.characters_max
        kinds = (int,) if isinstance(self.default, int) else (int, float)
        return isinstance(value, kinds) and self.low <= value <= self.high  # type: ignore[operator]


FILES: Final = (
    "png",
    "tiff",
    "cmyk-tiff",
    "indexed-png",
    "indexed-tiff",
    "svg",
    "pdf",
    "ai",
    "palette",
    "palette-csv",
    "palette-ase",
    "separated-tiff",
    "layered-tiff",
)
ROLES: Final = (
    "print",
    "image",
    "press",
    "vector",
    "spot",
    "illustrator",
    "indexed",
    "palette",
    "print-straight",
    "image-straight",
    "press-straight",
    "indexed-straight",
    "separations",
    "separations-straight",
    "layers",
    "palette-csv",
    "palette-ase",
)
SOURCES: Final = ("flat", "painted", "traced")
UNITS: Final = ("repeat", "straight")
GROUNDS: Final = ("print", "cloth")
SCENES: Final = ("wall", "cushion", "bolt")
COLOURS: Final = Rule(default="", characters_max=4096, reads=parse_swatches)
VIEWING: Final = Rule(default=VIEWING_DEFAULT, choices=tuple(WHITES))

STEP_RULES: Final[dict[str, dict[str, Rule]]] = {
    "check-tile": {
        "seam_p_max": Rule(default=1.3, low=0.1, high=100),
        "seam_r2_max": Rule(default=3.0, low=0.1, high=1000),
        "edge_line_max": Rule(default=3.0, low=0.1, high=1000),
        "seam_local_max": Rule(default=2.0, low=0.1, high=1000),
        "modal_share_max": Rule(default=0.998, low=0, high=1),
        "spread_min": Rule(default=0.01, low=0, high=1),
        # 0 reports how wide edges are and decides nothing.
        "edge_width_px_max": Rule(default=0.0, low=0, high=1000),
    },
    "enlarge": {
        "by": Rule(default="lanczos", choices=("lanczos", "network")),
        "dpi": Rule(default=254.0, low=10, high=2400),
        "scale_max": Rule(default=64, low=1, high=64),
        "margin_px": Rule(default=32, low=1, high=1024),
    },
    "ink": {
        "colours_max": Rule(default=12, low=1, high=255),
        "seed": Rule(default=0, low=0, high=2**31 - 1),
        "locked": COLOURS,
        "viewing": VIEWING,
        "lock_delta_e_max": Rule(default=0.0, low=0, high=200),
    },
    "trace": {
        "speck_px_max": Rule(default=8, low=0, high=10_000),
        "corner": Rule(default=1.0, low=0, high=1.3334),
        "tolerance": Rule(default=0.3, low=0, high=5),
        "bleed_px": Rule(default=1.0, low=0.5, high=64),
        "bleed_mm": Rule(default=0.0, low=0, high=50),
    },
    "draw": {
        "dpi": Rule(default=254.0, low=10, high=2400),
        "side_px_max": Rule(default=16_384, low=64, high=32_768),
    },
    "compare": {},
    "measure": {"feature_mm_min": Rule(default=0.0, low=0, high=50)},
    "check-strip": {
        "strip_mm": Rule(default=530.0, low=10, high=5000),
        "along": Rule(default="width", choices=("width", "height")),
    },
    "plates": {
        "trap_mm": Rule(default=0.0, low=0, high=5),
        "ground": Rule(default="print", choices=GROUNDS),
    },
    "write": {
        "file": Rule(default="png", choices=FILES),
        "from": Rule(default="flat", choices=SOURCES),
        "role": Rule(default="image", choices=ROLES),
        "unit": Rule(default="repeat", choices=UNITS),
        "trap_mm": Rule(default=0.0, low=0, high=5),
        "ground": Rule(default="print", choices=GROUNDS),
    },
    "preview": {
        "columns": Rule(default=3, low=1, high=16),
        "rows": Rule(default=3, low=1, high=16),
        "side_px_max": Rule(default=1200, low=64, high=8192),
        "from": Rule(default="flat", choices=SOURCES),
    },
    "mock-up": {
        "scene": Rule(default="wall", choices=SCENES),
        "side_px_max": Rule(default=800, low=200, high=4096),
        "from": Rule(default="flat", choices=SOURCES),
    },
    "describe": {
        "digital_source": Rule(default=DIGITAL_SOURCES[0], choices=DIGITAL_SOURCES),
    },
    "check-vendor": {
        "vendor": Rule(default="any", choices=("any", *VENDORS)),
    },
    "colourway": {
        "name": Rule(default="", characters_max=48),
        "colours": COLOURS,
        "viewing": VIEWING,
    },
}

NEEDS: Final[dict[str, str]] = {
    "ink": "enlarge",
    "trace": "ink",
    "draw": "trace",
    "write": "enlarge",
    "check-vendor": "write",
    "colourway": "ink",
}
"""A step that must stand earlier for this one to have something to work on."""
SOURCE_NEEDS: Final = {"flat": "ink", "painted": "enlarge", "traced": "trace"}
FILE_NEEDS: Final = {
    "svg": "trace",
    "pdf": "trace",
    "ai": "trace",
    "indexed-png": "ink",
    "indexed-tiff": "ink",
    "palette": "ink",
    "palette-csv": "ink",
    "palette-ase": "ink",
    "separated-tiff": "ink",
    "layered-tiff": "ink",
}
STRAIGHT_FILES: Final = frozenset(
    {"png", "tiff", "cmyk-tiff", "indexed-png", "indexed-tiff", "separated-tiff"}
)
"""What can be written as the rectangle that repeats straight."""
PLATE_FILES: Final = frozenset({"pdf", "ai", "separated-tiff"})
"""What holds each ink by itself, so that it can be trapped and the ground left to the cloth."""
LAST: Final = "colourway"
"""Writes everything before it again in other colours, so only its like may follow."""
