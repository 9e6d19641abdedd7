"""Recipes: what a product is made of, as data. Ordered steps with limits, versioned, hashed.

A recipe is a TOML file; a tenant's own is one too, never code. Everything is checked when it is
read, and an error says file, line, key and limit. The hash is over the canonical form, values at
their default left out, so it names what is done, not how it was written down, and a key added
later changes no older hash. For the same reason a default may never change.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from postproc.names import ORIGINAL, slug
from postproc.rules import (
    FILE_NEEDS,
    LAST,
    NEEDS,
    PLATE_FILES,
    SOURCE_NEEDS,
    STEP_RULES,
    STRAIGHT_FILES,
    Rule,
    Value,
)
from postproc.swatches import parse_swatches
from schemas.errors import Rejected

STEPS_MAX: Final = 32
RECIPE_BYTES_MAX: Final = 64 << 10
SHIPPED: Final = Path(__file__).parent / "recipes"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step with every key filled in."""

    do: str
    values: tuple[tuple[str, Value], ...]

    def told(self) -> dict[str, Value]:
        """What differs from the defaults."""
        rules = STEP_RULES[self.do]
        return {key: value for key, value in self.values if value != rules[key].default}

    def text(self, key: str) -> str:
        """The string under `key`."""
        return str(dict(self.values)[key])

    def number(self, key: str) -> float:
        """The number under `key`."""
        return float(dict(self.values)[key])

    def whole(self, key: str) -> int:
        """The whole number under `key`."""
        return int(dict(self.values)[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A product's steps in order."""

    name: str
    version: int
    summary: str
    steps: tuple[Step, ...]

    def canonical(self) -> str:
        """The one JSON text of this recipe; what `hash` is of. The summary is not part of it."""
        steps = [{"do": step.do, **step.told()} for step in self.steps]
        whole = {"name": self.name, "version": self.version, "steps": steps}
        return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    def hash(self) -> str:
        """SHA-256 of the canonical form, hexadecimal."""
        return hashlib.sha256(self.canonical().encode("ascii")).hexdigest()


def load_recipe(path: Path) -> Recipe:
    """The recipe in a file; raises Rejected with file, line, key and limit."""
    if path.stat().st_size > RECIPE_BYTES_MAX:
        raise Rejected(
            f"{path.name} is too large", field="recipe", limit=f"{RECIPE_BYTES_MAX} bytes"
        )
    return parse_recipe(path.read_text(encoding="utf-8"), source=path.name)


@lru_cache(maxsize=1)
def shipped_recipes() -> dict[str, Recipe]:
    """The recipes that come with the table, by name; reading them again costs nothing."""
    recipes = [load_recipe(path) for path in sorted(SHIPPED.glob("*.toml"))]
    return {recipe.name: recipe for recipe in recipes}


def shipped_recipe(name: str) -> Recipe:
    """One shipped recipe; an unknown name is Rejected with the known ones as limit."""
    known = shipped_recipes()
    if name not in known:
        limit = "one of " + ", ".join(known)
        raise Rejected(f"recipe {name[:60]!r} is not known", field="recipe", limit=limit)
    return known[name]


def parse_recipe(text: str, *, source: str) -> Recipe:
    """The recipe that `text` declares; `source` is named in errors."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Rejected(f"{source}: {error}", field="recipe", limit="TOML 1.0") from error
    where = _Places(source=source, lines=tuple(text.splitlines()))
    _check_head(table, where)
    tables = table["step"]
    steps = tuple(_step(number, raw, where) for number, raw in enumerate(tables))
    _check_order(steps, where)
    return Recipe(
        name=table["name"],
        version=table["version"],
        summary=table.get("summary", ""),
        steps=steps,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where things stand in the file, for errors."""

    source: str
    lines: tuple[str, ...]

    def line(self, step: int | None, key: str) -> int:
        """The line, from 1, of `key` in the head (None) or in a step, else where that starts."""
        heads = [n for n, line in enumerate(self.lines) if line.strip() == "[[step]]"]
        start = 0 if step is None else heads[step] if step < len(heads) else 0
        after = [head for head in heads if head > start]
        end = after[0] if after else len(self.lines)
        for number in range(start, end):
            if re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", self.lines[number]):
                return number + 1
        return start + 1

    def refusal(self, said: str, step: int | None, key: str, limit: str) -> Rejected:
        place = f"{self.source} line {self.line(step, key)}"
        field = key if step is None else f"step[{step + 1}].{key}"
        return Rejected(f"{place}: {said}; limit: {limit}", field=f"recipe.{field}", limit=limit)


def _check_head(table: dict[str, Any], where: _Places) -> None:
    unknown = set(table) - {"name", "version", "summary", "step"}
    if unknown:
        key = min(unknown)
        raise where.refusal(f"{key} is not known", None, key, "name, version, summary, [[step]]")
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise where.refusal(f"name is {name!r}", None, "name", "1 to 48 of a-z, 0-9 and -")
    version = table.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version < 10**6:
        raise where.refusal(f"version is {version!r}", None, "version", "a whole number from 1")
    if not isinstance(table.get("summary", ""), str):
        raise where.refusal("summary is no text", None, "summary", "text")
    steps = table.get("step")
    if not isinstance(steps, list) or not 1 <= len(steps) <= STEPS_MAX:
        raise where.refusal("the steps do not count up", None, "step", f"1 to {STEPS_MAX} [[step]]")


def _step(number: int, raw: object, where: _Places) -> Step:
    if not isinstance(raw, dict):
        raise where.refusal("a step is no table", number, "do", "[[step]]")
    do = raw.get("do")
    rules = STEP_RULES.get(do) if isinstance(do, str) else None
    if rules is None:
        raise where.refusal(
            f"step {do!r} is not known", number, "do", "one of " + _list(STEP_RULES)
        )
    values: list[tuple[str, Value]] = []
    for key in raw:
        if key != "do" and key not in rules:
            raise where.refusal(f"{do} knows no {key}", number, key, "one of " + _list(rules))
    for key, rule in rules.items():
        value = raw.get(key, rule.default)
        if not rule.accepts(value):
            raise where.refusal(f"{key} of {do} is {value!r}", number, key, rule.limit())
        _check_meaning(rule, value, _Key(number=number, do=str(do), key=key), where)
        # 254 and 254.0 are one recipe and must have one hash.
        values.append((key, float(value) if isinstance(rule.default, float) else value))
    return Step(str(do), tuple(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    number: int
    do: str
    key: str


def _check_meaning(rule: Rule, value: Value, place: _Key, where: _Places) -> None:
    """Let the room that will read a text read it now, so that its error names the line."""
    if rule.reads is None:
        return
    try:
        rule.reads(str(value))
    except Rejected as error:
        said = f"{place.key} of {place.do}: {error.reason}"
        raise where.refusal(said, place.number, place.key, error.limit) from error


def _check_order(steps: tuple[Step, ...], where: _Places) -> None:
    done: set[str] = set()
    roles: set[object] = set()
    for number, step in enumerate(steps):
        for needed in _needed(step):
            if needed not in done:
                raise where.refusal(
                    f"{step.do} stands before {needed}", number, "do", f"after a step {needed!r}"
                )
        if LAST in done and step.do != LAST:
            raise where.refusal(f"{step.do} stands after {LAST}", number, "do", f"before {LAST}")
        done.add(step.do)
        _check_unit(step, number, where)
        _check_plates(step, number, where)
        role = dict(step.values).get("role")
        if role is not None and role in roles:
            raise where.refusal(f"role {role} is written twice", number, "role", "each role once")
        roles.add(role)
    _check_colourways(steps, where)


def _check_unit(step: Step, number: int, where: _Places) -> None:
    if step.do == "write" and step.text("unit") == "straight":
        file = step.text("file")
        if file not in STRAIGHT_FILES:
            limit = "one of " + ", ".join(sorted(STRAIGHT_FILES))
            raise where.refusal(f"{file} has no straight unit", number, "unit", limit)


def _check_plates(step: Step, number: int, where: _Places) -> None:
    """A trap, or a ground left to the cloth, is of plates."""
    if step.do != "write" or step.text("file") in PLATE_FILES:
        return
    for key in ("trap_mm", "ground"):
        if key in step.told():
            limit = "one of " + ", ".join(sorted(PLATE_FILES))
            said = f"{step.text('file')} has no plates for {key}"
            raise where.refusal(said, number, key, limit)


def _check_colourways(steps: tuple[Step, ...], where: _Places) -> None:
    """Each has a name of its own, and a colour for every ink that the recipe may find."""
    inks_max = max((step.whole("colours_max") for step in steps if step.do == "ink"), default=0)
    names = {ORIGINAL}
    for number, step in enumerate(steps):
        if step.do != LAST:
            continue
        name = slug(step.text("name"))
        if not step.text("name") or name in names:
            limit = f"a name of its own, not {ORIGINAL!r}"
            raise where.refusal(f"colourway {name!r}", number, "name", limit)
        names.add(name)
        colours = len(parse_swatches(step.text("colours")))
        if colours < inks_max:
            limit = f"at least {inks_max}, as many as colours_max of ink"
            raise where.refusal(f"colourway {name} has {colours} colours", number, "colours", limit)


def _needed(step: Step) -> list[str]:
    needed = [NEEDS[step.do]] if step.do in NEEDS else []
    keys = dict(step.values)
    if "from" in keys and keys.get("file") not in FILE_NEEDS:
        needed.append(SOURCE_NEEDS[step.text("from")])
    if "file" in keys and step.text("file") in FILE_NEEDS:
        needed.append(FILE_NEEDS[step.text("file")])
    return needed


def _list(keys: dict[str, Any]) -> str:
    return ", ".join(keys)
