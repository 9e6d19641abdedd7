"""The live view's port."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.errors import EXIT_PORT_TAKEN, Unusable
from streams.live.http import Server, serve
from streams.live.kept import Kept
from streams.live.status import PatternStatus, RequestStatus
from streams.ops import Ops


@pytest.fixture
def server() -> Iterator[Server]:
    """A view with one request, not ready yet."""
    kept, ops = Kept(), Ops("live", conditions=("recovered",))
    known = {1: PatternStatus(routed_ms=1000)}
    kept.put(0, b"a", RequestStatus(request_id="a", tier="draft", count=1, patterns=known))
    made = serve(0, kept, ops)
    yield made
    made.shutdown()
    made.server_close()


def get(server: Server, path: str) -> tuple[int, Any]:
    """Status and body of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def test_a_known_request_is_answered_before_ready(server: Server) -> None:
    """What is known is told at once; what is not is 503 until the table is whole, then 404."""
    status, body = get(server, "/requests/a?x=1")
    assert (status, json.loads(body)["patterns"][0]["routed_at"]) == (
        200,
        "1970-01-01T00:00:01.000+00:00",
    )
    assert get(server, "/requests/b")[0] == 503
    server.ops.ready("recovered", yes=True)
    status, body = get(server, "/requests/b")
    assert (status, json.loads(body)["error"]) == (404, "unknown request")


def test_other_paths_answer_json(server: Server) -> None:
    """Counts, health and a list of paths; a malformed id names field and limit."""
    assert json.loads(get(server, "/counts")[1]) == {"draft": {"routed": 1}}
    assert get(server, "/livez")[0] == 200
    assert get(server, "/readyz")[0] == 503
    assert b"heddle_poll_age_seconds" in get(server, "/metrics")[1]
    assert get(server, "/requests?tenant=mill")[0] == 404
    status, body = get(server, "/requests/a%2Fb")
    assert (status, json.loads(body)["field"]) == (400, "request_id")


def test_a_taken_port_is_named(server: Server) -> None:
    """The port that somebody holds is refused with its number and what to do."""
    with pytest.raises(Unusable, match=str(server.port)) as refused:
        serve(server.port, server.kept, server.ops)
    assert refused.value.exit_code == EXIT_PORT_TAKEN
