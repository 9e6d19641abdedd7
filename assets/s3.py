"""The shelf in a bucket of any S3 server, through the minio client.

Writes do not go through the client's own put: it has no `If-None-Match`, and over https it leaves
the body unsigned. A write here is one PUT, signed by the client's signer with every header and the
body's SHA-256, on the connections the client itself uses, so that both kinds of write are
encrypted, checked and retried alike. Reads, lists and deletes are the client's.

The server must honour `If-None-Match: *`: `check` tries it, once, because a server that ignores it
would let a second writer win silently.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from minio.deleteobjects import DeleteObject
from minio.error import S3Error, ServerError
from minio.signer import sign_v4_s3

from assets.checks import GET_BYTES_MAX, check_content, check_erasable, check_object
from assets.errors import Absent, too_large
from assets.keys import check_key, check_prefix
from assets.s3_bucket import Bucket
from assets.s3_errors import s3_errors
from schemas.errors import Unusable

DIGEST_HEADER: Final = "x-amz-meta-sha256"
"""Digest of every object as its writer knew it, so that any object can be checked when read."""

PROBE: Final = ".heddle-probe"
"""Below this, outside every legal key, `check` tries the server out."""

_TAKEN: Final = 412


class S3Store:
    """An AssetStore in one bucket, below one prefix. See `assets.store`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._client = bucket.client
        self._proven = threading.Event()

    def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """See AssetStore."""
        check_key(key)
        check_object(data, media_type=media_type)
        with s3_errors(self._bucket.place, key=key):
            self._write(key, data, {"Content-Type": media_type})

    def put_if_absent(self, key: str, data: bytes, *, media_type: str) -> bool:
        """See AssetStore. The server decides a race."""
        check_key(key)
        check_object(data, media_type=media_type)
        with s3_errors(self._bucket.place, key=key):
            return self._write_first(key, data, media_type)

    def get(self, key: str, *, size_bytes_max: int = GET_BYTES_MAX) -> bytes:
        """See AssetStore. Checked against the digest its writer left, also where no key has it."""
        check_key(key)
        return self._get(key, size_bytes_max=size_bytes_max)

    def find(self, key: str, *, size_bytes_max: int = GET_BYTES_MAX) -> bytes | None:
        """See AssetStore."""
        try:
            return self.get(key, size_bytes_max=size_bytes_max)
        except Absent:
            return None

    def size(self, key: str) -> int | None:
        """See AssetStore."""
        check_key(key)
        try:
            with s3_errors(self._bucket.place, key=key):
                found = self._client.stat_object(
                    self._bucket.name, self._bucket.object_name(key), ssec=self._bucket.customer_key
                )
        except Absent:
            return None
        return int(found.size or 0)

    def keys(self, prefix: str) -> Iterator[str]:
        """See AssetStore. Pages of up to 1000 keys, fetched as they are needed."""
        check_prefix(prefix)
        with s3_errors(self._bucket.place):
            for found in self._listing(prefix, versions=False):
                key = self._bucket.key(found.object_name)
                if not key.startswith("."):
                    yield key

    def erase(self, prefix: str) -> int:
        """See AssetStore. Needs the rights to list and delete versions where a bucket has them."""
        check_erasable(prefix)
        gone: set[str] = set()
        with s3_errors(self._bucket.place):
            doomed = self._doomed(prefix, gone)
            kept = [error.code for error in self._client.remove_objects(self._bucket.name, doomed)]
        if kept:
            raise Unusable(
                f"{self._bucket.place} kept {len(kept)} objects that were to be erased "
                f"({kept[0]}): allow deletes, or lift the object lock"
            )
        return len(gone)

    def check(self) -> None:
        """See AssetStore. The first call tries a conditional write; later ones read."""
        probe = f"{PROBE}/{uuid.uuid4().hex}"
        if self._proven.is_set():
            # A read, because the answer to a size has no body to tell a missing bucket from a
            # missing key.
            with suppress(Absent):
                self._get(probe, size_bytes_max=1)
            return
        with s3_errors(self._bucket.place):
            first = self._write_first(probe, b"heddle", "text/plain")
            second = self._write_first(probe, b"heddle", "text/plain")
            self._client.remove_object(self._bucket.name, self._bucket.object_name(probe))
        if second or not first:
            raise Unusable(
                f"{self._bucket.place} does not honour If-None-Match: *, so two workers could "
                f"overwrite each other: use a server that does"
            )
        self._proven.set()

    def _get(self, key: str, *, size_bytes_max: int) -> bytes:
        with s3_errors(self._bucket.place, key=key):
            response = self._client.get_object(
                self._bucket.name, self._bucket.object_name(key), ssec=self._bucket.customer_key
            )
            try:
                data = _read(response, key, size_bytes_max=size_bytes_max)
            finally:
                response.close()
                response.release_conn()
        check_content(key, data, sha256=response.headers.get(DIGEST_HEADER))
        return data

    def _listing(self, prefix: str, *, versions: bool) -> Iterator[Any]:
        found: Iterator[Any] = self._client.list_objects(
            self._bucket.name,
            self._bucket.object_name(prefix),
            recursive=True,
            include_version=versions,
        )
        return found

    def _doomed(self, prefix: str, gone: set[str]) -> Iterator[DeleteObject]:
        """Every version below a prefix, its name noted in `gone`."""
        for found in self._listing(prefix, versions=True):
            gone.add(found.object_name)
            yield DeleteObject(found.object_name, found.version_id)

    def _write_first(self, key: str, data: bytes, media_type: str) -> bool:
        wanted = {"Content-Type": media_type, "If-None-Match": "*"}
        return self._write(key, data, wanted) != _TAKEN

    def _write(self, key: str, data: bytes, headers: dict[str, str]) -> int:
        """One PUT of `data`; its HTTP status, 200 or 412. Raises the client's errors."""
        url = self._bucket.url_of(key)
        digest = hashlib.sha256(data)
        now = datetime.now(UTC)
        credentials = self._bucket.credentials
        signable: dict[str, Any] = {
            **headers,
            **self._bucket.encryption_headers,
            DIGEST_HEADER: digest.hexdigest(),
            # Not all servers compare the signed SHA-256 with what arrived; all compare this one.
            "Content-MD5": base64.b64encode(
                hashlib.md5(data, usedforsecurity=False).digest()
            ).decode(),
            "Host": url.netloc,
            "x-amz-content-sha256": digest.hexdigest(),
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
        if credentials.session_token:
            signable["x-amz-security-token"] = credentials.session_token
        signed = sign_v4_s3(
            method="PUT",
            url=url,
            region=self._bucket.region,
            headers=signable,
            credentials=credentials,
            content_sha256=digest.hexdigest(),
            date=now,
        )
        response = self._bucket.pool.urlopen("PUT", url.geturl(), body=data, headers=signed)
        if response.status in (200, _TAKEN):
            return int(response.status)
        raise _refusal(response)


def _read(response: Any, key: str, *, size_bytes_max: int) -> bytes:
    """The body, if it is not larger than allowed; what is too large is not read at all."""
    size_bytes = int(response.headers.get("content-length", 0))
    if size_bytes > size_bytes_max:
        raise too_large(key, size_bytes, size_bytes_max=size_bytes_max)
    data: bytes = response.read(size_bytes_max + 1)
    if len(data) > size_bytes_max:
        raise too_large(key, len(data), size_bytes_max=size_bytes_max)
    return data


def _refusal(response: Any) -> S3Error | ServerError:
    """The client's own error for an answer that is neither success nor 412."""
    try:
        return S3Error.fromxml(response)
    except (ParseError, UnicodeDecodeError):
        return ServerError(f"HTTP {response.status}", response.status)
