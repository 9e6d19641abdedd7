"""A TIFF's first directory, written anew: tags put in and taken out without touching a pixel.

Writers decide for themselves what some tags say. Here a classic TIFF (not BigTIFF) gets a new first
directory at its end; what the old one pointed at stays where it is.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.errors import Rejected

BYTE: Final = 1
SHORT: Final = 3
_ENTRY_BYTES: Final = 12
_INLINE_BYTES: Final = 4
_SIZES: Final = {BYTE: 1, SHORT: 2}


@dataclass(frozen=True, slots=True)
class Field:
    """A tag's value: SHORT numbers, or BYTE for a text of bytes."""

    kind: int
    values: bytes | tuple[int, ...]

    def packed(self, order: str) -> bytes:
        """The values in the file's byte order."""
        if isinstance(self.values, bytes):
            return self.values
        return struct.pack(f"{order}{len(self.values)}H", *self.values)


def with_fields(data: bytes, fields: Mapping[int, Field | None]) -> bytes:
    """The TIFF with these tags set, or taken out where None; tags stay in ascending order."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise Rejected("the file is no classic TIFF", field="tiff", limit="TIFF 6.0")
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, directory)
    start = directory + 2
    stop = start + _ENTRY_BYTES * count
    old = [data[at : at + _ENTRY_BYTES] for at in range(start, stop, _ENTRY_BYTES)]
    entries = {struct.unpack_from(order + "H", entry)[0]: entry for entry in old}
    body = _even(data)
    for tag, field in fields.items():
        entries.pop(tag, None)
        if field is not None:
            packed = field.packed(order)
            inline = len(packed) <= _INLINE_BYTES
            place = packed.ljust(_INLINE_BYTES, b"\0") if inline else _offset(order, len(body))
            length = len(packed) // _SIZES[field.kind]
            entries[tag] = struct.pack(order + "HHI", tag, field.kind, length) + place
            body += b"" if inline else _even(packed)
    listed = struct.pack(order + "H", len(entries))
    listed += b"".join(entries[tag] for tag in sorted(entries))
    return body[:4] + _offset(order, len(body)) + body[8:] + listed + data[stop : stop + 4]


def _offset(order: str, value: int) -> bytes:
    return struct.pack(order + "I", value)


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)
