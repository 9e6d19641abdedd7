"""One HTTP request as a question: who asks, what, with which settings, in which format."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from analytics.contract import DATABASE, READER, WRITER, tenant_reader
from schemas.errors import Unusable
from schemas.names import TENANT

from .faults import AUTHENTICATION_FAILED, BAD_ARGUMENTS, NOT_IMPLEMENTED, fault

if TYPE_CHECKING:
    from collections.abc import Mapping

Role = Literal["writer", "reader"]

_TRANSPORT: Final = frozenset({
    "query", "database", "default_format", "user", "password", "query_id", "session_id",
    "session_timeout", "session_check", "quota_key", "compress", "decompress", "buffer_size",
    "wait_end_of_query", "client_protocol_version", "role", "stacktrace", "readonly",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
    "cancel_http_readonly_queries_on_client_close", "http_zlib_compression_level", "log_comment",
})  # fmt: skip
"""Parameters for the HTTP side of a server; the engine is not told. Sessions are not kept."""
TENANTS_MAX: Final = 1_000
"""Readers of one tenant each; every question compares its password with all of theirs."""
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Of the two users, and of those who see one tenant alone."""

    writer: str = field(repr=False)
    reader: str = field(repr=False)
    tenants: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one request asks, before its body."""

    role: Role
    sql: str
    """From the address; the body may add to it."""
    database: str
    form: str
    """Output format where the text names none."""
    params: Mapping[str, str]
    settings: Mapping[str, str]
    query_id: str
    buffered: bool
    """The whole answer before its first byte, so that the headers can sum it up."""
    may_write: bool
    tenant: str = ""
    """The one whose rows alone may be seen; empty for whoever may see all."""


def asked(
    *, method: str, target: str, headers: Mapping[str, str], passwords: Passwords
) -> Question:
    """Read the request line and headers (names in lower case).

    Raises Fault: unknown user, wrong password, bad input.
    """
    pairs = parse_qsl(urlsplit(target).query, keep_blank_values=True, max_num_fields=500)
    given = dict(pairs)
    role, tenant = _who(given, headers, passwords)
    if given.get("compress") == "1":
        # Its own framing, which is not HTTP's; said at once, or the driver fails on our first byte.
        raise fault(NOT_IMPLEMENTED, "answers are not compressed here: connect with compress=0")
    return Question(
        role=role,
        tenant=tenant,
        sql=given.get("query", ""),
        database=given.get("database") or headers.get("x-clickhouse-database") or DATABASE,
        form=given.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
        params={k.removeprefix("param_"): v for k, v in given.items() if k.startswith("param_")},
        settings=_settings(given),
        query_id=given.get("query_id") or str(uuid.uuid4()),
        buffered=given.get("wait_end_of_query") == "1",
        may_write=role == "writer" and method != "GET",
    )


def _settings(given: Mapping[str, str]) -> dict[str, str]:
    settings = {
        name: value
        for name, value in given.items()
        if name not in _TRANSPORT and not name.startswith("param_")
    }
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise fault(BAD_ARGUMENTS, f"no setting is called {name[:80]!r}")
    return settings


def read_tenants(text: str) -> dict[str, str]:
    """Passwords by tenant from `tenant=password`, one a line or comma-separated.

    Raises Unusable, naming the entry by its number: the text is a secret.
    """
    found: dict[str, str] = {}
    for number, entry in enumerate(re.split(r"[,\n]", text), 1):
        if not entry.strip():
            continue
        tenant, _, password = entry.strip().partition("=")
        if not TENANT.fullmatch(tenant) or not password or tenant in found:
            raise Unusable(
                f"passwords of tenants' readers, entry {number}: must be tenant=password, each once"
            )
        found[tenant] = password
    if len(found) > TENANTS_MAX:
        raise Unusable(f"passwords of tenants' readers: at most {TENANTS_MAX}")
    return found


def _who(
    given: Mapping[str, str], headers: Mapping[str, str], passwords: Passwords
) -> tuple[Role, str]:
    """Role and tenant."""
    user, password = _credentials(given, headers)
    known: list[tuple[Role, str, str, str]] = [
        ("writer", "", WRITER, passwords.writer),
        ("reader", "", READER, passwords.reader),
    ]
    known += [("reader", one, tenant_reader(one), word) for one, word in passwords.tenants.items()]
    matches = [
        (role, tenant)
        for role, tenant, name, secret in known
        # All are always compared, in constant time.
        if _same(user, name) & _same(password, secret)
    ]
    if not matches:
        raise fault(
            AUTHENTICATION_FAILED,
            "Authentication failed: password is incorrect, or there is no user with such name",
        )
    return matches[0]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _credentials(given: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    if "x-clickhouse-user" in headers:
        return headers["x-clickhouse-user"], headers.get("x-clickhouse-key", "")
    return given.get("user", ""), given.get("password", "")
