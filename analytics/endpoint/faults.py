"""Exceptions as ClickHouse speaks them: a number, a name, an HTTP status.

Numbers and names are ClickHouse's own (`src/Common/ErrorCodes.cpp`), because drivers act on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from schemas.errors import HeddleError

_CODE: Final = re.compile(r"Code: (\d+)\. DB::(?:\w*)Exception: ", re.ASCII)
_NAME: Final = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*(?:\(version [^)]*\))?\s*$")


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One of ClickHouse's error codes with the HTTP status it travels under."""

    code: int
    name: str
    status: int


SYNTAX: Final = FaultKind(62, "SYNTAX_ERROR", 400)
NOT_IMPLEMENTED: Final = FaultKind(48, "NOT_IMPLEMENTED", 501)
BAD_ARGUMENTS: Final = FaultKind(36, "BAD_ARGUMENTS", 400)
READONLY: Final = FaultKind(164, "READONLY", 403)
ACCESS_DENIED: Final = FaultKind(497, "ACCESS_DENIED", 403)
AUTHENTICATION_FAILED: Final = FaultKind(516, "AUTHENTICATION_FAILED", 403)
TOO_MANY_QUERIES: Final = FaultKind(202, "TOO_MANY_SIMULTANEOUS_QUERIES", 503)
QUERY_IS_TOO_LARGE: Final = FaultKind(223, "QUERY_IS_TOO_LARGE", 413)
TOO_MANY_BYTES: Final = FaultKind(307, "TOO_MANY_BYTES", 413)
TOO_MANY_ROWS_OR_BYTES: Final = FaultKind(396, "TOO_MANY_ROWS_OR_BYTES", 400)
CANNOT_DECOMPRESS: Final = FaultKind(271, "CANNOT_DECOMPRESS", 400)
UNKNOWN_COMPRESSION: Final = FaultKind(89, "UNKNOWN_COMPRESSION_METHOD", 400)
UNKNOWN: Final = FaultKind(1002, "UNKNOWN_EXCEPTION", 500)

_STATUS: Final = {
    **dict.fromkeys(
        (26, 27, 33, 36, 38, 41, 43, 47, 50, 53, 62, 69, 70, 72, 117, 130, 396, 457), 400
    ),
    **dict.fromkeys((46, 60, 81, 111, 115), 404),
    **dict.fromkeys((164, 497), 403),
    48: 501,
    202: 503,
    210: 503,
}
"""Codes that are the asker's fault or pass by themselves; every other is 500."""


class Fault(HeddleError):
    """A question that gets an error for an answer. `message` is one line for people."""

    def __init__(self, message: str, *, code: int, name: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.name = name
        self.status = status

    @property
    def body(self) -> bytes:
        """As a server writes it."""
        return f"Code: {self.code}. DB::Exception: {self.message} ({self.name})\n".encode()


def fault(kind: FaultKind, message: str) -> Fault:
    """A fault of our own making."""
    return Fault(message, code=kind.code, name=kind.name, status=kind.status)


def from_engine(text: str) -> Fault:
    """The engine's exception text, its code and name kept, our addresses and stack left out."""
    codes = _CODE.search(text)
    if codes is None:
        return fault(UNKNOWN, text.strip().splitlines()[0][:1000] if text.strip() else "unknown")
    message = text[codes.end() :].strip()
    names = _NAME.search(message)
    code = int(codes.group(1))
    name = names.group(1) if names else "UNKNOWN_EXCEPTION"
    message = message[: names.start()].strip() if names else message
    return Fault(message[:4000], code=code, name=name, status=_STATUS.get(code, 500))
