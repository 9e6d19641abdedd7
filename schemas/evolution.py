"""May a reader with one Avro schema read what a writer with another wrote?

Follows "Schema Resolution" of the Avro 1.12 specification, without aliases (we never rename) and
with schemas as parsed JSON. FULL_TRANSITIVE means: no problems in either direction, for every pair.
Also refuses writer schemas that could harm a decoder: recursion crashes it, items of no width
let five bytes unfold into a hundred million, and so do references to references.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

DEPTH_MAX: Final = 32
FIXED_BYTES_MAX: Final = 65_536
NODES_MAX: Final = 2_000
"""Types in a schema, every reference followed; ours have about a hundred."""
NAMED: Final = frozenset({"record", "enum", "fixed"})
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
    found = [f"two types are called {name}" for name in _twice(schema)]
    if not found:
        _Look(_names(schema), found).at(schema, ())
    return found


class _Look:
    """One walk over a schema with every reference followed, as a decoder follows it."""

    def __init__(self, names: dict[str, Any], found: list[str]) -> None:
        self._names = names
        self._found = found
        self._nodes = 0

    def at(self, schema: Any, above: tuple[str, ...]) -> None:
        """Look at one type; `above` are the types around it."""
        self._nodes += 1
        if self._nodes > NODES_MAX:
            # References alone can unfold a short schema into more types than there is memory for.
            if self._nodes == NODES_MAX + 1:
                self._found.append(f"more than {NODES_MAX} types, references unfolded")
            return
        if len(above) > DEPTH_MAX:
            self._found.append(f"nested deeper than {DEPTH_MAX}")
            return
        schema = _resolve(schema, self._names)
        kind = _kind(schema)
        if kind == "union":
            for branch in schema:
                self.at(branch, (*above, "|"))
        elif kind == "record":
            self._record(schema, above)
        elif kind in {"array", "map"}:
            self._repeated(schema["items" if kind == "array" else "values"], kind, above)
        else:
            self._leaf(schema, kind)

    def _record(self, schema: Any, above: tuple[str, ...]) -> None:
        if schema["name"] in above:
            self._found.append(f"recursive type {schema['name']}")
            return
        for column in schema["fields"]:
            self.at(column["type"], (*above, schema["name"]))

    def _repeated(self, inner: Any, kind: str, above: tuple[str, ...]) -> None:
        self.at(inner, (*above, kind))
        # A map's items have a key at least; and only what was found finite may be measured.
        if not self._found and kind == "array" and _width_min(inner, self._names, 0) == 0:
            self._found.append("array whose items take no bytes")

    def _leaf(self, schema: Any, kind: str) -> None:
        if kind == "fixed" and schema["size"] > FIXED_BYTES_MAX:
            self._found.append(f"fixed of {schema['size']} bytes, at most {FIXED_BYTES_MAX}")
        elif kind not in PRIMITIVES | {"enum", "fixed"}:
            self._found.append(f"unknown type {kind!r}")


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
    """Named types by short name, wherever they are defined."""
    return {_short(node["name"]): node for node in _definitions(schema)}


def _twice(schema: Any) -> list[str]:
    """Short names with several definitions: which one a reference meant could not be told."""
    counts = Counter(_short(node["name"]) for node in _definitions(schema))
    return [name for name, count in counts.items() if count > 1]


def _definitions(schema: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            kind = node.get("type")
            if "name" in node and isinstance(kind, str) and kind in NAMED:
                found.append(node)
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
