"""What `heddle ask` shows while it waits, and where it puts files."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from heddle.commands.ask import Bar, _plain


@pytest.fixture
def live() -> Iterator[str]:
    """A live view that knows one request, a third of the way."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/requests/r1"
            told = {"progress": 0.34, "counts": {"generated": 1, "routed": 2}}
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode() if known else b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_bar_tells_how_far_the_request_is(
    live: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Share and states are the live view's; at the end it is full."""
    bar = Bar(live, "r1")
    bar.show(done=False)
    bar.show(done=True)
    first, last = capsys.readouterr().err.split("\r")[1:]
    assert first.startswith("[==========....................]")
    assert "1 generated, 2 routed" in first
    assert last.startswith("[" + "=" * 30 + "]")


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9"])
def test_without_a_live_view_the_bar_goes_on(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It only feeds the bar: nothing waits for it or fails with it."""
    Bar(url, "r1").show(done=False)
    assert "sent" in capsys.readouterr().err


@pytest.mark.parametrize("told", ["../../etc/cron.d/x", "/etc/cron.d/x", "..\\\\..\\\\x"])
def test_a_files_name_is_no_path(told: str) -> None:
    """Whatever an event says, the file lands in the folder that was asked for."""
    assert _plain(told) == "x"
