"""The S3 client's errors, translated at its door; `tests` hold that none is forgotten.

Which kind of no: what the server or the network may get over is Transient; what stays until a
person changes credentials, permissions, bucket or address is Unusable; a missing key is Absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from xml.etree.ElementTree import ParseError

from minio.error import (
    InvalidResponseError,
    MinioAdminException,
    MinioException,
    S3Error,
    ServerError,
)
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError

from assets.errors import Absent
from schemas.errors import HeddleError, Rejected, Transient, Unusable

VENDOR_ERRORS: Final = (MinioException, MinioAdminException, HTTPError, ParseError)
"""Everything the client raises for what happens between it and the server."""

WORDS_CHARS_MAX: Final = 120

_MAY_PASS: Final = frozenset({
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted",
    "ConditionalRequestConflict", "Throttling", "ThrottlingException", "TooManyRequests",
    "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch",
})  # fmt: skip
_FULL: Final = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"})
_CREDENTIALS: Final = frozenset({
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
    "TokenRefreshRequired",
})  # fmt: skip
_STATUS_MAY_PASS: Final = frozenset({408, 409, 425, 429})


@contextmanager
def s3_errors(place: str, *, key: str = "") -> Iterator[None]:
    """Translate what the client raises while working on `key` at `place` (shown to people).

    Raises: Absent, Transient, Unusable, Rejected (too large for the server).
    """
    try:
        yield
    except VENDOR_ERRORS as error:
        raise from_vendor(error, place, key=key) from error


def from_vendor(error: Exception, place: str, *, key: str = "") -> HeddleError:
    """The error of ours that says what to do about `error`. Never quotes a request's headers."""
    if isinstance(error, S3Error):
        code = error.code or ""
        shown = f"{code or 'no code'}, HTTP {error.response.status}{_words(error.message)}"
        return _from_code(code, error.response.status, place, key=key, shown=shown)
    if isinstance(error, ServerError):
        return _from_status(error.status_code, place, key=key)
    if isinstance(error, InvalidResponseError):
        return _from_status(_status_of(error), place, key=key)
    if isinstance(error, MinioAdminException):
        return Unusable(f"{place} refused an administrator's call")
    if isinstance(error, MaxRetryError) and isinstance(error.reason, SSLError):
        return _untrusted(place)
    if isinstance(error, SSLError):
        return _untrusted(place)
    return Transient(f"{place} cannot be reached or broke off ({_said(error)})")


def _from_status(status: int, place: str, *, key: str) -> HeddleError:
    """An answer without S3's own error in it: a proxy, a portal, or no S3 at all."""
    return _from_code("", status, place, key=key, shown=f"HTTP {status}, not an S3 answer")


def _from_code(code: str, status: int, place: str, *, key: str, shown: str) -> HeddleError:
    if code in _FULL:
        return Transient(f"no space left at {place} ({shown}): free some, or raise the quota")
    if code in _MAY_PASS or status >= 500 or status in _STATUS_MAY_PASS:
        return Transient(f"{place} failed ({shown})")
    if code in ("NoSuchKey", "NoSuchVersion") and key:
        return Absent(key)
    if code == "NoSuchBucket":
        return Unusable(f"there is no bucket at {place}: create it, or correct the shelf's address")
    if code == "EntityTooLarge":
        return Rejected(
            f"{place} takes no object this large", field="size_bytes", limit="the server's own"
        )
    return _needs_a_person(code, shown, place)


def _needs_a_person(code: str, shown: str, place: str) -> Unusable:
    if code in _CREDENTIALS:
        return Unusable(f"{place} does not accept the credentials ({shown}): check both keys")
    if code == "RequestTimeTooSkewed":
        return Unusable(f"{place} finds this machine's clock wrong ({shown}): set it")
    if code == "AccessDenied":
        return Unusable(
            f"{place} denies access ({shown}): allow get, put, delete and list there, and the use "
            f"of its encryption key"
        )
    return Unusable(f"{place} refuses the request ({shown}): check the shelf's address and options")


def _untrusted(place: str) -> Unusable:
    return Unusable(
        f"the certificate of {place} is not trusted: name the authority's PEM file as ca_file"
    )


def _status_of(error: InvalidResponseError) -> int:
    # The class has no public access to it.
    status = getattr(error, "_code", 0)
    return status if isinstance(status, int) else 0


def _words(message: str | None) -> str:
    """A server's own sentence, short and in one line; it names keys and buckets, no secrets."""
    if not message:
        return ""
    return ": " + "".join(c if c.isprintable() else " " for c in message[:WORDS_CHARS_MAX])


def _said(error: Exception) -> str:
    """Kind of an error without its words, which may quote a signed address."""
    reason = getattr(error, "reason", None)
    return type(reason if isinstance(reason, Exception) else error).__name__
