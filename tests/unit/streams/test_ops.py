"""The port every process has: what it answers, and what it does about those who go away."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from schemas import metrics
from streams.ops import Ops


@pytest.fixture
def ops() -> Iterator[Ops]:
    """One that waits for something, with its port."""
    made = Ops("route", conditions=("assigned",))
    yield made
    made.stop()


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def test_alive_and_ready_are_two_things(ops: Ops) -> None:
    """It turns and is not ready; ready once every condition holds; other paths are listed."""
    port = ops.start(0)
    assert get(port, "/livez")[0] == 200
    status, body = get(port, "/readyz")
    assert (status, b"assigned" in body) == (503, True)
    ops.ready("assigned", yes=True)
    assert get(port, "/readyz?verbose=1")[0] == 200
    status, body = get(port, "/")
    assert (status, b"/metrics" in body) == (404, True)


def test_what_is_forgotten_is_told_no_longer(ops: Ops) -> None:
    """And may be told again; forgetting what was never told does nothing."""
    ops.forget(metrics.LAG, "t", "0")
    ops.gauge(metrics.LAG, 7, "t", "0")
    assert b'partition="0",topic="t"} 7.0' in ops.text()
    ops.forget(metrics.LAG, "t", "0")
    assert b'partition="0"' not in ops.text()
    ops.gauge(metrics.LAG, 8, "t", "0")
    assert b'partition="0",topic="t"} 8.0' in ops.text()


def test_a_prober_that_goes_away_is_no_news(
    ops: Ops, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Reset in the middle: the next one is answered, and no traceback is written."""
    port, told = ops.start(0), threading.Event()
    text = ops.text
    ops.text = lambda: (told.wait(20), text())[1]  # type: ignore[method-assign]
    with socket.create_connection(("127.0.0.1", port)) as rude:
        rude.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    told.set()
    with caplog.at_level(logging.DEBUG):
        assert get(port, "/metrics")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_condition_holds_until_somebody_says_no() -> None:
    """One that was named at the start waits for a yes; one that nobody has spoken of is no bar."""
    ops = Ops("copy", conditions=("assigned",))
    assert not ops.holds("assigned")
    assert ops.holds("breaker")
    ops.ready("breaker", yes=False)
    assert not ops.holds("breaker")
    ops.ready("breaker", yes=True)
    assert ops.holds("breaker")
