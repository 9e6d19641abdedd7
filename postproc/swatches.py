"""A client's colours, as files carry them: ASE, CSV, and the short form that recipes hold.

Every Lab says its illuminant and observer. Where a file does not, the caller's `viewing` holds,
D65/10 unless told otherwise; inside, all Lab is D50/2 as ICC counts it. Nothing here ships a
vendor's colour library.

- CSV: a header of `name`, then `hex` or `l,a,b`, and where known `illuminant` and `observer`; comma
  or semicolon, and with semicolons also decimal commas.
- ASE: Adobe Swatch Exchange 1.0, RGB, grey and Lab entries. A group whose name ends in `(D50/2)`
  says the viewing of the Lab inside it; ours always do.
- short form: `navy #182454, cream 93.1 -0.4 9.8`.
"""

from __future__ import annotations

import csv
import io
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from postproc.cie import VIEWING_DEFAULT, VIEWING_ICC, parse_viewing, srgb8_of_lab_d50, to_d50
from postproc.colour import hex_of, lab_d50_from_srgb8
from schemas.errors import Rejected

SWATCHES_MAX: Final = 256
SWATCH_BYTES_MAX: Final = 1 << 20
NAME_CHARACTERS_MAX: Final = 64
_HEX: Final = re.compile(r"#?([0-9a-fA-F]{6})")
_SHORT: Final = re.compile(
    r"\s*(?:(.*?)\s+)?(#[0-9a-fA-F]{6}|-?[\d.]+\s+-?[\d.]+\s+-?[\d.]+)\s*", re.DOTALL
)
_VIEWED: Final = re.compile(r"\(([A-Z]\w{0,2}/\d{1,2})\)\s*$")
_GROUP_OPEN, _GROUP_CLOSE, _COLOUR = 0xC001, 0xC002, 0x0001
_ASE_HEAD: Final = b"ASEF\x00\x01\x00\x00"
_GLOBAL: Final = 0
_CHANNELS: Final = {b"RGB ": 3, b"LAB ": 3, b"Gray": 1, b"CMYK": 4}
_LIMIT: Final = "name and #rrggbb, or name and L a b"
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swatch:
    """One colour by name."""

    name: str
    lab: Triple
    """D50, 2 degrees."""
    rgb: tuple[int, int, int]
    """8-bit sRGB, clipped where the gamut ends."""


def read_swatches(
    data: bytes, *, viewing: str = VIEWING_DEFAULT, field: str = "colours"
) -> tuple[Swatch, ...]:
    """The swatches of an ASE or CSV file; raises Rejected with the line or entry and the limit."""
    if len(data) > SWATCH_BYTES_MAX:
        raise Rejected("the colour file is too large", field=field, limit=f"{SWATCH_BYTES_MAX}")
    parse_viewing(viewing, field=field)
    found = _ase(data, viewing, field) if data[:4] == b"ASEF" else _csv(data, viewing, field)
    try:
        return _bounded(tuple(found), field)
    except csv.Error as error:
        raise Rejected(f"the CSV is broken: {error}", field=field, limit="a whole CSV") from error


def parse_swatches(
    text: str, *, viewing: str = VIEWING_DEFAULT, field: str = "colours"
) -> tuple[Swatch, ...]:
    """The swatches of the short form; empty text has none."""
    found = []
    for number, part in enumerate(text.split(",") if text.strip() else (), start=1):
        match = _SHORT.fullmatch(part)
        if match is None:
            raise Rejected(f"colour {number} is {part.strip()[:40]!r}", field=field, limit=_LIMIT)
        name, value = match.group(1) or f"colour {number}", match.group(2)
        if value.startswith("#"):
            found.append(of_hex(name, value, field=field))
        else:
            numbers = [_number(word, field, f"colour {number}") for word in value.split()]
            found.append(of_lab(name, numbers, viewing=viewing, field=field))
    return _bounded(tuple(found), field) if found else ()


def of_hex(name: str, text: str, *, field: str = "colours") -> Swatch:
    """A swatch of `#rrggbb`, which is sRGB."""
    match = _HEX.fullmatch(text.strip())
    if match is None:
        raise Rejected(f"{text[:20]!r} is no colour", field=field, limit="#rrggbb")
    rgb = bytes.fromhex(match.group(1))
    return of_rgb(name, (rgb[0], rgb[1], rgb[2]))


def of_rgb(name: str, rgb: tuple[int, int, int]) -> Swatch:
    """A swatch of an 8-bit sRGB colour."""
    lab = lab_d50_from_srgb8(np.array(rgb, dtype=np.uint8))
    return Swatch(name=_name(name), lab=_triple(lab), rgb=rgb)


def of_lab(
    name: str, lab: Sequence[float], *, viewing: str = VIEWING_DEFAULT, field: str = "colours"
) -> Swatch:
    """A swatch of Lab measured under `viewing`."""
    if not (0 <= lab[0] <= 100 and all(-200 <= value <= 200 for value in lab[1:])):
        raise Rejected(
            f"{name[:40]!r} has Lab {tuple(lab)}", field=field, limit="L 0 to 100, a and b +-200"
        )
    adapted = to_d50(lab, parse_viewing(viewing, field=field))
    red, green, blue = (int(value) for value in srgb8_of_lab_d50(adapted))
    return Swatch(name=_name(name), lab=_triple(adapted), rgb=(red, green, blue))


