"""The committed schemas and their ids, read once; foreign writer schemas are judged here.

A writer schema is accepted when its canonical fingerprint is that of a committed version, or when
the newest committed version can read it and it holds no danger; whatever id a registry gave it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastavro import parse_schema
from fastavro.schema import SchemaParseException, fingerprint, to_parsing_canonical_form

from .errors import Undecodable
from .evolution import dangers, problems

FOLDER: Final = Path(__file__).parent / "avro"
SCHEMA_BYTES_MAX: Final = 262_144
MALFORMED: Final = (
    SchemaParseException,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""What reading a text as an Avro schema raises where it is none."""


@dataclass(frozen=True, slots=True)
class Version:
    """One committed version of one record."""

    record: str
    number: int
    schema_id: int
    """Ours; stable in the repository."""
    source: dict[str, Any]
    parsed: Any
    fingerprint: str


@cache
def versions() -> tuple[Version, ...]:
    """Every committed version, oldest first within a record."""
    ids: dict[str, dict[str, int]] = json.loads((FOLDER / "ids.json").read_text())
    return tuple(
        _load(record, int(number), schema_id)
        for record, numbers in ids.items()
        for number, schema_id in sorted(numbers.items(), key=lambda pair: int(pair[0]))
    )


@cache
def by_id() -> dict[int, Version]:
    """Committed versions by our ids."""
    return {version.schema_id: version for version in versions()}


@cache
def newest(record: str) -> Version:
    """The version that we write. Raises KeyError for an unknown record."""
    found = [version for version in versions() if version.record == record]
    if not found:
        raise KeyError(record)
    return found[-1]


def accept(schema_text: str, *, record: str) -> Any:
    """The parsed writer schema to decode with. Raises Undecodable, naming the limit.

    `schema_text` is what a registry holds under the id of a message.
    """
    if len(schema_text) > SCHEMA_BYTES_MAX:
        raise _refused(f"schema longer than {SCHEMA_BYTES_MAX} bytes")
    try:
        schema = json.loads(schema_text)
        found = dangers(schema)
        if found:
            raise _refused(found[0])
        mark = fingerprint_of(schema)
        for version in versions():
            if version.record == record and version.fingerprint == mark:
                return version.parsed
        found = problems(newest(record).source, schema)
        if found:
            raise _refused(found[0])
        return parse_schema(schema)
    except MALFORMED as error:
        raise _refused("not a valid Avro schema") from error


def fingerprint_of(schema: Any) -> str:
    """SHA-256 of the parsing canonical form, hexadecimal."""
    return fingerprint(to_parsing_canonical_form(schema), "SHA-256")


def _load(record: str, number: int, schema_id: int) -> Version:
    source = json.loads((FOLDER / f"{record}.v{number}.avsc").read_text())
    return Version(
        record=record,
        number=number,
        schema_id=schema_id,
        source=source,
        # Parsed once: without the mark that parsing leaves, every record would parse it again.
        parsed=parse_schema(source),
        fingerprint=fingerprint_of(source),
    )


def _refused(limit: str) -> Undecodable:
    return Undecodable("writer schema refused before decoding", field="schema id", limit=limit)
