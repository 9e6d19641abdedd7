"""Every error of the S3 client and of the disk has an answer of ours; none leaks, none is lost."""

from __future__ import annotations

import errno
import inspect
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree.ElementTree import ParseError

import minio.error
import pytest
import urllib3.exceptions
from minio.error import (
    InvalidResponseError,
    MinioAdminException,
    MinioException,
    S3Error,
    ServerError,
)

from assets.errors import Absent, Damaged, disk_errors, from_os_error
from assets.s3_errors import VENDOR_ERRORS, from_vendor, s3_errors
from schemas.errors import HeddleError, Rejected, Transient, Unusable

PLACE = "s3://shelf/ on example.org"
KEY = "claims/r"


def s3_error(code: str | None, status: int = 400, message: str | None = None) -> S3Error:
    """The client's error as it makes it from an answer."""
    response: Any = SimpleNamespace(status=status)
    return S3Error(response, code, message, "/", "1", "1")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (s3_error("NoSuchKey", 404), Absent),
        (s3_error("NoSuchBucket", 404), Unusable),
        (s3_error("AccessDenied", 403), Unusable),
        (s3_error("InvalidAccessKeyId", 403), Unusable),
        (s3_error("SignatureDoesNotMatch", 403), Unusable),
        (s3_error("ExpiredToken", 400), Unusable),
        (s3_error("RequestTimeTooSkewed", 403), Unusable),
        (s3_error("InvalidArgument", 400), Unusable),
        (s3_error("PermanentRedirect", 301), Unusable),
        (s3_error("MethodNotAllowed", 405), Unusable),
        (s3_error("KMS.NotFoundException", 400), Unusable),
        (s3_error("SlowDown", 503), Transient),
        (s3_error("InternalError", 500), Transient),
        (s3_error("RequestTimeout", 400), Transient),
        (s3_error("BadDigest", 400), Transient),
        (s3_error("ConditionalRequestConflict", 409), Transient),
        (s3_error("OperationAborted", 409), Transient),
        (s3_error("QuotaExceeded", 403), Transient),
        (s3_error("EntityTooLarge", 413), Rejected),
        (s3_error(None, 507), Transient),
        (s3_error(None, 418), Unusable),
        (ServerError("x", 503), Transient),
        (ServerError("x", 500), Transient),
        (ServerError("x", 429), Transient),
        (ServerError("x", 304), Unusable),
        (InvalidResponseError(502, "text/html", "<html>"), Transient),
        (InvalidResponseError(200, "text/html", "<html>"), Unusable),
        (MinioAdminException("403", "no"), Unusable),
        (MinioException("x"), Transient),
        (urllib3.exceptions.ReadTimeoutError(None, "/", "slow"), Transient),
        (urllib3.exceptions.ProtocolError("cut"), Transient),
        (urllib3.exceptions.SSLError("x"), Unusable),
        (
            urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.SSLError("x")),
            Unusable,
        ),
        (
            urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ProtocolError("x")),
            Transient,
        ),
        (ParseError("x"), Transient),
    ],
    ids=repr,
)
def test_each_vendor_error_has_its_kind(error: Exception, kind: type[HeddleError]) -> None:
    """Codes and statuses become the kind of no that says whether to try again."""
    with pytest.raises(kind) as caught, s3_errors(PLACE, key=KEY):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


def test_no_error_class_of_the_client_is_forgotten() -> None:
    """Every exception the client defines is caught at the door; a new one would be too."""
    classes = [
        found
        for _, found in inspect.getmembers(minio.error, inspect.isclass)
        if issubclass(found, BaseException) and found.__module__ == minio.error.__name__
    ]
    assert {found.__name__ for found in classes} == {
        "MinioException", "InvalidResponseError", "ServerError", "S3Error", "MinioAdminException",
    }  # fmt: skip
    for found in classes:
        assert issubclass(found, VENDOR_ERRORS), found


def test_no_error_class_of_the_transport_is_forgotten() -> None:
    """Every exception of urllib3 that is not a warning is caught at the door."""
    for _, found in inspect.getmembers(urllib3.exceptions, inspect.isclass):
        ours = issubclass(found, Exception) and found.__module__ == urllib3.exceptions.__name__
        # A proxy is never configured; its error is no HTTPError.
        if ours and not issubclass(found, Warning) and found.__name__ != "ProxySchemeUnsupported":
            assert issubclass(found, VENDOR_ERRORS), found


def test_messages_say_what_to_do_and_stay_in_one_line() -> None:
    """The place, the server's code and words are there; control characters and length are not."""
    said = str(from_vendor(s3_error("AccessDenied", 403, "no\r\nway " + "x" * 500), PLACE))
    assert PLACE in said
    assert "AccessDenied, HTTP 403: no  way" in said
    assert said.isprintable()
    assert len(said) < 400
    assert "create it" in str(from_vendor(s3_error("NoSuchBucket", 404), PLACE))
    assert "clock" in str(from_vendor(s3_error("RequestTimeTooSkewed", 403), PLACE))
    assert "ca_file" in str(from_vendor(urllib3.exceptions.SSLError("x"), PLACE))


def test_a_signed_address_is_not_quoted() -> None:
    """The transport's own words hold the address with its signature; ours do not."""
    address = "/shelf/x?X-Amz-Signature=abcdef"
    error = urllib3.exceptions.MaxRetryError(None, address, OSError("abcdef"))
    assert "abcdef" not in str(from_vendor(error, PLACE))


def test_a_missing_key_needs_a_key() -> None:
    """Where no key was asked for, a missing one is a fault of the address."""
    assert type(from_vendor(s3_error("NoSuchKey", 404), PLACE)) is Unusable


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, Transient, "free some"),
        (errno.EDQUOT, Transient, "free some"),
        (errno.EFBIG, Transient, "free some"),
        (errno.EACCES, Unusable, "write permission"),
        (errno.EPERM, Unusable, "write permission"),
        (errno.EROFS, Unusable, "write permission"),
        (errno.ENOENT, Absent, KEY),
        (errno.ENOTDIR, Absent, KEY),
        (errno.EISDIR, Absent, KEY),
        (errno.EIO, Transient, "failed"),
        (errno.ESTALE, Transient, "failed"),
    ],
)
def test_each_disk_error_has_its_kind(number: int, kind: type[HeddleError], words: str) -> None:
    """Error numbers become the kind of no that says whether waiting helps, with the remedy."""
    with pytest.raises(kind, match=words) as caught, disk_errors(Path("/shelf"), key=KEY):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind


def test_a_missing_folder_is_not_a_missing_key() -> None:
    """Without a key a missing file is a failure of the disk, which may pass."""
    error = OSError(errno.ENOENT, "gone")
    assert type(from_os_error(error, Path("/shelf"))) is Transient


def test_errors_survive_a_process_pool() -> None:
    """Absent and Damaged keep their class and fields through pickling."""
    absent = pickle.loads(pickle.dumps(Absent(KEY)))  # noqa: S301 - our own bytes
    assert (type(absent), absent.key, str(absent)) == (Absent, KEY, str(Absent(KEY)))
    damaged = pickle.loads(pickle.dumps(Damaged(KEY, reason="bits")))  # noqa: S301 - our own bytes
    assert (type(damaged), damaged.key, damaged.damage) == (Damaged, KEY, "bits")


def test_absent_ends_as_a_dead_letter_when_nobody_catches_it() -> None:
    """Absent and Damaged are Transient: tried again, bounded, then kept for a replay."""
    assert issubclass(Absent, Transient)
    assert issubclass(Damaged, Transient)
