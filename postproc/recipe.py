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

from schemas.errors import Rejected

Value = str | int | float | bool
STEPS_MAX: Final = 32
RECIPE_BYTES_MAX: Final = 64 << 10
SHIPPED: Final = Path(__file__).parent / "recipes"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one key of a step may hold, and what it is when left out."""

    default: Value
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def limit(self) -> str:
        """The rule in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
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
)
ROLES: Final = ("print", "image", "press", "vector", "spot", "illustrator", "indexed", "palette")
SOURCES: Final = ("flat", "painted", "traced")

STEP_RULES: Final[dict[str, dict[str, Rule]]] = {
    "check-tile": {
        "seam_p_max": Rule(default=1.3, low=0.1, high=100),
        "seam_r2_max": Rule(default=3.0, low=0.1, high=1000),
        "edge_line_max": Rule(default=3.0, low=0.1, high=1000),
        "modal_share_max": Rule(default=0.998, low=0, high=1),
        "spread_min": Rule(default=0.01, low=0, high=1),
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
    "check-strip": {"strip_mm": Rule(default=530.0, low=10, high=5000)},
    "plates": {
        "trap_mm": Rule(default=0.0, low=0, high=5),
        "ground": Rule(default="print", choices=("print", "cloth")),
    },
    "write": {
        "file": Rule(default="png", choices=FILES),
        "from": Rule(default="flat", choices=SOURCES),
        "role": Rule(default="image", choices=ROLES),
    },
    "preview": {
        "columns": Rule(default=3, low=1, high=16),
        "rows": Rule(default=3, low=1, high=16),
        "side_px_max": Rule(default=1200, low=64, high=8192),
        "from": Rule(default="flat", choices=SOURCES),
    },
}

NEEDS: Final[dict[str, str]] = {
    "ink": "enlarge",
    "trace": "ink",
    "draw": "trace",
    "write": "enlarge",
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
}


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
        # 254 and 254.0 are one recipe and must have one hash.
        values.append((key, float(value) if isinstance(rule.default, float) else value))
    return Step(str(do), tuple(values))


def _check_order(steps: tuple[Step, ...], where: _Places) -> None:
    done: set[str] = set()
    roles: set[object] = set()
    for number, step in enumerate(steps):
        for needed in _needed(step):
            if needed not in done:
                raise where.refusal(
                    f"{step.do} stands before {needed}", number, "do", f"after a step {needed!r}"
                )
        done.add(step.do)
        role = dict(step.values).get("role")
        if role is not None and role in roles:
            raise where.refusal(f"role {role} is written twice", number, "role", "each role once")
        roles.add(role)


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
