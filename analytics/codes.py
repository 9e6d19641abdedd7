"""ClickHouse's error codes by the names that ClickHouse gives them (`src/Common/ErrorCodes.cpp`).

Those that a client tells apart; what the endpoint itself answers with is in `endpoint/faults.py`.
Numbers and names are compared with the engine's in a test. Imports nothing, loads no engine.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Final


@unique
class Code(IntEnum):
    """The code that an exception travels under."""

    TIMEOUT_EXCEEDED = 159
    UNKNOWN_USER = 192
    WRONG_PASSWORD = 193
    REQUIRED_PASSWORD = 194
    IP_ADDRESS_NOT_ALLOWED = 195
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    NO_FREE_CONNECTION = 203
    SOCKET_TIMEOUT = 209
    NETWORK_ERROR = 210
    ABORTED = 236
    MEMORY_LIMIT_EXCEEDED = 241
    TABLE_IS_READ_ONLY = 242
    NOT_ENOUGH_SPACE = 243
    TOO_MANY_PARTS = 252
    TOO_FEW_LIVE_REPLICAS = 285
    LIMIT_EXCEEDED = 290
    TOO_MANY_BYTES = 307
    UNKNOWN_STATUS_OF_INSERT = 319
    UNFINISHED = 341
    QUERY_WAS_CANCELLED = 394
    ALL_REPLICAS_LOST = 415
    SYSTEM_ERROR = 425
    AUTHENTICATION_FAILED = 516
    KEEPER_EXCEPTION = 999
    UNKNOWN_EXCEPTION = 1002


LOCKED_OUT: Final = frozenset({
    Code.UNKNOWN_USER, Code.WRONG_PASSWORD, Code.REQUIRED_PASSWORD, Code.IP_ADDRESS_NOT_ALLOWED,
    Code.AUTHENTICATION_FAILED,
})  # fmt: skip
"""Nothing helps but another user, password or address."""
PASSING: Final = frozenset({*Code}) - LOCKED_OUT
"""Timeouts, full queues, memory, disk full, too many parts, killed, keeper: waiting may help."""
