"""`examples/requests.jsonl` as an upstream system would hold it, and as requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from client.wishes import Options, wish
from postproc.sizes import parse_size_um
from schemas.errors import Rejected
from schemas.records import Adapter, PatternRequested, Repeat

ORDERS_MAX: Final = 1_000
OPTIONS: Final = ("tier", "variations", "seed", "recipe", "palette_max", "steps", "guidance")


def read_orders(path: Path, *, run: str) -> list[PatternRequested]:
    """One request per line; ids are `run` and the line's number. Raises Rejected with the line."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if len(lines) > ORDERS_MAX:
        raise Rejected("too many orders", field=path.name, limit=f"at most {ORDERS_MAX}")
    return [_order(json.loads(line), number, path, run) for number, line in enumerate(lines, 1)]


def _order(told: dict[str, Any], number: int, path: Path, run: str) -> PatternRequested:
    try:
        width_um, height_um = parse_size_um(told["repeat"]["size"], field="size")
        lattice, design = told["repeat"]["lattice"], told["design"]
        options: Options = {"labels": {"design": design}}
        options.update({name: told[name] for name in OPTIONS if name in told})  # type: ignore[typeddict-item]
        if "adapters" in told:
            options["adapters"] = _adapters(told["adapters"], f"{path.name} line {number}")
        return wish(
            tenant=told["tenant"],
            prompt=told["prompt"],
            repeat=Repeat(lattice=lattice, width_um=width_um, height_um=height_um),
            request_id=f"{run}-{number:02d}",
            options=options,
        )
    except KeyError as error:
        raise Rejected("a field is missing", field=f"{path.name} line {number}", limit=str(error))


def _adapters(told: Any, where: str) -> tuple[Adapter, ...]:
    try:
        return tuple(Adapter(**one) for one in told)
    except TypeError as error:
        limit = '[{"name": "indigo", "scale": 0.8}]'
        raise Rejected("adapters are told otherwise", field=where, limit=limit) from error
