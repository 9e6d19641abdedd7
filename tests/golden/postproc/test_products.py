"""Every product of every shipped recipe, kept: what a mill gets does not change unseen.

Tolerances: palettes, sizes and the list of files may not differ at all; what a file looks like from
afar may differ by 6 of 255 levels at any of 96 points, which is what another build of the renderers
may do. To renew on purpose: `python -m tests.golden.postproc.renew`, and look at what it wrote.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.golden.postproc import products

KEPT: dict[str, Any] = json.loads((Path(__file__).parent / "products.json").read_text())
LEVELS_OFF_MAX = 6


def test_every_recipe_is_kept() -> None:
    """A new recipe without a golden would be the only one that may change."""
    assert sorted(KEPT) == products.recipes()


@pytest.mark.parametrize("name", KEPT)
def test_products_are_the_kept_ones(name: str) -> None:
    """Files, sizes and inks exactly; looks within the stated levels."""
    told, kept = products.told(products.made(name)), KEPT[name]
    assert (told["recipe"], told["palette"]) == (kept["recipe"], kept["palette"])
    assert told["files"].keys() == kept["files"].keys()
    for role, file in kept["files"].items():
        made = told["files"][role]
        assert (made["px"], made["um"]) == (file["px"], file["um"]), role
        off = np.abs(np.array(made["levels"]) - np.array(file["levels"]))
        assert off.size == 0 or off.max() <= LEVELS_OFF_MAX, role
