"""From a caller's words to records: defaults, checks, and errors that name the field."""

from __future__ import annotations

import uuid
from dataclasses import fields
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer

from client import Adapter, Canvas, Prompt, Rejected, Sealed, Transient, Unusable, repeat_mm
from client import kafka as kafka_module
from client.wishes import Options, cancel_wish, verdict, wish
from schemas.records import PatternRequested

REPEAT = repeat_mm(64, 32.5, lattice="half-drop")


def ask(**given: Any) -> PatternRequested:
    """A good request with some things said otherwise."""
    options: Any = {name: given.pop(name) for name in list(given) if name not in NAMED}
    words: dict[str, Any] = {"tenant": "acme", "prompt": "waves", "repeat": REPEAT}
    words |= {"request_id": None} | given
    return wish(**words, options=options)


NAMED = {"tenant", "prompt", "repeat", "request_id"}


def test_millimetres_become_micrometres() -> None:
    """Sizes are exact to a micrometre, binary fractions included."""
    assert (REPEAT.width_um, REPEAT.height_um, REPEAT.lattice) == (64_000, 32_500, "half-drop")
    assert repeat_mm(64.1, 0.3).width_um == 64_100
    assert repeat_mm(64.1, 0.3).height_um == 300


def test_an_id_is_a_uuid_unless_given() -> None:
    """Every request without an id gets a fresh UUID; a given one is kept."""
    assert uuid.UUID(ask().request_id) != uuid.UUID(ask().request_id)
    assert ask(request_id="r-1").request_id == "r-1"


def test_options_are_the_fields_of_a_request() -> None:
    """Whatever a request may say can be said here, and nothing else."""
    assert set(Options.__annotations__) | NAMED == {spec.name for spec in fields(PatternRequested)}


def test_words_may_be_plain_or_sealed() -> None:
    """A prompt is text, a Prompt, or sealed; a list of adapters becomes a tuple."""
    sealed = Sealed(key_id="k", algorithm="A", nonce=b"", ciphertext=b"c", digest="d")
    request = ask(prompt=sealed, negative_prompt="text", adapters=[Adapter(name="linen")])
    assert request.prompt == Prompt(sealed=sealed)
    assert request.negative_prompt == Prompt(text="text")
    assert request.adapters == (Adapter(name="linen"),)
    assert ask(prompt=Prompt(text="waves")).prompt == Prompt(text="waves")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("prompt", {"prompt": ""}),
        ("tier", {"tier": "gold"}),
        ("canvas", {"canvas": Canvas(width_px=512, height_px=512)}),
        ("request_id", {"request_id": "a b"}),
        ("colour", {"colour": "blue"}),
        ("", {"variations": "three"}),
        ("", {"labels": 5}),
        ("", {"prompt": 5}),
        ("", {"adapters": 5}),
        ("", {"adapters": [5]}),
    ],
)
def test_what_is_wrong_is_named(field: str, given: dict[str, Any]) -> None:
    """A broken limit, an unknown option and a value of another type are all Rejected."""
    with pytest.raises(Rejected) as refused:
        ask(**given)
    assert field in refused.value.field
    assert refused.value.limit


@pytest.mark.parametrize(
    "pattern_id", ["", "r", "r.", ".1", "r.x", "r.0", "r.-1", "r.²", "r.٣", "r.1.1"]
)
def test_a_verdict_needs_a_pattern(pattern_id: str) -> None:
    """Only `request_id.ordinal` names a pattern."""
    with pytest.raises(Rejected):
        verdict(pattern_id, "accepted", tenant="acme", reasons=(), reviewer=None, event_id=None)


def test_words_and_wishes_are_named_by_their_producer() -> None:
    """A given event id is kept, so that the same word sent twice counts once."""
    word = verdict("r.12", "ordered", tenant="acme", reasons=["warm"], reviewer="p7", event_id="e")
    assert (word.event_id, word.request_id, word.ordinal) == ("e", "r", 12)
    assert word.reasons == ("warm",)
    wished = cancel_wish("r", tenant="acme", ordinal=0, reason="", event_id=None)
    assert uuid.UUID(wished.event_id)
    with pytest.raises(Rejected) as refused:
        cancel_wish("r", tenant="acme", ordinal=65, reason="", event_id=None)
    assert refused.value.field == "ordinal"


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (KafkaError._UNKNOWN_TOPIC, Unusable, "prefix"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Unusable, "may not"),
        (KafkaError._MSG_TIMED_OUT, Transient, ""),
        (KafkaError._TRANSPORT, Transient, ""),
    ],
)
def test_kafkas_errors_become_ours(code: int, kind: type[Exception], advice: str) -> None:
    """What a person must change is Unusable with advice; what may pass is Transient."""
    found = kafka_module.translated(KafkaError(code), "sending to t")
    assert type(found) is kind
    assert str(found).startswith("sending to t: ")
    assert advice in str(found)


def test_a_wrong_property_is_named() -> None:
    """A property that librdkafka does not know is Unusable, naming it."""
    with pytest.raises(Unusable, match=r"no\.such\.property"):
        kafka_module.make(Producer, {"no.such.property": "1"})


def test_the_last_complaint_explains_a_time_out() -> None:
    """A wrong password is Unusable even where all that was seen is that time ran out."""
    trouble = kafka_module.Trouble()
    assert type(trouble.late("sending")) is Transient
    trouble(KafkaError(KafkaError._TRANSPORT, "connection refused"))
    assert "connection refused" in str(trouble.late("sending"))
    trouble(KafkaError(KafkaError._AUTHENTICATION, "wrong password"))
    assert isinstance(trouble.late("sending"), Unusable)
