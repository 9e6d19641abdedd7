"""What is derived stays what it was: golden values, and the rules behind them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import names
from schemas.codec import Codec
from schemas.records import Adapter, Canvas, PatternRequested, Prompt, Repeat, Sealed

SMALL = PatternRequested(
    request_id="r",
    tenant="acme",
    prompt=Prompt(text="blue waves"),
    repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
)
SEALED = Sealed(key_id="k", algorithm="AES-256-GCM", nonce=b"n", ciphertext=b"c", digest="d1")
FULL = PatternRequested(
    request_id="r",
    tenant="acme",
    prompt=Prompt(sealed=SEALED),
    repeat=Repeat(lattice="half-drop", width_um=64_000, height_um=32_000),
    session="s",
    labels={"b": "2", "a": "ä"},
    negative_prompt=Prompt(text="text"),
    tier="premium",
    canvas=Canvas(width_px=512, height_px=256),
    variations=3,
    seed=7,
    model="loom@2",
    adapters=(Adapter(name="linen", scale=0.5),),
    steps=20,
    guidance=4.5,
    recipe="fabric",
    palette_max=8,
    deadline=datetime(2026, 11, 23, 12, tzinfo=UTC),
    consent=True,
    callback="https://x",
    traceparent="t",
)


def test_payload_hashes_are_for_ever() -> None:
    """Two requests keep the hashes they had when this was written."""
    small = "c8dd84ee24f95a83692e4579fa31c4b46bae1521dd6f617b91cbb27c6eee47b7"
    full = "4e7df6340bf69ab142b44e96326fdeffcfa47124c953d5d22e21963699532916"
    assert names.payload_hash(SMALL) == small
    assert names.payload_hash(FULL) == full


OTHER: dict[str, Any] = {
    "tenant": "other",
    "prompt": Prompt(text="red waves"),
    "repeat": Repeat(lattice="straight", width_um=64_000, height_um=32_000),
    "session": None,
    "labels": {"b": "2"},
    "negative_prompt": None,
    "tier": "draft",
    "canvas": None,
    "variations": 1,
    "seed": 8,
    "model": "loom@3",
    "adapters": (Adapter(name="linen", scale=0.6),),
    "steps": 21,
    "guidance": 4.6,
    "recipe": None,
    "palette_max": 9,
    "deadline": datetime(2026, 11, 23, 12, 0, 0, 1_000, tzinfo=UTC),
    "consent": False,
    "callback": None,
}


def test_every_field_of_the_producer_counts() -> None:
    """Changing any one field changes the hash; request id and trace context do not."""
    counted = {spec.name for spec in dataclasses.fields(PatternRequested)}
    assert set(OTHER) == counted - {"request_id", "traceparent"}
    hashes = [names.payload_hash(dataclasses.replace(FULL, **{k: v})) for k, v in OTHER.items()]
    assert len({*hashes, names.payload_hash(FULL)}) == len(OTHER) + 1
    same = dataclasses.replace(FULL, request_id="x", traceparent=None)
    assert names.payload_hash(same) == names.payload_hash(FULL)


def test_a_sealed_prompt_counts_by_its_digest() -> None:
    """The same words sealed again with another nonce are the same payload; other words are not."""
    again = dataclasses.replace(SEALED, nonce=b"other", ciphertext=b"other")
    other = dataclasses.replace(SEALED, digest="d2")
    found = [
        names.payload_hash(dataclasses.replace(FULL, prompt=Prompt(sealed=sealed)))
        for sealed in (SEALED, again, other)
    ]
    assert found[0] == found[1] != found[2]


def test_defaults_written_out_change_nothing() -> None:
    """A producer that spells out defaults, in parts too, asks for the same."""
    spelt = dataclasses.replace(SMALL, tier="standard", variations=1, labels={}, adapters=())
    assert names.payload_hash(spelt) == names.payload_hash(SMALL)
    assert names._given(Adapter(name="linen", scale=1.0)) == {"name": "linen"}


def test_the_wire_does_not_change_the_hash() -> None:
    """Route sees the hash that a producer would compute."""
    for request in (SMALL, FULL):
        wired = Codec().decode(Codec().encode(request), PatternRequested)
        assert names.payload_hash(wired) == names.payload_hash(request)


def test_event_ids_are_for_ever() -> None:
    """Golden ids; another pattern, stage or kind gives another."""
    assert names.event_id("r.1", "finish", "published") == "c030866f-f2f8-5c5c-8a16-8690ddd84121"
    assert names.usage_event_id("inc", 3) == "0c5e1a3a-8139-5dcf-b548-fdc0fda77199"
    ids = {
        names.event_id(pattern, stage, kind)
        for pattern in ("r.1", "r.2")
        for stage in ("route", "finish")
        for kind in ("published", "failed")
    }
    assert len(ids) == 8
    assert names.pattern_id("r", 2) == "r.2"


def test_seeds_are_for_ever() -> None:
    """Golden seeds; a given one is itself for ordinal 1, attempt 1 and nowhere else."""
    places = ((1, 1), (1, 2), (2, 1))
    drawn = [names.seed_of("r", None, ordinal=o, attempt=a) for o, a in places]
    derived = [names.seed_of("r", 7, ordinal=o, attempt=a) for o, a in places]
    assert drawn == [5585750843573514919, 3240909160261781499, 4703383602559161460]
    assert derived == [7, 5440001684132556050, 3395637774150995662]
    assert derived[1:] == [names.seed_of("x", 7, ordinal=o, attempt=a) for o, a in places[1:]]


@given(st.text(min_size=1), st.integers(0, 2**63 - 1) | st.none(), st.integers(1, 64))
def test_seeds_fit_a_long(request_id: str, seed: int | None, ordinal: int) -> None:
    """Every seed is at least 0 and below 2**63."""
    for attempt in (1, 2, 3):
        assert 0 <= names.seed_of(request_id, seed, ordinal=ordinal, attempt=attempt) < 2**63


def test_prompt_digests() -> None:
    """SHA-256 of the words, or what the sealer says."""
    words = "e3bf39f9a6a05190d78d77f9d2212b4e568afeafa7ca611f036d0a2edeea86f0"
    assert names.prompt_digest(Prompt(text="blue waves")) == words
    assert names.prompt_digest(Prompt(sealed=SEALED)) == "d1"


def test_arms_are_for_ever() -> None:
    """Golden draws of eight sessions."""
    drawn = [names.in_canary(f"u{place}", salt="s", share=0.5) for place in range(8)]
    assert drawn == [True, True, True, True, False, False, True, False]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_arms_have_their_share(share: float) -> None:
    """Of 20,000 sessions the share is on the canary, within five standard errors."""
    units = 20_000
    hits = sum(names.in_canary(f"session-{n}", salt="spring", share=share) for n in range(units))
    error = (share * (1 - share) / units) ** 0.5
    assert abs(hits / units - share) < 5 * error


def test_arms_nest_and_salts_shuffle() -> None:
    """A growing share keeps who was in; another salt draws independently; 0 and 1 are exact."""
    units = [f"session-{n}" for n in range(4_000)]
    tenth = {u for u in units if names.in_canary(u, salt="a", share=0.1)}
    half = {u for u in units if names.in_canary(u, salt="a", share=0.5)}
    other = {u for u in units if names.in_canary(u, salt="b", share=0.5)}
    assert tenth < half
    assert 0.4 < len(half & other) / len(half) < 0.6
    assert not any(names.in_canary(u, salt="a", share=0.0) for u in units)
    assert all(names.in_canary(u, salt="a", share=1.0) for u in units)


def test_the_lowest_and_highest_draws_are_decided_right() -> None:
    """The session drawn 0 is out at share 0 and in at 0.0001, the one drawn 9999 in at 1 alone."""
    lowest, highest = "session-4663", "session-9888"
    assert not names.in_canary(lowest, salt="s", share=0.0)
    assert names.in_canary(lowest, salt="s", share=0.0001)
    assert not names.in_canary(highest, salt="s", share=0.9999)
    assert names.in_canary(highest, salt="s", share=1.0)


def test_canonical_json_has_one_form() -> None:
    """Sorted, without spaces, UTF-8; NaN has no form."""
    assert names.canonical_json({"b": 1, "a": "ä"}) == '{"a":"ä","b":1}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        names.canonical_json({"a": float("nan")})


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1971, 1, 1)))  # noqa: DTZ001
def test_times_count_by_the_millisecond(moment: datetime) -> None:
    """What Avro drops of a time does not count."""
    whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    within = whole + timedelta(microseconds=999)
    found = {names.payload_hash(dataclasses.replace(SMALL, deadline=at)) for at in (whole, within)}
    assert len(found) == 1
