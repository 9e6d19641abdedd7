"""Named colours of the dye works: names and sRGB values; the words for them are in `words`.

Refuses to guess: a name outside the palette is a `Rejected`-worthy mistake and raises KeyError.
"""

from __future__ import annotations

import torch

from training.words import COLOUR_WORDS

WORDS = COLOUR_WORDS

# A colour's place here is its label: new ones go to the end. The shipped model's sixteen.
_FIRST: dict[str, tuple[int, int, int]] = {
    "black": (26, 26, 26),
    "white": (250, 250, 250),
    "grey": (140, 140, 140),
    "cream": (243, 230, 200),
    "brown": (107, 66, 38),
    "red": (207, 34, 51),
    "orange": (240, 127, 30),
    "yellow": (242, 194, 48),
    "green": (31, 138, 76),
    "sage": (163, 184, 153),
    "teal": (18, 130, 127),
    "sky": (126, 195, 234),
    "blue": (34, 87, 196),
    "navy": (22, 36, 79),
    "purple": (106, 44, 145),
    "pink": (242, 145, 178),
}
COLOURS: dict[str, tuple[int, int, int]] = {
    **_FIRST,
    "charcoal": (62, 66, 72),
    "slate": (98, 114, 130),
    "silver": (196, 200, 204),
    "ivory": (252, 246, 228),
    "beige": (222, 207, 178),
    "sand": (214, 186, 140),
    "taupe": (150, 131, 116),
    "camel": (186, 138, 84),
    "chocolate": (74, 42, 28),
    "rust": (176, 72, 32),
    "terracotta": (204, 104, 76),
    "burgundy": (112, 20, 42),
    "crimson": (166, 16, 44),
    "coral": (252, 110, 92),
    "salmon": (248, 156, 130),
    "peach": (252, 200, 166),
    "amber": (250, 168, 6),
    "mustard": (204, 154, 28),
    "gold": (212, 172, 72),
    "ochre": (192, 124, 36),
    "lemon": (252, 236, 92),
    "butter": (250, 232, 158),
    "lime": (160, 212, 56),
    "chartreuse": (208, 222, 40),
    "olive": (112, 112, 40),
    "moss": (92, 122, 62),
    "forest": (24, 74, 44),
    "emerald": (4, 154, 104),
    "jade": (72, 172, 132),
    "mint": (172, 230, 202),
    "turquoise": (44, 196, 192),
    "aqua": (140, 226, 226),
    "petrol": (12, 82, 98),
    "powder": (184, 212, 232),
    "denim": (74, 112, 158),
    "cobalt": (10, 54, 160),
    "indigo": (56, 44, 122),
    "violet": (138, 82, 206),
    "plum": (96, 32, 84),
    "lavender": (190, 174, 226),
    "mauve": (170, 124, 158),
    "magenta": (206, 18, 132),
    "fuchsia": (244, 62, 172),
    "blush": (244, 208, 206),
}
NAMES: tuple[str, ...] = tuple(_FIRST)
ALL: tuple[str, ...] = tuple(COLOURS)


def table(device: torch.device | str = "cpu", names: tuple[str, ...] = NAMES) -> torch.Tensor:
    """The colours of `names` as float32 (n, 3) sRGB in 0..1, rows in their order."""
    return torch.tensor([COLOURS[name] for name in names], device=device) / 255.0


def contrast(one: str, other: str) -> float:
    """Euclidean sRGB distance of two names in 0..1.74; near 0 means that they read as the same."""
    left, right = (torch.tensor(COLOURS[name]) / 255.0 for name in (one, other))
    return float(torch.linalg.vector_norm(left - right))


def nearest(pixels: torch.Tensor, names: tuple[str, ...] = NAMES) -> torch.Tensor:
    """Index into `names` of the colour nearest to each pixel; (..., 3) in 0..1 -> (...)."""
    flat = pixels.reshape(-1, 3)
    return torch.cdist(flat, table(flat.device, names)).argmin(1).reshape(pixels.shape[:-1])
