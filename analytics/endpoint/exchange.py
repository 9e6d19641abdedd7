"""One connection: ClickHouse's HTTP protocol, the part that drivers speak.

Answers are written as they come, chunked, uncompressed (the endpoint listens on this machine only;
a client that offers compression gets identity). A failure after the first block is told in the tail
of the body, between `__exception__` marks, as servers since 25.11 do.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .bodies import Body
from .faults import UNKNOWN, Fault, fault
from .forms import is_form, with_form
from .question import asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from .question import Question
    from .server import Ledger
    from .session import Answer

LOG: Final = logging.getLogger("heddle.ledger")
_MIME: Final = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "Native": "application/octet-stream",
}


class Exchange(BaseHTTPRequestHandler):
    """Made by the server for every connection; `server.ledger` holds what they share."""

    protocol_version = "HTTP/1.1"
    server_version = "heddle-ledger"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        """A connection that says nothing is closed after a while."""
        super().setup()
        self.connection.settimeout(self.ledger.limits.idle_s_max)

    @property
    def fields(self) -> dict[str, str]:
        """The request's headers, names in lower case."""
        return {name.lower(): value for name, value in self.headers.items()}

    @property
    def ledger(self) -> Ledger:
        """What all connections share."""
        return self.server.ledger  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        """A question in the address, or one of the pages for machines."""
        page = self._pages().get(urlsplit(self.path).path)
        if page is not None:
            status, text = page()
            self._send(status, text, "text/plain; charset=UTF-8")
        else:
            self._answer()

    def do_HEAD(self) -> None:
        """Alive, for load balancers."""
        self._send(200, b"", "text/plain; charset=UTF-8")

    def do_POST(self) -> None:
        """A question, or data for one."""
        self._answer()

    def _pages(self) -> dict[str, Callable[[], tuple[int, bytes]]]:
        pages = {
            "/ping": lambda: (200, b"Ok.\n"),
            "/livez": lambda: (200, b"alive\n"),
            "/readyz": self.ledger.ready,
            "/metrics": self.ledger.metrics,
        }
        if not urlsplit(self.path).query and "content-length" not in self.fields:
            pages["/"] = pages["/ping"]
        return pages

    def _answer(self) -> None:
        started_s, role, outcome, rows = time.monotonic(), "unknown", "failed", 0
        body: Body | None = None
        try:
            body = Body(
                self.rfile, self.fields, bytes_max=self.ledger.limits.body_bytes_max
            )  # Before the question: whoever is refused, their body must be read off the wire.
            question = asked(
                method=self.command,
                target=self.path,
                headers=self.fields,
                passwords=self.ledger.passwords,
            )
            role = question.role
            rows = self._answer_question(question, body)
            outcome = "done"
        except Fault as refusal:
            outcome = "refused" if refusal.status < 500 else "failed"
            self._refuse(refusal, body)
        except OSError:
            self.close_connection = True  # They hung up; the handle's end ended the query.
        except Exception:
            LOG.exception("a question failed in a way that nobody foresaw")
            self._refuse(fault(UNKNOWN, "internal error; see the ledger's log"), body)
        self.ledger.gauges.count(
            role=role, outcome=outcome, seconds=time.monotonic() - started_s, rows=rows
        )

    def _answer_question(self, question: Question, body: Body) -> int:
        if is_form(self.fields):
            question = with_form(question, self.fields, body)
        with self.ledger.sessions.answered(question, body) as answer:
            if not body.drain():
                self.close_connection = True
            blocks = iter(answer.blocks)
            first = next(blocks, b"")
            second = next(blocks, None)
            if second is None:
                self._send(200, first, _mime(answer), self._headers(question, answer))
            else:
                self._stream(question, answer, (first, second, blocks))
            return answer.written_rows

    def _stream(self, question: Question, answer: Answer, parts: tuple[bytes, bytes, Any]) -> None:
        tag = secrets.token_hex(8)
        self.send_response(200)
        for name, value in self._headers(question, answer).items():
            self.send_header(name, value)
        self.send_header("Content-Type", _mime(answer))
        self.send_header("X-ClickHouse-Exception-Tag", tag)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        first, second, rest = parts
        try:
            self._chunk(first)
            self._chunk(second)
            for block in rest:
                self._chunk(block)
        except Fault as failure:
            text = failure.body
            mark = tag.encode()
            self._chunk(
                b"\r\n__exception__\r\n" + mark + b"\r\n" + text
                + str(len(text)).encode() + b" " + mark + b"\r\n__exception__\r\n"
            )  # fmt: skip
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _chunk(self, block: bytes) -> None:
        if block:
            self.wfile.write(b"%x\r\n" % len(block) + block + b"\r\n")

    def _headers(self, question: Question, answer: Answer) -> dict[str, str]:
        counts = {
            "read_rows": answer.read_rows,
            "read_bytes": answer.read_bytes,
            "written_rows": answer.written_rows,
            "written_bytes": answer.written_bytes,
            "total_rows_to_read": 0,
            "result_rows": answer.written_rows,
            "result_bytes": answer.written_bytes,
            "elapsed_ns": answer.elapsed_ns,
        }
        return {
            "X-ClickHouse-Summary": json.dumps({name: str(n) for name, n in counts.items()}),
            "X-ClickHouse-Query-Id": _header_text(question.query_id),
            "X-ClickHouse-Format": answer.form,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": "heddle-ledger",
            "Keep-Alive": f"timeout={self.ledger.limits.idle_s_max}",
        }

    def _refuse(self, refusal: Fault, body: Body | None) -> None:
        if body is None or not body.drain():
            self.close_connection = True
        headers = {"X-ClickHouse-Exception-Code": str(refusal.code)}
        if refusal.status == 503:
            headers["Retry-After"] = "1"
        try:
            self._send(refusal.status, refusal.body, "text/plain; charset=UTF-8", headers)
        except OSError:
            self.close_connection = True

    def _send(
        self, status: int, text: bytes, mime: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the address may hold a password, the text a customer's numbers."""


def _mime(answer: Answer) -> str:
    return _MIME.get(answer.form, "text/plain; charset=UTF-8")


def _header_text(text: str) -> str:
    return "".join(mark for mark in text if mark.isascii() and mark.isprintable())[:128]