def write_csv(swatches: Sequence[Swatch]) -> bytes:
    """UTF-8 with a header; Lab to four decimals, D50 and 2 degrees."""
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(["name", "hex", "l", "a", "b", "illuminant", "observer"])
    for swatch in swatches:
        lab = [f"{value:.4f}" for value in swatch.lab]
        rows.writerow([swatch.name, hex_of(swatch.rgb), *lab, "D50", "2"])
    return buffer.getvalue().encode()


def write_ase(swatches: Sequence[Swatch], *, group: str) -> bytes:
    """An ASE file of one group of global Lab swatches, D50/2 as Adobe's programs read Lab."""
    blocks = [_block(_GROUP_OPEN, _pascal(f"{group} ({VIEWING_ICC})"))]
    for swatch in swatches:
        lightness, a, b = swatch.lab
        values = b"LAB " + struct.pack(">fff", lightness / 100, a, b)
        blocks.append(_block(_COLOUR, _pascal(swatch.name) + values + struct.pack(">H", _GLOBAL)))
    blocks.append(_block(_GROUP_CLOSE, b""))
    return _ASE_HEAD + struct.pack(">I", len(blocks)) + b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    return struct.pack(">HI", kind, len(body)) + body


def _pascal(text: str) -> bytes:
    """Length in UTF-16 units with the final zero, then the text."""
    encoded = (text + "\0").encode("utf-16-be")
    return struct.pack(">H", len(encoded) // 2) + encoded


def _ase(data: bytes, viewing: str, field: str) -> Iterator[Swatch]:
    held = viewing
    try:
        for kind, body in _ase_blocks(data):
            if kind == _GROUP_OPEN:
                said = _VIEWED.search(_ase_text(body)[0])
                held = parse_viewing(said.group(1), field=field).name if said else viewing
            elif kind == _GROUP_CLOSE:
                held = viewing
            elif kind == _COLOUR:
                yield _ase_colour(body, held, field)
    except (struct.error, UnicodeDecodeError) as error:
        raise Rejected("the ASE file is broken", field=field, limit="a whole ASE 1.0") from error


def _ase_blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    (count,) = struct.unpack_from(">I", data, 8)
    at = 12
    for _ in range(min(count, 4 * SWATCHES_MAX)):
        kind, size = struct.unpack_from(">HI", data, at)
        body = data[at + 6 : at + 6 + size]
        if len(body) < size:
            raise struct.error
        yield kind, body
        at += 6 + size


def _ase_text(body: bytes) -> tuple[str, int]:
    """The name at the head of a block, and where what follows begins."""
    (units,) = struct.unpack_from(">H", body, 0)
    return body[2 : 2 + 2 * units].decode("utf-16-be").rstrip("\0"), 2 + 2 * units


def _ase_colour(body: bytes, viewing: str, field: str) -> Swatch:
    name, at = _ase_text(body)
    model = body[at : at + 4]
    if model not in _CHANNELS or model == b"CMYK":
        raise Rejected(
            f"swatch {name[:40]!r} is {model!r}, which means nothing without its profile",
            field=field,
            limit="RGB, Gray or Lab",
        )
    values = struct.unpack_from(f">{_CHANNELS[model]}f", body, at + 4)
    if model == b"LAB ":
        return of_lab(name, (100 * values[0], *values[1:]), viewing=viewing, field=field)
    red, green, blue = (round(255 * min(max(v, 0.0), 1.0)) for v in (values * 3)[:3])
    return of_rgb(name, (red, green, blue))


def _csv(data: bytes, viewing: str, field: str) -> Iterator[Swatch]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Rejected("the colour file is no text", field=field, limit="ASE, or CSV") from error
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    rows.fieldnames = [(name or "").strip().lower() for name in rows.fieldnames or ()]
    known = set(rows.fieldnames)
    if "name" not in known or not ("hex" in known or {"l", "a", "b"} <= known):
        limit = "columns name, and hex or l,a,b"
        raise Rejected("the colour file has no header", field=field, limit=limit)
    for number, row in enumerate(rows, start=2):
        cells = {key: (value or "").strip() for key, value in row.items() if isinstance(value, str)}
        yield _csv_row(cells, number, viewing=viewing, field=field)


def _csv_row(cells: dict[str, str], number: int, *, viewing: str, field: str) -> Swatch:
    name = cells.get("name") or f"colour {number - 1}"
    if all(cells.get(key) for key in "lab"):
        said = f"{cells.get('illuminant', '')}/{cells.get('observer', '').rstrip('°')}"
        numbers = [_number(cells[key].replace(",", "."), field, f"line {number}") for key in "lab"]
        seen = viewing if said == "/" else said
        return of_lab(name, numbers, viewing=seen, field=field)
    if not cells.get("hex"):
        raise Rejected(f"line {number} holds no colour", field=field, limit=_LIMIT)
    return of_hex(name, cells["hex"], field=field)


def _number(text: str, field: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise Rejected(f"{where}: {text[:20]!r}", field=field, limit="a number") from error
    if not np.isfinite(value):
        raise Rejected(f"{where}: {text[:20]!r}", field=field, limit="a finite number")
    return value


def _bounded(swatches: tuple[Swatch, ...], field: str) -> tuple[Swatch, ...]:
    if not 1 <= len(swatches) <= SWATCHES_MAX:
        raise Rejected(
            f"there are {len(swatches)} colours", field=field, limit=f"1 to {SWATCHES_MAX}"
        )
    return swatches


def _name(text: str) -> str:
    """Printable, on one line, bounded."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.split())[:NAME_CHARACTERS_MAX] or "colour"


def _triple(lab: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Triple:
    lightness, a, b = (float(value) for value in lab)
    return lightness, a, b
