"""The one protocol every shelf answers, and the one place that opens a shelf from its address.

Addresses: `file:///absolute/path` and `s3://bucket/prefix?endpoint=https://host:9000&region=...`.
Credentials are never part of an address; they come in `StoreOptions` and are never logged. A
further store (Azure Blob) is a class with these methods and one line in `open_store`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from assets.checks import GET_BYTES_MAX
from assets.errors import Absent, Damaged
from assets.folder import FolderStore
from assets.options import StoreOptions
from schemas.errors import Unusable

__all__ = ["GET_BYTES_MAX", "Absent", "AssetStore", "Damaged", "StoreOptions", "open_store"]


class AssetStore(Protocol):
    """Bytes under keys. One store object may be used by many threads; not across a fork.

    Keys are those `assets.keys.check_key` accepts; any other is Rejected before the store is
    touched. Every method may raise Transient (the disk or server failed in a way that may pass)
    and Unusable (a person has to change something; the message says what).
    """

    def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """Lay `data` under `key`, durable on return; an earlier value is replaced whole.

        Meant for content-addressed keys, where replacing changes nothing.
        """

    def put_if_absent(self, key: str, data: bytes, *, media_type: str) -> bool:
        """Lay `data` under `key` unless something lies there; atomic under races, durable.

        True: these bytes are now under the key. At most one caller of all ever gets True. False:
        the key was taken, and what lies there stays. A caller whose answer was lost on the way
        and who asks again gets False for its own bytes, so read back what lies there.
        """

    def get(self, key: str, *, size_bytes_max: int = GET_BYTES_MAX) -> bytes:
        """The bytes under `key`, whole, checked against the digest where one is known.

        Raises: Absent, Damaged (both Transient), Rejected (more than `size_bytes_max`).
        """

    def find(self, key: str, *, size_bytes_max: int = GET_BYTES_MAX) -> bytes | None:
        """As `get`, with None instead of Absent; one round trip either way."""

    def size(self, key: str) -> int | None:
        """How many bytes lie under `key`; None if nothing does."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (empty, or whole segments ending in /), in no promised order."""

    def erase(self, prefix: str) -> int:
        """Remove everything below `prefix` (not empty) for good, old versions included.

        Returns how many keys went. Raises: Rejected for an empty prefix.
        """

    def check(self) -> None:
        """Return if the store can be reached and written to and keeps its promises; else raise."""


def open_store(url: str, *, options: StoreOptions | None = None) -> AssetStore:
    """The shelf at `url`. A missing folder is made; a missing bucket is not.

    Raises: Unusable with a line that says what is wrong with the address, options or place.
    """
    address = urlsplit(url)
    if address.username or address.password:
        raise Unusable("a shelf address holds no user name or password: pass them as options")
    if address.scheme == "file":
        return FolderStore(_folder_of(url))
    if address.scheme == "s3":
        # Folder users need not load an S3 client.
        from assets.s3 import S3Store  # noqa: PLC0415
        from assets.s3_bucket import open_bucket  # noqa: PLC0415

        return S3Store(open_bucket(url, options=options or StoreOptions()))
    raise Unusable(
        f"a shelf address begins with file:/// or s3://, not with {address.scheme or 'nothing'!r}"
    )


def _folder_of(url: str) -> Path:
    address = urlsplit(url)
    path = unquote(address.path)
    if address.netloc not in ("", "localhost") or address.query or not path.startswith("/"):
        raise Unusable("a shelf in a folder is addressed as file:///absolute/path and no more")
    return Path(path)
