"""What all stores refuse alike: bounds, and checks of what is written and read."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from assets.errors import Damaged
from assets.keys import check_prefix, sha256_in
from schemas.errors import Rejected

GET_BYTES_MAX: Final = 512 * 1024 * 1024
"""Largest object read into memory unless the caller says otherwise."""

PUT_BYTES_MAX: Final = 2 * 1024 * 1024 * 1024
"""Largest object written: one S3 PUT takes up to 5 GB, and all of it is held in memory here."""

MEDIA_TYPE_CHARS_MAX: Final = 100

_MEDIA_TYPE: Final = re.compile(
    r"[a-z0-9.+-]+/[a-z0-9.+-]+(; ?[a-z0-9-]+=[A-Za-z0-9.+-]+)?", re.ASCII
)


def check_object(data: bytes, *, media_type: str) -> None:
    """Refuse what no store takes: too many bytes, or a media type that is none."""
    if len(data) > PUT_BYTES_MAX:
        raise Rejected(
            f"{len(data)} bytes are too many for one object",
            field="size_bytes",
            limit=f"at most {PUT_BYTES_MAX} bytes",
        )
    if len(media_type) > MEDIA_TYPE_CHARS_MAX or not _MEDIA_TYPE.fullmatch(media_type):
        raise Rejected(
            f"{media_type[:MEDIA_TYPE_CHARS_MAX]!a} is no media type",
            field="media_type",
            limit=f"type/subtype in lower case, at most {MEDIA_TYPE_CHARS_MAX} characters",
        )


def check_erasable(prefix: str) -> None:
    """Refuse a prefix that ends inside a name, and the empty one, which is everything."""
    if not prefix:
        raise Rejected("erasing needs a prefix", field="prefix", limit="at least one segment and /")
    check_prefix(prefix)


def check_content(key: str, data: bytes, *, sha256: str | None = None) -> None:
    """Raise Damaged if the digest in a content key, or else `sha256`, is not that of `data`."""
    promised = sha256_in(key) or sha256
    if promised and hashlib.sha256(data).hexdigest() != promised:
        raise Damaged(key, reason=f"their SHA-256 is not {promised}")
