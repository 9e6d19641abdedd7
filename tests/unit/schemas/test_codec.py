"""Bytes to records and back: every record, every refusal, and noise."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec as codec_module
from schemas import committed, plain, records
from schemas.codec import Codec
from schemas.errors import Transient, Undecodable
from schemas.records import (
    RECORDS,
    Adapter,
    PatternRequested,
    PatternRouted,
    Prompt,
    Record,
    Repeat,
)
from schemas.topics import RECORD_BYTES_MAX

CODEC = Codec()
REQUEST = PatternRequested(
    request_id="r1",
    tenant="acme",
    prompt=Prompt(text="blue waves"),
    repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
    adapters=(Adapter(name="linen"),),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MOMENT = st.integers(-(10**12), 10**14).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    datetime: MOMENT,
}


def any_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, or instances of a record class."""
    if hint in SCALARS:
        return SCALARS[hint]
    if get_origin(hint) is types.UnionType:
        inner = next(part for part in get_args(hint) if part is not type(None))
        return st.none() | any_of(inner)
    if get_origin(hint) is tuple:
        return st.lists(any_of(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) is Mapping:
        return st.dictionaries(TEXT, TEXT, max_size=3)
    assert isinstance(hint, type)
    assert is_dataclass(hint)
    hints = get_type_hints(hint, vars(records) | {"Mapping": Mapping})
    return st.builds(hint, **{spec.name: any_of(hints[spec.name]) for spec in fields(hint)})


ANY_RECORD = st.one_of([any_of(kind) for kind in RECORDS])


@settings(max_examples=150, deadline=None)
@given(record=ANY_RECORD)
def test_every_record_survives_the_wire(record: Record) -> None:
    """Encoding and decoding gives the same record, whatever its fields hold."""
    assert CODEC.decode(CODEC.encode(record), type(record)) == record


@settings(max_examples=150, deadline=None)
@given(record=ANY_RECORD)
def test_every_record_survives_as_json(record: Record) -> None:
    """Plain values for claims and manifests give the same record back."""
    assert plain.from_plain(type(record), plain.to_plain(record)) == record


def test_times_are_whole_milliseconds_in_json() -> None:
    """A time is an integer there, what lies under the millisecond dropped."""
    moment = datetime(1970, 1, 1, 0, 0, 1, 2_999, tzinfo=UTC)
    assert json.dumps(plain.to_plain({"at": moment})) == '{"at": 1002}'


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_framing_is_confluents(kind: type[Record]) -> None:
    """A value begins with byte 0 and the committed id, four bytes, big end first."""
    expected = committed.newest(kind.__name__).schema_id
    assert CODEC.encode(smallest(kind))[:5] == b"\x00" + expected.to_bytes(4, "big")


def smallest(kind: type) -> Any:
    """A record with as little in it as can be."""
    hints = get_type_hints(kind, vars(records) | {"Mapping": Mapping})
    zero: dict[Any, Any] = {str: "", int: 0, float: 0.0, bool: False, datetime: records.EPOCH}
    values: dict[str, Any] = {}
    for spec in fields(kind):
        hint = hints[spec.name]
        if hint in zero:
            values[spec.name] = zero[hint]
        elif get_origin(hint) is tuple:
            values[spec.name] = ()
        elif isinstance(hint, type) and is_dataclass(hint):
            values[spec.name] = smallest(hint)
    return kind(**values)


def framed(number: int, body: bytes = b"") -> bytes:
    """A value under any id."""
    return b"\x00" + number.to_bytes(4, "big") + body


VALUE = CODEC.encode(REQUEST)


@pytest.mark.parametrize(
    ("value", "field", "limit"),
    [
        pytest.param(None, "value", "byte 0", id="no value"),
        pytest.param(b"", "value", "byte 0", id="empty"),
        pytest.param(b"\x00\x00\x00\x00", "value", "byte 0", id="four bytes"),
        pytest.param(b"{}        ", "value", "byte 0", id="JSON"),
        pytest.param(b"\x01" + VALUE[1:], "value", "byte 0", id="another magic byte"),
        pytest.param(framed(999), "schema id", "an id of", id="unknown id"),
        pytest.param(framed(2, VALUE[5:]), "schema id", "an id of", id="id of another record"),
        pytest.param(framed(1), "value", "its schema", id="no body"),
        pytest.param(VALUE[:-1], "value", "its schema", id="cut off"),
        pytest.param(VALUE + b"\x00", "value", "0 bytes", id="a byte too many"),
        pytest.param(
            VALUE + bytes(RECORD_BYTES_MAX - len(VALUE)), "value", "0 bytes", id="largest"
        ),
        pytest.param(
            VALUE + bytes(RECORD_BYTES_MAX - len(VALUE) + 1),
            "value",
            f"at most {RECORD_BYTES_MAX} bytes",
            id="too large",
        ),
    ],
)
def test_what_is_no_record_is_refused(value: bytes | None, field: str, limit: str) -> None:
    """Undecodable names what was wrong and the limit."""
    with pytest.raises(Undecodable) as refused:
        CODEC.decode(value, PatternRequested)
    assert refused.value.field == field
    assert refused.value.limit.startswith(limit)


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else(noise: bytes) -> None:
    """Whatever follows a good frame, the answer is a record or Undecodable."""
    for kind in (PatternRequested, PatternRouted):
        head = framed(committed.newest(kind.__name__).schema_id)
        with suppress(Undecodable):
            CODEC.decode(head + noise, kind)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(5, len(VALUE) - 1), byte=st.integers(0, 255), record=ANY_RECORD)
