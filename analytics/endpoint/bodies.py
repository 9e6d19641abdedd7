"""The body of a request, block by block: chunked or counted, decompressed, bounded.

Passwords and SQL are never logged; a body over its bound is read no further.
"""

from __future__ import annotations

import importlib
import zlib
from typing import TYPE_CHECKING, Any, Final

from .faults import BAD_ARGUMENTS, CANNOT_DECOMPRESS, TOO_MANY_BYTES, UNKNOWN_COMPRESSION, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from io import BufferedIOBase

_BLOCK_BYTES: Final = 1 << 18
_LINE_BYTES_MAX: Final = 1 << 10


class Body:
    """Iterate over it once; `drain` what was left unread, so that the connection can go on."""

    def __init__(
        self, source: BufferedIOBase, headers: Mapping[str, str], *, bytes_max: int
    ) -> None:
        self._bytes_max = bytes_max
        self._raw = _raw(source, headers)
        self._make = _decoder(headers.get("content-encoding", ""))
        self._blocks = self._decoded()

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def drain(self) -> bool:
        """Skip the rest; False where it is too much or broken, and the connection must close."""
        skipped = 0
        try:
            for block in self._raw:
                skipped += len(block)
                if skipped > self._bytes_max:
                    return False
        except Exception:  # noqa: BLE001 - whatever is wrong with the rest, nobody will read it.
            return False
        return True

    def _decoded(self) -> Iterator[bytes]:
        total_bytes = 0
        for block in self._raw if self._make is None else _unframed(self._make, self._raw):
            total_bytes += len(block)
            if total_bytes > self._bytes_max:
                limit = f"at most {self._bytes_max} bytes"
                raise fault(TOO_MANY_BYTES, f"the request's body is too long: {limit}")
            yield block


def _raw(source: BufferedIOBase, headers: Mapping[str, str]) -> Iterator[bytes]:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunks(source)
    text = headers.get("content-length", "0")
    if not text.isascii() or not text.isdigit():
        raise fault(BAD_ARGUMENTS, "Content-Length is no number")
    return _exactly(source, int(text))


def _exactly(source: BufferedIOBase, size_bytes: int) -> Iterator[bytes]:
    left_bytes = size_bytes
    while left_bytes:
        block = source.read(min(left_bytes, _BLOCK_BYTES))
        if not block:
            raise fault(BAD_ARGUMENTS, "the request's body ends early")
        left_bytes -= len(block)
        yield block


def _chunks(source: BufferedIOBase) -> Iterator[bytes]:
    while size_bytes := _chunk_size(source.readline(_LINE_BYTES_MAX)):
        yield from _exactly(source, size_bytes)
        if source.readline(_LINE_BYTES_MAX).strip():
            raise fault(BAD_ARGUMENTS, "a chunk of the body is longer than it says")
    while source.readline(_LINE_BYTES_MAX).strip():
        pass  # Trailers.


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise fault(BAD_ARGUMENTS, "a chunk of the body does not say how long it is")


def _decoder(encoding: str) -> Callable[[], Any] | None:
    """What makes an incremental decoder; None for plain bytes. Raises Fault for an unknown one."""
    kind = encoding.strip().lower()
    if kind in ("", "identity"):
        return None
    if kind in ("gzip", "deflate"):
        return _Inflater
    # Both come with the driver and may be left out.
    try:
        if kind == "lz4":
            frames: Any = importlib.import_module("lz4.frame")
            return frames.LZ4FrameDecompressor  # type: ignore[no-any-return]
        if kind == "zstd":
            zstd: Any = importlib.import_module("backports.zstd")
            return zstd.ZstdDecompressor  # type: ignore[no-any-return]
    except ImportError:
        pass
    raise fault(UNKNOWN_COMPRESSION, f"Content-Encoding {encoding[:40]!r} is not supported")


def _unframed(make: Callable[[], Any], raws: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks of bounded size, so that a small bomb cannot fill the memory.

    Drivers put several frames one after the other: lz4 and zstd writers make one per block.
    """
    decoder, is_open = make(), False
    for raw in raws:
        pending = raw
        while pending or not decoder.needs_input:
            is_open = True
            try:
                block = decoder.decompress(pending, _BLOCK_BYTES)
            except Exception as error:  # noqa: BLE001 - each codec has its own.
                raise fault(
                    CANNOT_DECOMPRESS, f"the body cannot be decompressed: {error}"
                ) from None
            pending = b""
            if decoder.eof:
                pending = decoder.unused_data or b""
                decoder, is_open = make(), False
            yield block
    if is_open:
        raise fault(CANNOT_DECOMPRESS, "the compressed body ends early")


class _Inflater:
    """zlib with the manners of the other two: bounded output, asks for input when it needs some."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=47)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, bytes_max: int) -> bytes:
        block = self._zlib.decompress(self._zlib.unconsumed_tail + data, bytes_max)
        self.needs_input = len(block) < bytes_max and not self._zlib.unconsumed_tail
        return block
