"""Bodies of requests: framed, compressed or broken as clients send them, and bounded."""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from typing import Any

import pytest

from analytics.endpoint.bodies import Body
from analytics.endpoint.faults import Fault

DATA = bytes(range(256)) * 5000


def read(raw: bytes, *, bytes_max: int = 1 << 24, **headers: Any) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if "transfer-encoding" not in named:
        named["content-length"] = str(len(raw))
    return b"".join(Body(io.BytesIO(raw), named, bytes_max=bytes_max))


def chunked(data: bytes, size: int = 4000) -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def packed(kind: str, data: bytes) -> bytes:
    if kind == "gzip":
        return gzip.compress(data)
    if kind == "deflate":
        return zlib.compress(data)
    module: Any = importlib.import_module({"lz4": "lz4.frame", "zstd": "backports.zstd"}[kind])
    return bytes(module.compress(data))


def test_a_counted_body_is_read_to_its_length() -> None:
    """Bytes of the next request stay where they are."""
    source = io.BytesIO(DATA + b"GET / HTTP/1.1")
    body = Body(source, {"content-length": str(len(DATA))}, bytes_max=1 << 24)
    assert b"".join(body) == DATA
    assert source.read() == b"GET / HTTP/1.1"


def test_chunks_are_put_together() -> None:
    """Chunks of any size make the same body."""
    for size in (1_000, 4_000, len(DATA)):
        assert read(chunked(DATA, size), transfer_encoding="chunked") == DATA


@pytest.mark.parametrize("kind", ["gzip", "deflate", "lz4", "zstd"])
def test_compressed_bodies_come_out_whole(kind: str) -> None:
    """One frame or several after each other, as drivers write them."""
    assert read(packed(kind, DATA), content_encoding=kind) == DATA
    if kind != "deflate":
        assert read(packed(kind, DATA) + packed(kind, b"x"), content_encoding=kind) == DATA + b"x"


@pytest.mark.parametrize("kind", ["gzip", "deflate", "lz4", "zstd"])
def test_a_bomb_is_stopped_at_the_bound(kind: str) -> None:
    """A few bytes that unfold to many megabytes are refused by size, not by memory."""
    bomb = packed(kind, bytes(50_000_000))
    with pytest.raises(Fault, match="at most 1000000 bytes"):
        read(bomb, bytes_max=1_000_000, content_encoding=kind)


@pytest.mark.parametrize("kind", ["gzip", "lz4", "zstd"])
def test_a_cut_body_is_refused(kind: str) -> None:
    """Half a frame is never taken for the whole."""
    with pytest.raises(Fault):
        read(packed(kind, DATA)[:-9], content_encoding=kind)


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"garbage", {"content_encoding": "gzip"}),
        (b"abc", {"content_encoding": "rot13"}),
        (b"zz\r\nabc\r\n", {"transfer_encoding": "chunked"}),
        (b"2\r\nabc\r\n0\r\n\r\n", {"transfer_encoding": "chunked"}),
        (b"5\r\nabc", {"transfer_encoding": "chunked"}),
    ],
)
def test_broken_bodies_are_the_askers_fault(raw: bytes, headers: dict[str, str]) -> None:
    """Every one is told by a 4xx, none by a stack."""
    with pytest.raises(Fault) as refusal:
        read(raw, **headers)
    assert 400 <= refusal.value.status < 500


def test_what_nobody_reads_is_skipped() -> None:
    """After a refusal the connection goes on with the next request, if the rest is short."""
    source = io.BytesIO(b"x" * 1000 + b"next")
    assert Body(source, {"content-length": "1000"}, bytes_max=2000).drain()
    assert source.read() == b"next"
    assert not Body(io.BytesIO(b"x" * 9), {"content-length": "9"}, bytes_max=5).drain()