def test_a_changed_byte_is_refused_or_read(place: int, byte: int, record: Record) -> None:
    """One wrong byte anywhere gives a record or Undecodable, never another error."""
    value = bytearray(CODEC.encode(record))
    value[5 + place % (len(value) - 5)] = byte
    with suppress(Undecodable):
        CODEC.decode(bytes(value), type(record))


def test_an_error_never_quotes_the_value() -> None:
    """Reason, field and limit hold nothing of what was sent: it may be a prompt."""
    value = CODEC.encode(REQUEST).replace(b"blue waves", b"\xff\xfesecret\xff")
    with pytest.raises(Undecodable) as refused:
        CODEC.decode(value, PatternRequested)
    error = refused.value
    assert "secret" not in f"{error} {error.reason} {error.field} {error.limit}"


def test_given_ids_are_written_and_read() -> None:
    """With ids of an external registry those are on the wire, and read without asking."""
    ids = {kind.__name__: 100 + place for place, kind in enumerate(RECORDS)}
    codec = Codec(ids=ids)
    value = codec.encode(REQUEST)
    assert value[:5] == framed(100)
    assert codec.decode(value, PatternRequested) == REQUEST
    with pytest.raises(Undecodable):
        codec.decode(VALUE, PatternRequested)


def test_foreign_ids_are_asked_once() -> None:
    """A resolved foreign id is remembered; an unknown one is asked about again."""
    asked: list[int] = []

    def lookup(number: int) -> str | None:
        asked.append(number)
        return source_text("PatternRequested") if number == 77 else None

    codec = Codec(lookup=lookup)
    for _ in range(2):
        assert codec.decode(framed(77, VALUE[5:]), PatternRequested) == REQUEST
        with pytest.raises(Undecodable):
            codec.decode(framed(78, VALUE[5:]), PatternRequested)
    assert asked == [77, 78, 78]


def source_text(record: str) -> str:
    """A committed schema as a registry holds it."""
    return json.dumps(committed.newest(record).source)


def test_foreign_ids_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of new ids does not grow the codec, and never costs it an id of ours."""
    monkeypatch.setattr(codec_module, "FOREIGN_IDS_MAX", 20)
    text = source_text("PatternRequested")
    codec = Codec(lookup=lambda number: text if number >= 100 else None)
    for number in range(100, 200):
        assert codec.decode(framed(number, VALUE[5:]), PatternRequested) == REQUEST
    assert len(codec._known) <= 20
    assert codec.decode(VALUE, PatternRequested) == REQUEST


def test_a_registry_that_cannot_tell_is_not_a_refusal() -> None:
    """Transient from the look-up goes through: the record is tried again, not thrown away."""

    def lookup(_: int) -> str | None:
        raise Transient("registry away")

    with pytest.raises(Transient):
        Codec(lookup=lookup).decode(framed(77, VALUE[5:]), PatternRequested)


def test_a_record_that_does_not_fit_is_not_encoded() -> None:
    """A field of another type raises instead of writing something else."""
    wrong = PatternRequested(
        request_id=5,
        tenant="acme",
        prompt=Prompt(text="waves"),
        repeat=REQUEST.repeat,
    )
    with pytest.raises((ValueError, TypeError)):
        CODEC.encode(wrong)
