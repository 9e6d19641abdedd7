"""Recipes are data: read once, refused with file, line, key and limit, and named by their hash."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from postproc.recipe import parse_recipe, shipped_recipe, shipped_recipes
from postproc.rules import STEP_RULES
from schemas.errors import Rejected

GOOD = """\
name = "plain"
version = 3

[[step]]
do = "enlarge"
dpi = 150

[[step]]
do = "write"
file = "png"
from = "painted"
"""


def test_shipped_recipes_load_under_their_own_names() -> None:
    """Each shipped file is valid and says the name it is kept under."""
    names = set(shipped_recipes())
    assert {"web-preview", "print-on-demand", "textile-digital"} <= names
    assert all(recipe.summary for recipe in shipped_recipes().values())


def test_defaults_are_filled_in() -> None:
    """What the file leaves out stands in the recipe, so that its hash covers it."""
    step = parse_recipe(GOOD, source="plain.toml").steps[0]
    assert step.text("by") == "lanczos"
    assert step.whole("scale_max") == 64


def test_the_hash_is_of_what_is_done() -> None:
    """Spelling, order of keys and comments change nothing; a limit does."""
    same = GOOD.replace("dpi = 150", "# denser\nscale_max = 64\ndpi = 150.0")
    other = GOOD.replace("150", "151")
    plain = parse_recipe(GOOD, source="a").hash()
    assert parse_recipe(same, source="b").hash() == plain
    assert parse_recipe(other, source="c").hash() != plain
    assert len(plain) == 64


BAD = [
    (GOOD.replace("dpi = 150", "dpi = 9"), 6, "recipe.step[1].dpi", "a number from 10 to 2400"),
    (GOOD.replace("dpi = 150", "dpi = true"), 6, "recipe.step[1].dpi", "a number from 10 to 2400"),
    (GOOD.replace("dpi", "dip"), 6, "recipe.step[1].dip", "one of by, dpi, scale_max, margin_px"),
    (GOOD.replace('"png"', '"gif"'), 10, "recipe.step[2].file", "one of png"),
    (GOOD.replace('"enlarge"', '"enlage"'), 5, "recipe.step[1].do", "one of check-tile, enlarge"),
    (GOOD.replace('"painted"', '"flat"'), 9, "recipe.step[2].do", "after a step 'ink'"),
    (GOOD.replace("version = 3", "version = 0"), 2, "recipe.version", "a whole number from 1"),
    (GOOD.replace('"plain"', '"../x"'), 1, "recipe.name", "1 to 48"),
]


@pytest.mark.parametrize(("text", "line", "field", "limit"), BAD)
def test_errors_name_file_line_key_and_limit(text: Any, line: Any, field: Any, limit: Any) -> None:
    """Whoever wrote the recipe is told where to look and what would be right."""
    with pytest.raises(Rejected) as caught:
        parse_recipe(text, source="mine.toml")
    assert caught.value.reason.startswith(f"mine.toml line {line}:")
    assert caught.value.field == field
    assert caught.value.limit.startswith(limit)


def test_broken_toml_names_the_file() -> None:
    """A syntax error keeps the reader's own place in it."""
    with pytest.raises(Rejected, match=r"mine\.toml: .*end of document"):
        parse_recipe("name = ", source="mine.toml")


def test_a_recipe_without_steps_is_refused() -> None:
    """Nothing to do is not a recipe."""
    with pytest.raises(Rejected) as caught:
        parse_recipe('name = "x"\nversion = 1\n', source="mine.toml")
    assert caught.value.limit == "1 to 32 [[step]]"


def test_unknown_recipes_are_refused_with_the_known_ones() -> None:
    """The limit lists what there is."""
    with pytest.raises(Rejected) as caught:
        shipped_recipe("letterpress")
    assert "textile-digital" in caught.value.limit


def test_a_copied_recipe_is_the_same_recipe() -> None:
    """Copying through its pickled form keeps equality and hash."""
    recipe = shipped_recipe("textile-digital")
    again = copy.deepcopy(recipe)
    assert again == recipe
    assert again.hash() == recipe.hash()


def test_a_role_is_written_once() -> None:
    """Two files of one role would be one key on the shelf."""
    twice = GOOD + '\n[[step]]\ndo = "write"\nfile = "tiff"\nfrom = "painted"\n'
    with pytest.raises(Rejected) as caught:
        parse_recipe(twice, source="mine.toml")
    assert caught.value.limit == "each role once"


def test_defaults_never_change() -> None:
    """Hashes leave defaults out, so a changed default would change work under an old name."""
    told = {
        do: {key: rule.default for key, rule in rules.items()} for do, rules in STEP_RULES.items()
    }
    assert told["check-tile"]["seam_p_max"] == 1.3
    assert told["check-tile"]["seam_r2_max"] == 3.0
    assert told["enlarge"] == {"by": "lanczos", "dpi": 254.0, "scale_max": 64, "margin_px": 32}
    assert told["ink"] == {
        "colours_max": 12,
        "seed": 0,
        "locked": "",
        "viewing": "D65/10",
        "lock_delta_e_max": 0.0,
    }
    assert told["trace"]["tolerance"] == 0.3
    assert told["preview"] == {"columns": 3, "rows": 3, "side_px_max": 1200, "from": "flat"}
