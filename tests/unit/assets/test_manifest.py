"""Manifests: canonical bytes, first one wins, nothing of a prompt in a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.errors import Damaged
from assets.folder import FolderStore
from assets.keys import manifest_key
from assets.manifest import MANIFEST_BYTES_MAX, encode, recall, settle
from schemas.errors import Rejected

KEY = manifest_key("acme", "r", ordinal=1, stage="generate")

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def test_canonical_bytes() -> None:
    """Sorted keys, no white space, UTF-8 as it is: written out once, by hand."""
    assert encode({"b": [1, 2.5, None, True], "a": "Blätter\n"}) == (
        '{"a":"Blätter\\n","b":[1,2.5,null,true]}'.encode()
    )


@given(st.dictionaries(st.text(alphabet="abcé", max_size=4), JSON_VALUES, max_size=5))
def test_order_does_not_matter_and_nothing_is_lost(manifest: dict[str, Any]) -> None:
    """Equal manifests are equal bytes, and decoding gives the manifest back."""
    turned = dict(reversed(manifest.items()))
    assert encode(manifest) == encode(turned)
    assert json.loads(encode(manifest)) == manifest


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, b"x", object(), "\ud800", {("a", "b"): 1}]
)
def test_what_is_not_json_is_refused_without_quoting_it(value: object) -> None:
    """NaN, bytes, sets and broken text are Rejected; the reason holds none of the values."""
    with pytest.raises(Rejected) as caught:
        encode({"prompt": "secret roses", "x": value})
    assert caught.value.field == "manifest"
    assert "roses" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_largest_manifest() -> None:
    """Exactly the limit passes; one byte more is refused with the limit."""
    frame = len(encode({"a": ""}))
    assert len(encode({"a": "x" * (MANIFEST_BYTES_MAX - frame)})) == MANIFEST_BYTES_MAX
    with pytest.raises(Rejected) as caught:
        encode({"a": "x" * (MANIFEST_BYTES_MAX - frame + 1)})
    assert str(MANIFEST_BYTES_MAX) in caught.value.limit


def test_the_first_manifest_is_everybodys(tmp_path: Path) -> None:
    """The second writer gets the first one's manifest back and the shelf keeps it."""
    store = FolderStore(tmp_path)
    assert recall(store, KEY) is None
    assert settle(store, KEY, {"n": 1}) == {"n": 1}
    assert settle(store, KEY, {"n": 2}) == {"n": 1}
    assert recall(store, KEY) == {"n": 1}


def test_what_settle_returns_is_its_own(tmp_path: Path) -> None:
    """Changing the result changes neither the argument nor what the next reader sees."""
    store = FolderStore(tmp_path)
    mine: dict[str, Any] = {"files": [1]}
    settled = settle(store, KEY, mine)
    settled["files"].append(2)
    assert mine == {"files": [1]}
    assert recall(store, KEY) == {"files": [1]}


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
def test_a_damaged_manifest_is_not_believed(tmp_path: Path, data: bytes) -> None:
    """Bytes that are no JSON object are Damaged for recall and for settle."""
    store = FolderStore(tmp_path)
    store.put(KEY, data, media_type="application/json")
    with pytest.raises(Damaged):
        recall(store, KEY)
    with pytest.raises(Damaged):
        settle(store, KEY, {"n": 1})
