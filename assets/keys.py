"""Where things lie on the shelf. Pure: names in, a key out, no store is touched.

    <tenant>/files/<aa>/<sha256>.<extension>                      content; <aa> = first two digits
    <tenant>/patterns/<request_id>/<ordinal>/<stage>.json         manifest of one stage
    <tenant>/likeness/<page>.json                                 fingerprints of late patterns
    claims/<request_id>                                           what route decided

A key is made of segments of `[A-Za-z0-9._-]` that do not begin with a dot, so no key leaves its
root, hides itself, or needs quoting in a path or a URL. Every refusal is a Rejected that names the
field and the limit.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from schemas import limits
from schemas.errors import Rejected

KEY_CHARS_MAX: Final = 512
SEGMENT_CHARS_MAX: Final = 128
ORDINAL_MAX: Final = 9_999
PAGE_MAX: Final = 99

CLAIMS: Final = "claims"
"""First segment of all claims; so no tenant may have this name."""

_STAGE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,8}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SEGMENT: Final = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{SEGMENT_CHARS_MAX - 1}}}", re.ASCII)
_CONTENT: Final = re.compile(r"[^/]+/files/([0-9a-f]{2})/(\1[0-9a-f]{62})\.[a-z0-9]{1,8}", re.ASCII)


def content_key(tenant: str, sha256: str, *, extension: str) -> str:
    """Key of the bytes whose SHA-256 is `sha256` (64 lower-case hex digits)."""
    check_tenant(tenant)
    _check("sha256", sha256, _SHA256, limit="64 lower-case hexadecimal digits")
    _check("extension", extension, _EXTENSION, limit="1 to 8 of [a-z0-9]")
    return f"{tenant}/files/{sha256[:2]}/{sha256}.{extension}"


def content_key_of(tenant: str, data: bytes, *, extension: str) -> str:
    """Key under which `data` itself lies."""
    return content_key(tenant, hashlib.sha256(data).hexdigest(), extension=extension)


def manifest_key(tenant: str, request_id: str, *, ordinal: int, stage: str) -> str:
    """Key of the manifest that `stage` leaves for pattern `request_id.ordinal`."""
    check_tenant(tenant)
    limits.check_request_id(request_id)
    if not 0 <= ordinal <= ORDINAL_MAX:
        raise _refusal("ordinal", str(ordinal), limit=f"0 to {ORDINAL_MAX}")
    _check("stage", stage, _STAGE, limit="a lower-case letter, then up to 31 of [a-z0-9-]")
    return f"{tenant}/patterns/{request_id}/{ordinal}/{stage}.json"


def likeness_key(tenant: str, page: int) -> str:
    """Key of one page of the fingerprints that are remembered of a tenant."""
    check_tenant(tenant)
    if not 0 <= page <= PAGE_MAX:
        raise _refusal("page", str(page), limit=f"0 to {PAGE_MAX}")
    return f"{tenant}/likeness/{page:02d}.json"


def claim_key(request_id: str) -> str:
    """Key of the claim of one request."""
    limits.check_request_id(request_id)
    return f"{CLAIMS}/{request_id}"


def tenant_prefix(tenant: str) -> str:
    """Prefix of everything one tenant has: what erasing the tenant erases."""
    check_tenant(tenant)
    return f"{tenant}/"


def sha256_in(key: str) -> str | None:
    """Digest a content key promises for its bytes; None for every other key."""
    found = _CONTENT.fullmatch(key)
    return found.group(2) if found else None


def check_tenant(tenant: str) -> None:
    """Refuse what cannot be the first segment of a tenant's keys."""
    limits.check_tenant(tenant)
    if tenant == CLAIMS:
        raise _refusal("tenant", tenant, limit=f"any name but {CLAIMS}, which is the shelf's own")


def check_key(key: str) -> None:
    """Refuse a key that could leave its root or mean different places in different stores."""
    if len(key) > KEY_CHARS_MAX:
        raise _refusal("key", key, limit=f"at most {KEY_CHARS_MAX} characters")
    if not all(_SEGMENT.fullmatch(segment) for segment in key.split("/")):
        raise _refusal(
            "key",
            key,
            limit=f"segments of 1 to {SEGMENT_CHARS_MAX} of [A-Za-z0-9._-], no leading dot",
        )


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that ends inside a name: `acme` would take `acme-north` with it."""
    if not prefix:
        return
    if not prefix.endswith("/"):
        raise _refusal("prefix", prefix, limit="empty, or whole segments with / at the end")
    check_key(prefix[:-1])


def _check(field: str, value: str, shape: re.Pattern[str], *, limit: str) -> None:
    if not shape.fullmatch(value):
        raise _refusal(field, value, limit=limit)


def _refusal(field: str, value: str, *, limit: str) -> Rejected:
    shown = ascii(value[:80])
    return Rejected(f"{field} {shown} cannot be part of a key: {limit}", field=field, limit=limit)
