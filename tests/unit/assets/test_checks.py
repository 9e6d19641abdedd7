"""Checks every store makes before it writes and after it has read."""

from __future__ import annotations

import hashlib

import pytest

from assets import checks
from assets.errors import Damaged
from assets.keys import claim_key, content_key_of
from schemas.errors import Rejected

KEY = content_key_of("acme", b"tile", extension="png")


@pytest.mark.parametrize(
    "media_type", ["image/png", "image/svg+xml", "application/json", "text/plain; charset=utf-8"]
)
def test_media_types_in_use_pass(media_type: str) -> None:
    """Every media type the finishing room writes is one."""
    checks.check_object(b"", media_type=media_type)


@pytest.mark.parametrize("media_type", ["", "png", "a/b/c", "Image/png", "a/b\n", "a/" + "b" * 99])
def test_other_media_types_are_refused(media_type: str) -> None:
    """What is no media type is refused by name."""
    with pytest.raises(Rejected) as caught:
        checks.check_object(b"", media_type=media_type)
    assert caught.value.field == "media_type"


def test_the_largest_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly the limit may be written, one byte more may not."""
    monkeypatch.setattr(checks, "PUT_BYTES_MAX", 10)
    checks.check_object(b"x" * 10, media_type="a/b")
    with pytest.raises(Rejected) as caught:
        checks.check_object(b"x" * 11, media_type="a/b")
    assert (caught.value.field, caught.value.limit) == ("size_bytes", "at most 10 bytes")


def test_content_is_held_to_its_digest() -> None:
    """The digest in a key counts; without one the one handed in does; without any nothing does."""
    wrong = hashlib.sha256(b"other").hexdigest()
    checks.check_content(KEY, b"tile")
    checks.check_content(KEY, b"tile", sha256=wrong)
    checks.check_content(claim_key("r"), b"anything")
    checks.check_content(claim_key("r"), b"other", sha256=wrong)
    with pytest.raises(Damaged):
        checks.check_content(KEY, b"tilE")
    with pytest.raises(Damaged):
        checks.check_content(claim_key("r"), b"tile", sha256=wrong)


def test_only_whole_prefixes_are_erased() -> None:
    """Everything, and half a name, cannot be erased by one call."""
    checks.check_erasable("acme/")
    for prefix in ("", "acme"):
        with pytest.raises(Rejected) as caught:
            checks.check_erasable(prefix)
        assert caught.value.field == "prefix"
