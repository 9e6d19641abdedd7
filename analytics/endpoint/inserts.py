"""Where an INSERT's text ends and its data begins.

Data follow `FORMAT <name>` and one line break or blanks; they may be any bytes. `INSERT ... VALUES`
and `INSERT ... SELECT` are plain statements.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BLANKS: Final = re.compile(rb"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)+", re.DOTALL)
_TOKEN: Final = re.compile(
    rb"""(?P<blank>\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)
    |(?P<quoted>'(?:\\.|''|[^'\\])*'|`(?:\\.|``|[^`\\])*`|"(?:\\.|""|[^"\\])*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_FORMAT_NAME: Final = re.compile(rb"\s+(?P<name>\w+)(?:[ \t]*\r?\n|[ \t]+|;?$)?")
HEAD_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertHead:
    """`statement` lacks its FORMAT clause; data begin at byte `data_at` of the text."""

    statement: str
    form: str
    data_at: int


def is_insert(text: bytes) -> bool:
    """Whether the first word is INSERT."""
    blanks = _BLANKS.match(text)
    start = blanks.end() if blanks else 0
    return text[start : start + 6].upper() == b"INSERT"


def insert_head(text: bytes) -> InsertHead | None:
    """Split `INSERT ... FORMAT x <data>`; None for VALUES and SELECT. Looks at the head only."""
    head = text[:HEAD_BYTES_MAX]
    depth = 0
    for token in _TOKEN.finditer(head):
        if token["other"]:
            depth += {b"(": 1, b")": -1}.get(token["other"], 0)
        if depth or not token["word"]:
            continue
        word = token["word"].upper()
        if word in (b"VALUES", b"SELECT", b"WITH"):
            return None
        if word == b"FORMAT" and (name := _FORMAT_NAME.match(head, token.end())):
            return InsertHead(
                statement=head[: token.start()].decode(),
                form=name["name"].decode(),
                data_at=name.end(),
            )
    return None
