"""Locked client colours and colourways change inks, never where they print."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from postproc.colourways import Colourway, check_colourways, locked, recoloured
from postproc.files import read_back
from postproc.finish import Finished, Order, finish, repeat_of
from postproc.lattice import HALF_DROP
from postproc.palette import Ink, Palette
from postproc.recipe import parse_recipe, shipped_recipe
from postproc.swatches import parse_swatches, read_swatches
from schemas.errors import Rejected

NIGHT = Colourway(
    name="Night & Day",
    swatches=parse_swatches("ink #101018, moon #e8e4d0, rust #a04020, moss #40502c, sky #8fb4d8"),
)
CLIENT = parse_swatches("Mill Navy #1a2856, Chalk #f4f0e0, Madder #b0222c")


PLAIN = """
name = "plain"
version = 1
[[step]]
do = "enlarge"
scale_max = 2
[[step]]
do = "ink"
[[step]]
do = "write"
file = "tiff"
role = "print"
[[step]]
do = "write"
file = "palette"
role = "palette"
[[step]]
do = "write"
file = "palette-csv"
role = "palette-csv"
"""


def order(**changes: Any) -> Order:
    values = {"repeat": repeat_of("half-drop", 80_000, 80_000), "design": "dots"}
    return Order(**values | changes)


@pytest.fixture(scope="module")
def both(periodic: Any) -> Finished:
    """A textile set as found and in one more colourway."""
    tile = periodic(HALF_DROP, seed=3)
    return finish(tile, shipped_recipe("textile-digital"), order(colourways=(NIGHT,)))


def test_a_colourway_is_every_file_once_more(both: Finished) -> None:
    """The same roles in both, names that tell them apart, seams judged anew."""
    roles = [
        sorted(a.role for a in both.artefacts if a.colourway == c) for c in ("original", NIGHT.name)
    ]
    assert roles[0] == roles[1]
    assert len({artefact.display_name for artefact in both.artefacts}) == len(both.artefacts)
    assert any("-night-day-" in artefact.display_name for artefact in both.artefacts)
    judged = {f.artefact: f.figure for f in both.figures if f.name == "seam_p"}
    assert {"print", "print/night-day", "vector/night-day", "preview/night-day"} <= set(judged)
    assert judged["print"] != judged["print/night-day"]


def test_a_colourway_moves_no_edge(both: Finished) -> None:
    """Pixel by pixel one ink of the one is one ink of the other, in palette order."""
    files = [read_back(a.data) for a in both.artefacts if a.role == "print"]
    inks = [ink.rgb for ink in both.palette.inks] if both.palette else []
    for found, wanted in zip(inks, NIGHT.swatches, strict=False):
        own = (files[0] == np.array(found)).all(axis=2)
        assert own.any()
        assert (files[1][own] == np.array(wanted.rgb)).all()


def test_the_vector_of_a_colourway_has_its_colours(both: Finished) -> None:
    """The SVG names its plates after the colourway's inks and paints in them."""
    svg = next(a.data for a in both.artefacts if a.role == "vector" and a.colourway == NIGHT.name)
    assert b'id="01-ink"' in svg
    assert b"#101018" in svg


def test_too_few_colours_are_refused() -> None:
    """An ink without a colour would have to be guessed."""
    ink = Ink(rgb=(1, 2, 3), oklab=(0.1, 0, 0), coverage=0.1)
    with pytest.raises(Rejected) as caught:
        recoloured(Palette(inks=(ink,) * 6), NIGHT)
    assert caught.value.limit == "at least 6, one for each ink"


def test_colourways_have_names_of_their_own() -> None:
    """Two of one name, or one called as the art was found, would overwrite each other."""
    for names in (("night", "Night"), ("Original",)):
        with pytest.raises(Rejected) as caught:
            check_colourways([Colourway(name=name, swatches=CLIENT) for name in names])
        assert caught.value.field == "colourway"


