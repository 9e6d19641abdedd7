"""May a reader with one Avro schema read what a writer with another wrote?

Follows "Schema Resolution" of the Avro 1.12 specification, without aliases (we never rename) and
with schemas as parsed JSON. FULL_TRANSITIVE means: no problems in either direction, for every pair.
Also refuses writer schemas that could harm a decoder: recursion crashes it, and items of no width
let five bytes unfold into a hundred million.
"""

from __future__ import annotations

from typing import Any, Final

DEPTH_MAX: Final = 32
FIXED_BYTES_MAX: Final = 65_536
PRIMITIVES: Final = frozenset(
    {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
)
_PROMOTIONS: Final[dict[str, frozenset[str]]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}


def problems(reader: Any, writer: Any) -> list[str]:
    """Why `reader` could fail on data of `writer`; empty when it cannot. Paths are dotted."""
    return _Pair(_names(reader), _names(writer)).compare(reader, writer, "")


class _Pair:
    """Two schemas with their named types at hand."""

    def __init__(self, reader_names: dict[str, Any], writer_names: dict[str, Any]) -> None:
        self._reader_names = reader_names
        self._writer_names = writer_names

    def compare(self, reader: Any, writer: Any, path: str) -> list[str]:
        reader = _resolve(reader, self._reader_names)
        writer = _resolve(writer, self._writer_names)
        if isinstance(writer, list):
            return [text for branch in writer for text in self.compare(reader, branch, path)]
        if isinstance(reader, list):
            tries = [self.compare(branch, writer, path) for branch in reader]
            if any(not found for found in tries):
                return []
            return [f"{path or '.'}: no branch of the reader's union takes {_kind(writer)}"]
        return self._single(reader, writer, path)

    def _single(self, reader: Any, writer: Any, path: str) -> list[str]:
        reads, wrote = _kind(reader), _kind(writer)
        if reads == wrote == "record":
            return self._record(reader, writer, path)
        if reads == wrote == "array":
            return self.compare(reader["items"], writer["items"], f"{path}[]")
        if reads == wrote == "map":
            return self.compare(reader["values"], writer["values"], f"{path}{{}}")
        if reads == wrote == "enum":
            gone = set(writer["symbols"]) - set(reader["symbols"])
            fine = not gone or "default" in reader
            return [] if fine else [f"{path}: symbols {sorted(gone)} unknown to the reader"]
        if reads == wrote == "fixed":
            return [] if reader["size"] == writer["size"] else [f"{path}: fixed of another size"]
        if reads == wrote or reads in _PROMOTIONS.get(wrote, frozenset()):
            return []
        return [f"{path or '.'}: {wrote} cannot be read as {reads}"]

    def _record(self, reader: Any, writer: Any, path: str) -> list[str]:
        if _short(reader["name"]) != _short(writer["name"]):
            return [f"{path or '.'}: record {writer['name']} cannot be read as {reader['name']}"]
        wrote = {column["name"]: column for column in writer["fields"]}
        found: list[str] = []
        for column in reader["fields"]:
            inner = f"{path}.{column['name']}"
            if column["name"] in wrote:
                found += self.compare(column["type"], wrote[column["name"]]["type"], inner)
            elif "default" not in column:
                found.append(f"{inner}: missing in the writer and without default in the reader")
        return found


def dangers(schema: Any) -> list[str]:
    """Why a writer schema must not be decoded with; empty when it may."""
    found: list[str] = []
    _look(schema, _names(schema), (), found)
    return found


def _look(schema: Any, names: dict[str, Any], above: tuple[str, ...], found: list[str]) -> None:
    if len(above) > DEPTH_MAX:
        found.append(f"nested deeper than {DEPTH_MAX}")
        return
    schema = _resolve(schema, names)
    kind = _kind(schema)
    if kind == "union":
        for branch in schema:
            _look(branch, names, (*above, "|"), found)
    elif kind == "record":
        _look_record(schema, names, above, found)
    elif kind in {"array", "map"}:
        inner = schema["items" if kind == "array" else "values"]
        if kind == "array" and _width_min(inner, names, 0) == 0:
            found.append("array whose items take no bytes")
        _look(inner, names, (*above, kind), found)
    else:
        _look_leaf(schema, kind, found)


def _look_leaf(schema: Any, kind: str, found: list[str]) -> None:
    if kind == "fixed" and schema["size"] > FIXED_BYTES_MAX:
        found.append(f"fixed of {schema['size']} bytes, at most {FIXED_BYTES_MAX}")
    elif kind not in PRIMITIVES | {"enum", "fixed"}:
        found.append(f"unknown type {kind!r}")


def _look_record(
    schema: Any, names: dict[str, Any], above: tuple[str, ...], found: list[str]
) -> None:
    if schema["name"] in above:
        found.append(f"recursive type {schema['name']}")
        return
    for column in schema["fields"]:
        _look(column["type"], names, (*above, schema["name"]), found)


def _width_min(schema: Any, names: dict[str, Any], depth: int) -> int:
    """Fewest bytes a value takes; recursion counts as one, it is refused elsewhere."""
    schema = _resolve(schema, names)
    kind = _kind(schema)
    if depth > DEPTH_MAX:
        return 1
    if kind == "null":
        return 0
    if kind == "fixed":
        return int(schema["size"])
    if kind == "record":
        return sum(_width_min(column["type"], names, depth + 1) for column in schema["fields"])
    return 1


def _names(schema: Any) -> dict[str, Any]:
    """Named types by full and by short name, wherever they are defined."""
    found: dict[str, Any] = {}
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            if "name" in node and node.get("type") in {"record", "enum", "fixed"}:
                found[_short(node["name"])] = node
            waiting.extend(value for value in node.values() if isinstance(value, dict | list))
    return found


def _resolve(schema: Any, names: dict[str, Any]) -> Any:
    if isinstance(schema, str) and schema not in PRIMITIVES:
        return names.get(_short(schema), schema)
    if isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
        return schema["type"]
    return schema


def _kind(schema: Any) -> str:
    if isinstance(schema, list):
        return "union"
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _short(name: str) -> str:
    return name.rpartition(".")[2]
