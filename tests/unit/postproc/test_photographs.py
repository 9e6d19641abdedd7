"""Cuts of real photographs are refused by every recipe, whatever lattice they are said to have.

The photographs are those that scikit-image's wheel ships; nothing of scikit-image runs. A cut of
even sky may repeat by chance: over 180 random cuts of 128 px out of five photographs two pass, both
of the sky around a rocket; of 90 cuts of 240 px none.
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from postproc.colour import Bytes
from postproc.finish import Order, finish, repeat_of
from postproc.lattice import LATTICES
from postproc.recipe import shipped_recipe, shipped_recipes
from schemas.errors import Rejected

PHOTOGRAPHS = ("astronaut.png", "coffee.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")
SIDE_PX = 240
CUTS = 2


@pytest.fixture(scope="module")
def photographs() -> dict[str, Bytes]:
    """The photographs in full, 8-bit RGB."""
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "data"
    return {name: np.asarray(Image.open(folder / name).convert("RGB")) for name in PHOTOGRAPHS}


def cuts(photograph: Bytes, seed: str) -> Iterator[Bytes]:
    """Squares from anywhere in it, the same in every run."""
    generator = np.random.default_rng(zlib.crc32(seed.encode()))
    for _ in range(CUTS):
        top, left = (int(generator.integers(0, side - SIDE_PX)) for side in photograph.shape[:2])
        yield np.ascontiguousarray(photograph[top : top + SIDE_PX, left : left + SIDE_PX])


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("recipe", sorted(shipped_recipes()))
def test_every_recipe_refuses_cuts_of_photographs(
    photographs: dict[str, Any], recipe: str, lattice: str
) -> None:
    """Two random cuts of each photograph end as failed, by a seam figure."""
    order = Order(repeat=repeat_of(lattice, 40_000, 40_000))
    for name, photograph in photographs.items():
        for cut in cuts(photograph, f"{recipe} {lattice} {name}"):
            with pytest.raises(Rejected) as caught:
                finish(cut, shipped_recipe(recipe), order)
            assert caught.value.field in {"seam_p", "seam_r2", "edge_line", "seam_local"}, name
            assert caught.value.outcome == "failed"
