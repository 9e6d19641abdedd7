"""Manifests: what one stage made of one pattern, as canonical JSON, the first one written wins.

Canonical means: keys sorted, no white space, UTF-8 as it is, no NaN. Equal manifests are equal
bytes, so their digest may be signed.
"""

from __future__ import annotations

import json
from typing import Any, Final

from assets.errors import Damaged
from assets.store import AssetStore
from schemas.errors import Rejected

MANIFEST_BYTES_MAX: Final = 1024 * 1024
MEDIA_TYPE: Final = "application/json"


def settle(store: AssetStore, key: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """Lay `manifest` under `key` if nothing lies there, and return the one that lies there now.

    Call it last, when every file the manifest names is on the shelf. Build events from what it
    returns and never from what was passed in: another worker may have been first.

    One round trip when we are first (what returns is decoded from the very bytes laid), two when
    not. Raises: Rejected (not JSON, or too large), Transient, Unusable.
    """
    data = encode(manifest)
    if store.put_if_absent(key, data, media_type=MEDIA_TYPE):
        return _decode(data, key=key)
    return _decode(store.get(key, size_bytes_max=MANIFEST_BYTES_MAX), key=key)


def recall(store: AssetStore, key: str) -> dict[str, Any] | None:
    """The manifest under `key`, or None; one round trip. Raises: Damaged, Transient, Unusable."""
    data = store.find(key, size_bytes_max=MANIFEST_BYTES_MAX)
    return None if data is None else _decode(data, key=key)


def encode(manifest: dict[str, Any]) -> bytes:
    """Canonical bytes of a manifest: str keys, JSON values, no NaN or infinity."""
    try:
        text = json.dumps(
            manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        data = text.encode()
    except (TypeError, ValueError) as error:
        # The error's own words may quote a value, and values may be prompts.
        kind = type(error).__name__
        raise Rejected(
            f"a manifest must be plain JSON ({kind})", field="manifest", limit="JSON values"
        ) from None
    if len(data) > MANIFEST_BYTES_MAX:
        raise Rejected(
            f"a manifest of {len(data)} bytes is too large",
            field="manifest",
            limit=f"at most {MANIFEST_BYTES_MAX} bytes",
        )
    return data


def _decode(data: bytes, *, key: str) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except ValueError:
        raise Damaged(key, reason="not JSON") from None
    if not isinstance(manifest, dict):
        raise Damaged(key, reason="not a JSON object")
    return manifest
