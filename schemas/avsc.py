"""Avro schemas from the dataclasses: `python -m schemas.avsc` writes `schemas/avro/`.

Writes the next version of a record only when its canonical form changed; committed versions are
never rewritten, only their documentation follows the newest. Refuses to parse anything at run time:
the codec reads the committed files.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import sys
import types
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from . import records

FOLDER: Final = Path(__file__).parent / "avro"
IDS_FILE: Final = FOLDER / "ids.json"
NAMESPACE: Final = "heddle"
_SCALARS: Final[dict[Any, Any]] = {
    str: "string",
    int: "long",
    float: "double",
    bool: "boolean",
    bytes: "bytes",
    datetime: {"type": "long", "logicalType": "timestamp-millis"},
}


def schema_of(kind: type) -> dict[str, Any]:
    """The Avro schema of a record class, docstrings as `doc`."""
    seen: set[str] = set()
    built = _record(kind, seen)
    if not isinstance(built, dict):
        message = f"{kind.__name__} did not give a record schema"
        raise TypeError(message)
    return built


def _record(kind: type, seen: set[str]) -> dict[str, Any] | str:
    name = kind.__name__
    if name in seen:
        return f"{NAMESPACE}.{name}"
    seen.add(name)
    hints = get_type_hints(kind, vars(records) | {"Mapping": Mapping})
    docs = _field_docs(kind)
    columns = [
        _field(spec, hints[spec.name], docs.get(spec.name), seen)
        for spec in dataclasses.fields(kind)
    ]
    doc = inspect.cleandoc(kind.__doc__ or "")
    return {"type": "record", "name": name, "namespace": NAMESPACE, "doc": doc, "fields": columns}


def _field(
    spec: dataclasses.Field[Any], hint: Any, doc: str | None, seen: set[str]
) -> dict[str, Any]:
    column: dict[str, Any] = {"name": spec.name, "type": _type(hint, seen)}
    if spec.default is not dataclasses.MISSING:
        column["default"] = 0 if spec.default == records.EPOCH else spec.default
        if spec.default == ():
            column["default"] = []
    elif spec.default_factory is not dataclasses.MISSING:
        column["default"] = spec.default_factory()
    if doc:
        column["doc"] = doc
    return column


def _type(hint: Any, seen: set[str]) -> Any:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        inner = next(part for part in arguments if part is not type(None))
        return ["null", _type(inner, seen)]
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0], seen)}
    if origin is Mapping:
        return {"type": "map", "values": _type(arguments[1], seen)}
    return _record(hint, seen)


def _field_docs(kind: type) -> dict[str, str]:
    """Text of the string literal under each attribute."""
    tree = ast.parse(inspect.cleandoc(inspect.getsource(kind)))
    body = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)).body
    docs: dict[str, str] = {}
    for before, after in itertools.pairwise(body):
        if not (isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr)):
            continue
        if isinstance(after.value, ast.Constant) and isinstance(before.target, ast.Name):
            docs[before.target.id] = inspect.cleandoc(str(after.value.value))
    return docs


def without_docs(node: Any) -> Any:
    """The schema without documentation: what decides whether a version is new."""
    if isinstance(node, dict):
        return {key: without_docs(value) for key, value in node.items() if key != "doc"}
    if isinstance(node, list):
        return [without_docs(item) for item in node]
    return node


def write(folder: Path = FOLDER) -> list[str]:
    """Bring `folder` up to date; returns what was written. Ids count on and never change."""
    ids_file = folder / IDS_FILE.name
    ids: dict[str, dict[str, int]] = json.loads(ids_file.read_text()) if ids_file.exists() else {}
    written: list[str] = []
    for kind in records.RECORDS:
        name, schema = kind.__name__, schema_of(kind)
        versions = ids.setdefault(name, {})
        newest = max((int(version) for version in versions), default=0)
        path = folder / f"{name}.v{newest}.avsc"
        if newest == 0 or without_docs(json.loads(path.read_text())) != without_docs(schema):
            newest += 1
            path = folder / f"{name}.v{newest}.avsc"
            used = [number for known in ids.values() for number in known.values()]
            versions[str(newest)] = max(used, default=0) + 1
        text = json.dumps(schema, indent=2) + "\n"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            written.append(path.name)
    ids_file.write_text(json.dumps(ids, indent=2) + "\n")
    return written


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    sys.stdout.write("".join(f"{name}\n" for name in write()))