def test_locked_art_holds_nothing_but_the_clients_colours(periodic: Any) -> None:
    """Every pixel of the print is one of theirs; the plates carry their names; the move is told."""
    tile = periodic(HALF_DROP, seed=3)
    done = finish(tile, parse_recipe(PLAIN, source="plain.toml"), order(locked=CLIENT))
    by_role = {artefact.role: artefact for artefact in done.artefacts}
    allowed = {swatch.rgb for swatch in CLIENT}
    assert {
        tuple(rgb) for rgb in read_back(by_role["print"].data).reshape(-1, 3).tolist()
    } <= allowed
    plates = [ink["plate"] for ink in json.loads(by_role["palette"].data)["inks"]]
    assert {plate[3:] for plate in plates} <= {"mill-navy", "chalk", "madder"}
    moved = {f.name for f in done.figures if f.name.startswith("lock_")}
    assert moved == {"lock_delta_e_2000", "lock_delta_e_cmc"}
    again = read_swatches(by_role["palette-csv"].data)
    assert [swatch.rgb for swatch in again] == [ink.rgb for ink in done.palette.inks]


def test_inks_near_one_client_colour_become_one_plate() -> None:
    """Two reds that both lie nearest to Madder are printed with one screen."""
    inks = [
        Ink(rgb=rgb, oklab=(0.5, 0, 0), coverage=share)
        for rgb, share in (((180, 30, 40), 0.3), ((24, 36, 84), 0.4), ((190, 44, 50), 0.3))
    ]
    lock = locked(Palette(inks=tuple(inks)), CLIENT)
    assert [ink.name for ink in lock.palette.inks] == ["Madder", "Mill Navy"]
    assert lock.table.tolist() == [0, 1, 0]
    assert [ink.coverage for ink in lock.palette.inks] == pytest.approx([0.6, 0.4])


def test_a_lock_may_be_too_far() -> None:
    """With a limit, an ink that no client colour stands for is a gate that failed."""
    green = Palette(inks=(Ink(rgb=(20, 160, 60), oklab=(0.6, -0.1, 0.1), coverage=1),))
    (first, _) = locked(green, CLIENT, delta_e_max=10).figures
    assert (first.name, first.passed, first.limit) == ("lock_delta_e_2000", False, 10)
    assert locked(green, CLIENT).figures[0].passed


RECIPE = """
name = "house"
version = 1
[[step]]
do = "enlarge"
scale_max = 1
[[step]]
do = "ink"
colours_max = 3
locked = "Mill Navy #1a2856, Chalk #f4f0e0, Madder #b0222c"
[[step]]
do = "write"
file = "palette-ase"
role = "palette-ase"
[[step]]
do = "colourway"
name = "{name}"
colours = "{colours}"
"""


def test_a_recipe_may_hold_colours_itself(periodic: Any) -> None:
    """Locked colours and colourways as data: a tenant needs no code and no file beside it."""
    text = RECIPE.format(name="dusk", colours="a #112233, b #445566, c 70 5 5")
    done = finish(periodic(HALF_DROP, seed=3), parse_recipe(text, source="house.toml"), order())
    first, second = (read_swatches(artefact.data) for artefact in done.artefacts)
    assert {swatch.name for swatch in first} <= {"Mill Navy", "Chalk", "Madder"}
    assert [swatch.name for swatch in second][:2] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "colours", "line", "limit"),
    [
        ("dusk", "a #112233", 18, "at least 3"),
        ("dusk", "a #11223", 18, "name and #rrggbb"),
        ("original", "a #112233, b #445566, c #778899", 17, "a name of its own"),
    ],
)
def test_a_recipes_colourway_is_checked_when_it_is_read(
    name: str, colours: str, line: int, limit: str
) -> None:
    """Too few, unreadable or misnamed: the line is named before any tile is touched."""
    with pytest.raises(Rejected) as caught:
        parse_recipe(RECIPE.format(name=name, colours=colours), source="house.toml")
    assert caught.value.reason.startswith(f"house.toml line {line}:")
    assert caught.value.limit.startswith(limit)


def test_nothing_follows_a_colourway() -> None:
    """It writes what stands before it again, so what came after would be of no one colourway."""
    text = RECIPE.format(name="dusk", colours="#112233, #445566, #778899")
    with pytest.raises(Rejected, match="write stands after colourway"):
        parse_recipe(text + '[[step]]\ndo = "write"\nrole = "print"\n', source="house.toml")
