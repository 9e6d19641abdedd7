"""Keys: exactly the shapes the design names, and nothing that could leave the shelf."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets import keys
from schemas.errors import Rejected

SHA = hashlib.sha256(b"tile").hexdigest()


def test_the_three_shapes() -> None:
    """Content, manifest and claim keys are those of the design, to the letter."""
    assert keys.content_key("acme", SHA, extension="png") == f"acme/files/{SHA[:2]}/{SHA}.png"
    assert keys.content_key_of("acme", b"tile", extension="png").endswith(f"/{SHA}.png")
    assert keys.manifest_key("acme", "r-1", ordinal=2, stage="finish") == (
        "acme/patterns/r-1/2/finish.json"
    )
    assert keys.claim_key("r-1") == "claims/r-1"
    assert keys.tenant_prefix("acme") == "acme/"


def test_a_content_key_promises_its_digest() -> None:
    """The digest is read from content keys alone, and only where the fan-out agrees with it."""
    assert keys.sha256_in(keys.content_key("acme", SHA, extension="png")) == SHA
    assert keys.sha256_in(keys.claim_key("r")) is None
    assert keys.sha256_in(keys.manifest_key("acme", "r", ordinal=1, stage="x")) is None
    assert keys.sha256_in(f"acme/files/zz/{SHA}.png") is None
    assert keys.sha256_in(f"acme/files/{'0' * 2}/{SHA}.png") is None
    assert keys.sha256_in(f"x/acme/files/{SHA[:2]}/{SHA}.png") is None


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: keys.content_key("", SHA, extension="png"), "tenant"),
        (lambda: keys.content_key("..", SHA, extension="png"), "tenant"),
        (lambda: keys.content_key("a/b", SHA, extension="png"), "tenant"),
        (lambda: keys.content_key("ä", SHA, extension="png"), "tenant"),
        (lambda: keys.content_key("a\n", SHA, extension="png"), "tenant"),
        (lambda: keys.content_key("claims", SHA, extension="png"), "tenant"),
        (lambda: keys.tenant_prefix("claims"), "tenant"),
        (lambda: keys.content_key("acme", SHA.upper(), extension="png"), "sha256"),
        (lambda: keys.content_key("acme", SHA[:-1], extension="png"), "sha256"),
        (lambda: keys.content_key("acme", SHA + "\n", extension="png"), "sha256"),
        (lambda: keys.content_key("acme", SHA, extension=""), "extension"),
        (lambda: keys.content_key("acme", SHA, extension="p/g"), "extension"),
        (lambda: keys.content_key("acme", SHA, extension="PNG"), "extension"),
        (lambda: keys.content_key("acme", SHA, extension="abcdefghi"), "extension"),
        (lambda: keys.claim_key(""), "request_id"),
        (lambda: keys.claim_key("a.b"), "request_id"),
        (lambda: keys.claim_key("a" * 65), "request_id"),
        (lambda: keys.manifest_key("acme", "../x", ordinal=1, stage="s"), "request_id"),
        (lambda: keys.manifest_key("claims", "x", ordinal=1, stage="s"), "tenant"),
        (lambda: keys.manifest_key("acme", "x", ordinal=-1, stage="s"), "ordinal"),
        (lambda: keys.manifest_key("acme", "x", ordinal=10_000, stage="s"), "ordinal"),
        (lambda: keys.manifest_key("acme", "x", ordinal=1, stage=""), "stage"),
        (lambda: keys.manifest_key("acme", "x", ordinal=1, stage="a/b"), "stage"),
        (lambda: keys.manifest_key("acme", "x", ordinal=1, stage="1a"), "stage"),
        (lambda: keys.manifest_key("acme", "x", ordinal=1, stage="a" * 33), "stage"),
    ],
)
def test_a_refusal_names_field_and_limit(make: Callable[[], str], field: str) -> None:
    """Each part that cannot stand in a key is refused with its own name and what it may be."""
    with pytest.raises(Rejected) as caught:
        make()
    assert caught.value.field == field
    assert caught.value.limit


def test_the_longest_names_make_a_legal_key() -> None:
    """Every key that can be made is one the stores accept."""
    tenant, request_id = "t" * 63, "r" * 64
    for key in (
        keys.content_key(tenant, SHA, extension="abcdefgh"),
        keys.manifest_key(tenant, request_id, ordinal=9_999, stage="s" * 32),
        keys.manifest_key(tenant, request_id, ordinal=0, stage="s"),
        keys.claim_key(request_id),
    ):
        keys.check_key(key)


def test_the_bounds_of_a_key() -> None:
    """128 characters in a segment and 512 in a key pass; one more of either does not."""
    keys.check_key("a" * 128)
    keys.check_key("/".join(["a" * 127] * 4))
    for key in ("a" * 129, "/".join(["a" * 127] * 4) + "/a"):
        with pytest.raises(Rejected) as caught:
            keys.check_key(key)
        assert caught.value.field == "key"


@given(st.text(alphabet=st.sampled_from("a.-_/\\ \n\x00%ü:~*"), max_size=12))
def test_an_accepted_key_stays_below_its_root(key: str) -> None:
    """Whatever check_key lets pass is already normal, relative, visible and plain ASCII."""
    try:
        keys.check_key(key)
    except Rejected:
        return
    assert posixpath.normpath(f"/home/{key}") == f"/home/{key}"
    assert key.isascii()
    assert not any(part.startswith(".") or not part for part in key.split("/"))


@pytest.mark.parametrize("prefix", ["acme", "/", "//", "../", ".tmp/", "acme/x", "acme//"])
def test_a_prefix_is_whole_segments(prefix: str) -> None:
    """A prefix that stops inside a name, or is no key with a slash, is refused."""
    with pytest.raises(Rejected):
        keys.check_prefix(prefix)


def test_good_prefixes_pass() -> None:
    """The empty prefix and whole segments with a slash are what listings take."""
    for prefix in ("", "acme/", "acme/patterns/r-1/"):
        keys.check_prefix(prefix)
