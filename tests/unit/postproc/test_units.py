"""The straight unit: the rectangle that a machine without any drop can repeat."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile

from postproc.files import read_back, tiff_size_um
from postproc.finish import Order, finish, repeat_of
from postproc.lattice import LATTICES, STRAIGHT, step_and_repeat
from postproc.press import read_cmyk
from postproc.recipe import parse_recipe
from schemas.errors import Rejected

RECIPE = """
name = "both"
version = 1
[[step]]
do = "check-tile"
[[step]]
do = "enlarge"
scale_max = 1
[[step]]
do = "ink"
"""
WRITE = '[[step]]\ndo = "write"\nfile = "{file}"\nrole = "{role}"\n'
BOTH = RECIPE + "".join(
    WRITE.format(file=file, role=role)
    + WRITE.format(file=file, role=f"{role}-straight")
    + 'unit = "straight"\n'
    for file, role in (
        ("tiff", "print"),
        ("png", "image"),
        ("cmyk-tiff", "press"),
        ("indexed-tiff", "indexed"),
        ("separated-tiff", "separations"),
    )
)


def samples(role: str, data: bytes) -> Any:
    """The file's own samples, by whichever reader knows them."""
    if role.startswith("press"):
        return read_cmyk(data)
    if role.startswith("separations"):
        return tifffile.imread(io.BytesIO(data))
    return read_back(data)


@pytest.mark.parametrize("lattice", ["half-drop", "brick"])
def test_straight_files_lay_the_same_cloth(periodic: Any, lattice: str) -> None:
    """Three repeats by the drop are the same cloth as straight units side by side, in all kinds."""
    recipe = parse_recipe(BOTH, source="both.toml")
    order = Order(repeat=repeat_of(lattice, 64_135, 80_000), design="dots")
    done = finish(periodic(LATTICES[lattice], seed=3), recipe, order)
    made = {artefact.role: artefact for artefact in done.artefacts}
    across, down = (2, 1) if lattice == "half-drop" else (1, 2)
    for role in ("print", "image", "press", "indexed", "separations"):
        unit, straight = (samples(r, made[r].data) for r in (role, f"{role}-straight"))
        assert straight.shape[:2] == (unit.shape[0] * down, unit.shape[1] * across)
        cloth = step_and_repeat(unit, LATTICES[lattice], columns=4, rows=4)
        twice = step_and_repeat(straight, STRAIGHT, columns=4 // across, rows=4 // down)
        assert np.array_equal(cloth, twice), role
    print_file = made["print-straight"]
    assert tiff_size_um(print_file.data) == (64_135 * across, 80_000 * down)
    assert print_file.repeat_width_um == 64_135 * across
    assert f"-straight-{'128.27x80' if across == 2 else '64.135x160'}mm-" in print_file.display_name


def test_straight_files_are_judged_as_what_they_are(periodic: Any) -> None:
    """Their seams are those of a straight repeat, their pixels are read back at their own size."""
    recipe = parse_recipe(BOTH, source="both.toml")
    order = Order(repeat=repeat_of("half-drop", 64_000, 64_000))
    done = finish(periodic(LATTICES["half-drop"], seed=3), recipe, order)
    figures = {(f.artefact, f.name): f for f in done.figures}
    for role in ("print-straight", "press-straight", "separations-straight"):
        assert figures[role, "seam_p"].passed
        assert figures[role, "pixels_kept"].figure == 1
        assert figures[role, "width_px"].figure == 128


def test_a_straight_repeat_is_its_own_straight_unit(periodic: Any) -> None:
    """Nothing is written twice."""
    order = Order(repeat=repeat_of("straight", 64_000, 64_000))
    done = finish(periodic(STRAIGHT, seed=3), parse_recipe(BOTH, source="both.toml"), order)
    assert [a.role for a in done.artefacts if "straight" in a.role] == []


def test_a_vector_has_no_straight_unit() -> None:
    """Drawing programs lay the cell out themselves; the recipe is told so by line."""
    text = RECIPE + '[[step]]\ndo = "trace"\n' + WRITE.format(file="svg", role="vector")
    with pytest.raises(Rejected, match="svg has no straight unit"):
        parse_recipe(text + 'unit = "straight"\n', source="mine.toml")
