"""Named colours of the dye works: names, sRGB values and the words people use for them.

Refuses to guess: a name outside the palette is a `Rejected`-worthy mistake and raises KeyError.
"""

from __future__ import annotations

import torch

COLOURS: dict[str, tuple[int, int, int]] = {
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
NAMES: tuple[str, ...] = tuple(COLOURS)

# What people write for a colour; the first word is the plain one and is drawn most often.
WORDS: dict[str, tuple[str, ...]] = {
    "black": ("black", "jet black", "ebony", "charcoal"),
    "white": ("white", "pure white", "snow white", "bright white"),
    "grey": ("grey", "gray", "slate", "silver"),
    "cream": ("cream", "ivory", "ecru", "off-white", "beige"),
    "brown": ("brown", "chocolate", "coffee", "walnut"),
    "red": ("red", "crimson", "scarlet", "ruby", "cherry"),
    "orange": ("orange", "tangerine", "rust", "terracotta"),
    "yellow": ("yellow", "mustard", "gold", "golden", "ochre"),
    "green": ("green", "emerald", "forest green", "grass green"),
    "sage": ("sage", "sage green", "mint", "pale green"),
    "teal": ("teal", "turquoise", "petrol", "dark cyan"),
    "sky": ("sky blue", "light blue", "pale blue", "baby blue"),
    "blue": ("blue", "cobalt", "royal blue", "cobalt blue"),
    "navy": ("navy", "navy blue", "midnight blue", "dark blue", "indigo"),
    "purple": ("purple", "violet", "plum", "aubergine"),
    "pink": ("pink", "rose", "blush", "pale pink"),
}


def table(device: torch.device | str = "cpu") -> torch.Tensor:
    """The palette as float32 (16, 3) sRGB in 0..1, rows in the order of NAMES."""
    return torch.tensor([COLOURS[name] for name in NAMES], device=device) / 255.0


def contrast(one: str, other: str) -> float:
    """Euclidean sRGB distance of two names in 0..1.74; near 0 means that they read as the same."""
    left, right = (torch.tensor(COLOURS[name]) / 255.0 for name in (one, other))
    return float(torch.linalg.vector_norm(left - right))


def nearest(pixels: torch.Tensor) -> torch.Tensor:
    """Index into NAMES of the palette colour nearest to each pixel; (..., 3) in 0..1 -> (...)."""
    flat = pixels.reshape(-1, 3)
    return torch.cdist(flat, table(flat.device)).argmin(1).reshape(pixels.shape[:-1])
