"""Bytes to records and back: Confluent framing (byte 0, four-byte id, Avro).

The only reader and writer of Avro. Decodes with committed schemas alone unless a `lookup` resolves
foreign ids; refuses oversize values, unknown ids and leftover bytes before anything is built.
"""

from __future__ import annotations

import io
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from fastavro import schemaless_reader, schemaless_writer

from . import committed, records
from .errors import Undecodable
from .topics import RECORD_BYTES_MAX

MAGIC: Final = b"\x00"
HEADER_BYTES: Final = 5
FOREIGN_IDS_MAX: Final = 1_000
"""Distinct foreign ids remembered by one codec; more are looked up again."""

R = TypeVar("R", bound=records.Record)
Lookup = Callable[[int], str | None]
"""Schema text of an id, or None where nobody knows it. Raises Transient when it cannot tell."""
_Convert = Callable[[Any], Any] | None


class Codec:
    """Encodes with the newest committed schema, decodes any accepted one.

    `ids` overrides the ids we write (those an external registry gave our schemas); `lookup` asks
    that registry about ids we do not know. One codec may be used from several threads.
    """

    def __init__(
        self, *, ids: Mapping[str, int] | None = None, lookup: Lookup | None = None
    ) -> None:
        self._lookup = lookup
        self._writers: dict[str, tuple[bytes, Any]] = {}
        self._known: dict[tuple[int, str], Any] = {}
        for kind in records.RECORDS:
            version = committed.newest(kind.__name__)
            number = (ids or {}).get(kind.__name__, version.schema_id)
            self._writers[kind.__name__] = (MAGIC + number.to_bytes(4, "big"), version.parsed)
            if ids:
                self._known[number, kind.__name__] = version.parsed
        if not ids:
            for known in committed.versions():
                self._known[known.schema_id, known.record] = known.parsed

    def encode(self, record: records.Record) -> bytes:
        """Framed bytes. Raises ValueError for a record that does not fit its own schema."""
        head, schema = self._writers[type(record).__name__]
        buffer = io.BytesIO()
        buffer.write(head)
        schemaless_writer(buffer, schema, _to_plain(type(record))(record))
        return buffer.getvalue()

    def decode(self, value: bytes | None, kind: type[R]) -> R:
        """The record in `value`. Raises Undecodable, naming what was wrong and the limit."""
        value = value or b""
        schema = self._schema(value, kind.__name__)
        body = io.BytesIO(value)
        body.seek(HEADER_BYTES)
        newest = self._writers[kind.__name__][1]
        try:
            plain: Any = schemaless_reader(body, schema, None if schema is newest else newest)
            record = _from_plain(kind)(plain)
        except (ValueError, EOFError, TypeError, KeyError, IndexError, OverflowError) as error:
            reason = f"value is not a {kind.__name__}"
            raise Undecodable(reason, field="value", limit="its schema") from error
        if body.tell() != len(value):
            reason = f"bytes left over after the {kind.__name__}"
            raise Undecodable(reason, field="value", limit="0 bytes left over")
        return record  # type: ignore[no-any-return]

    def _schema(self, value: bytes, record: str) -> Any:
        if len(value) > RECORD_BYTES_MAX:
            limit = f"at most {RECORD_BYTES_MAX} bytes"
            raise Undecodable("value too large", field="value", limit=limit)
        if len(value) < HEADER_BYTES or value[:1] != MAGIC:
            limit = "byte 0 and a four-byte schema id"
            raise Undecodable("value is not framed Avro", field="value", limit=limit)
        number = int.from_bytes(value[1:HEADER_BYTES], "big")
        known = self._known.get((number, record))
        return self._foreign(number, record) if known is None else known

    def _foreign(self, number: int, record: str) -> Any:
        text = self._lookup(number) if self._lookup else None
        if text is None:
            limit = "an id of a committed or registered schema"
            reason = f"schema id {number} is unknown for {record}"
            raise Undecodable(reason, field="schema id", limit=limit)
        schema = committed.accept(text, record=record)
        if len(self._known) >= FOREIGN_IDS_MAX:
            self._known.pop(next(reversed(self._known)))
        self._known[number, record] = schema
        return schema


_PLAIN: dict[type, Callable[[Any], dict[str, Any]]] = {}
_BUILT: dict[type, Callable[[Mapping[str, Any]], Any]] = {}


def _to_plain(kind: type) -> Callable[[Any], dict[str, Any]]:
    """A function from an instance of `kind` to what the Avro writer takes."""
    made = _PLAIN.get(kind)
    if made is None:
        steps = [(spec.name, _converter(hint, _to_plain)) for spec, hint in _hints(kind)]

        def made(record: Any) -> dict[str, Any]:
            return {
                name: value if step is None or value is None else step(value)
                for name, step in steps
                for value in (getattr(record, name),)
            }

        _PLAIN[kind] = made
    return made


def _from_plain(kind: type) -> Callable[[Mapping[str, Any]], Any]:
    """A function from what the Avro reader gives to an instance of `kind`."""
    made = _BUILT.get(kind)
    if made is None:
        steps = [
            (spec.name, step)
            for spec, hint in _hints(kind)
            if (step := _converter(hint, _from_plain)) is not None
        ]

        def made(plain: Any) -> Any:
            for name, step in steps:
                if plain[name] is not None:
                    plain[name] = step(plain[name])
            return kind(**plain)

        _BUILT[kind] = made
    return made


def _converter(hint: Any, record: Callable[[type], Callable[[Any], Any]]) -> _Convert:
    """How to turn a field's value over; None where it goes as it is."""
    if get_origin(hint) is types.UnionType:
        return _converter(next(part for part in get_args(hint) if part is not type(None)), record)
    if get_origin(hint) is tuple:
        inner = _converter(get_args(hint)[0], record)
        return tuple if inner is None else lambda items: tuple(inner(item) for item in items)
    if isinstance(hint, type) and is_dataclass(hint):
        return record(hint)
    return None


def _hints(kind: type) -> list[tuple[Any, Any]]:
    hints = get_type_hints(kind, vars(records) | {"Mapping": Mapping})
    return [(spec, hints[spec.name]) for spec in fields(kind)]
