"""A line to the ledger over HTTP, embedded or server alike; here alone is clickhouse_connect.

Vendor errors end here: what may pass is Transient, what a person must repair is Unusable, what is
wrong with the question is Rejected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver import exceptions as vendor
from clickhouse_connect.driver import options

from schemas.errors import EXIT_UNREACHABLE, Rejected, Transient, Unusable

from .codes import LOCKED_OUT, PASSING, Code
from .contract import DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONNECT_S_MAX: Final = 5
ANSWER_S_MAX: Final = 150
"""Above the ledger's own bound on statements, whose answer names the reason."""

_OURS: Final = (vendor.ProgrammingError, vendor.DataError, vendor.NotSupportedError)
"""Raised by the driver itself, before anything is sent."""
_NO_SPACE: Final = ("No space left on device", "errno: 28")
"""The same, noticed in the middle of a write: the engine has other codes for that."""


for _frames in ("np", "pd", "pd_time_test", "arrow", "pl"):
    # The driver imports all of these on its first insert, to see whether our rows are theirs: 60 MB
    # and, on a busy machine, seconds. Ours are plain tuples.
    setattr(options, _frames, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the ledger is and as whom to speak."""

    url: str
    user: str
    password: str = field(repr=False)
    database: str = DATABASE


class Link:
    """One client, made on first use; one question at a time. `close` it."""

    def __init__(self, address: Address, *, settings: Mapping[str, Any] | None = None) -> None:
        self._address = address
        self._settings = dict(settings or {})
        self._client: Any = None
        self._contexts: dict[tuple[str, tuple[str, ...]], Any] = {}

    @property
    def client(self) -> Any:
        """The vendor's client. Raises Transient while nobody answers, Unusable on a bad address."""
        if self._client is None:
            self._client = self._connected()
        return self._client

    def _connected(self) -> Any:
        parts = urlsplit(self._address.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unusable(
                f"the ledger's address {self._address.url!r} must be http(s)://host:port"
            )
        try:
            return clickhouse_connect.get_client(
                interface=parts.scheme,
                host=parts.hostname,
                port=parts.port or (8443 if parts.scheme == "https" else 8123),
                proxy_path=parts.path.strip("/"),
                username=self._address.user,
                password=self._address.password,
                # On one machine compression costs more than it saves; far away it pays.
                compress=parts.scheme == "https",
                connect_timeout=CONNECT_S_MAX,
                send_receive_timeout=ANSWER_S_MAX,
                autogenerate_session_id=False,
                tz_mode="aware",
                settings=self._settings,
            )
        except Exception as error:  # noqa: BLE001 - translated, never swallowed.
            raise translated(error, self._address) from None

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Column names and rows of a question."""
        try:
            result = self.client.query(sql, parameters=dict(parameters or {}))
        except Exception as error:  # noqa: BLE001 - as above.
            raise translated(error, self._address) from None
        return tuple(result.column_names), [tuple(row) for row in result.result_rows]

    def raw(
        self, sql: str, form: str, parameters: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> bytes:
        """The answer in one of ClickHouse's formats, whole, as its bytes.

        `settings` hold for this question alone.
        """
        always = self.client.params
        kept = dict(always)
        # The driver holds every setting of a reader for read-only; the ledger knows better.
        always.update({name: str(value) for name, value in settings.items()})
        try:
            answer: bytes = self.client.raw_query(sql, parameters=dict(parameters), fmt=form)
        except Exception as error:  # noqa: BLE001 - as above.
            raise translated(error, self._address) from None
        finally:
            always.clear()
            always.update(kept)
        return answer

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """One statement; rows where it has some. For migrations."""
        if sql.lstrip()[:6].upper() == "SELECT":
            return self.rows(sql)[1]
        try:
            self.client.command(sql)
        except Exception as error:  # noqa: BLE001 - as above.
            raise translated(error, self._address) from None
        return []

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """All rows in one insert, durable on return. Types are asked of the table, once."""
        key = (table, tuple(columns))
        try:
            if key not in self._contexts:
                self._contexts[key] = self.client.create_insert_context(
                    table, list(columns), database=self._address.database
                )
            context = self._contexts[key]
            context.data = list(rows)
            self.client.insert(context=context)
        except Exception as error:  # noqa: BLE001 - as above.
            self._contexts.pop(key, None)
            raise translated(error, self._address) from None

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()
            self._client = None
            self._contexts.clear()


def translated(error: Exception, address: Address) -> Exception:
    """The vendor's error as one of ours; passwords and addresses of rows are not in it."""
    if isinstance(error, (Transient, Unusable, Rejected)):
        return error
    code = getattr(error, "code", None)
    text = _first_line(error)
    if code in LOCKED_OUT:
        return Unusable(
            f"the ledger at {address.url} does not know user {address.user} with this password"
        )
    if code == Code.NOT_ENOUGH_SPACE or any(mark in str(error) for mark in _NO_SPACE):
        return Transient(
            "the ledger's disk is full: free some space there and recording goes on by itself, "
            f"nothing that was recorded is lost ({text})",
            delay_ms=5_000,
        )
    if code in PASSING or (code is None and isinstance(error, vendor.OperationalError | OSError)):
        return Transient(f"the ledger at {address.url} did not answer: {text}", delay_ms=500)
    if isinstance(error, _OURS):
        return Unusable(f"the ledger at {address.url} does not fit this Heddle: {text}")
    if isinstance(error, vendor.DatabaseError) and code is None:
        return Transient(f"the ledger at {address.url} failed: {text}", delay_ms=500)
    if code is not None:
        return Rejected(text, field="sql", limit=f"ClickHouse code {code}", dead_letter=False)
    return Unusable(f"the ledger's client failed: {type(error).__name__}: {text}")


def unreachable(address: Address, error: Transient) -> Unusable:
    """For people at a terminal, who do not wait."""
    return Unusable(
        f"{error.reason}; is it running (heddle up), and is {address.url} its address?",
        exit_code=EXIT_UNREACHABLE,
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    marker = "DB::Exception: "
    at = text.find(marker)
    text = text[at + len(marker) :] if at >= 0 else text
    return text.splitlines()[0].partition(" (for url ")[0][:500]
