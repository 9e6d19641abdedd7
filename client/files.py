"""Bytes of a published file, verified: size and SHA-256 as the event says, or nothing.

Reads from a folder, from an http(s) base address, or through a caller's opener for private stores.
Never follows a key out of its base, and never holds more than FILE_BYTES_MAX.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from schemas.errors import Rejected, Transient

if TYPE_CHECKING:
    from schemas.records import File

Source = str | Path | Callable[[str], bytes]
"""A folder, an http(s) base address, or a function from key to bytes."""

FILE_BYTES_MAX: Final = 536_870_912
KEY_CHARACTERS_MAX: Final = 1_024
HTTP_S: Final = 60.0
"""Longest silence of a web server before it counts as failed."""
_RETRY_STATUS_MIN: Final = 500
_RETRY_STATUSES: Final = frozenset({408, 425, 429})


def fetch(file: File, source: Source) -> bytes:
    """The file's bytes, exactly those that were published.

    Raises Rejected for a key that leaves its base, a missing or foreign file and a file above
    FILE_BYTES_MAX; Transient when the source did not answer.
    """
    _check(file)
    if callable(source):
        found = source(file.key)
    elif isinstance(source, str) and source.startswith(("http://", "https://")):
        found = _download(file, source)
    else:
        found = _read(file, Path(source))
    _verify(file, found)
    return found


def save(file: File, source: Source, path: Path) -> Path:
    """Fetch into `path`, whole or not at all; returns it. Raises as `fetch` does, and OSError."""
    found = fetch(file, source)
    # Opened anew, with the mode that the umask leaves: whoever may read the folder reads the file.
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        with fresh.open("xb") as target:
            target.write(found)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return path


def _check(file: File) -> None:
    if not 0 <= file.size_bytes <= FILE_BYTES_MAX:
        limit = f"0 to {FILE_BYTES_MAX}"
        raise Rejected(f"file of {file.size_bytes} bytes", field="size_bytes", limit=limit)
    parts = file.key.split("/")
    strange = "\\" in file.key or "\0" in file.key or PurePosixPath(file.key).is_absolute()
    if strange or len(file.key) > KEY_CHARACTERS_MAX or {"", ".", ".."} & set(parts):
        limit = f"a relative path that stays in its base, at most {KEY_CHARACTERS_MAX} characters"
        raise Rejected("key leaves its base", field="key", limit=limit)


def _verify(file: File, found: bytes) -> None:
    if len(found) != file.size_bytes:
        limit = f"{file.size_bytes} bytes"
        raise Rejected(f"{file.key} has another size", field="size_bytes", limit=limit)
    if hashlib.sha256(found).hexdigest() != file.sha256.lower():
        raise Rejected(f"{file.key} has another content", field="sha256", limit=file.sha256)


def _read(file: File, base: Path) -> bytes:
    try:
        root = base.resolve(strict=True)
        path = (root / file.key).resolve(strict=True)
        if not path.is_relative_to(root):
            raise Rejected("key leaves its base", field="key", limit="inside the folder")
        with path.open("rb") as opened:
            return opened.read(file.size_bytes + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise _missing(file, str(base)) from error
    except OSError as error:
        raise Transient(f"reading {file.key}: {error.strerror}") from error


def _download(file: File, base: str) -> bytes:
    address = f"{base.rstrip('/')}/{urllib.parse.quote(file.key)}"
    try:
        # The scheme was checked by the caller, and no redirect leads to another one than http(s).
        with urllib.request.urlopen(address, timeout=HTTP_S) as answer:  # noqa: S310
            found: bytes = answer.read(file.size_bytes + 1)
            return found
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= _RETRY_STATUS_MIN or error.code in _RETRY_STATUSES:
            raise Transient(f"fetching {file.key}: status {error.code}") from error
        raise _missing(file, f"{base}, status {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"fetching {file.key}: {error}") from error


def _missing(file: File, base: str) -> Rejected:
    return Rejected(f"{file.key} is not at {base}", field="key", limit="a file that exists")
