"""Bad input on the real line: each ends where the design says, neighbours are unaffected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from heddle.__main__ import main
from schemas.codec import Codec
from schemas.records import (
    Canvas,
    PatternFailed,
    PatternRequested,
    Prompt,
    Repeat,
)
from streams.kafka import dead_letter as letters
from tests.services.line import Line

GOOD = PatternRequested(
    request_id="good",
    tenant="acme",
    prompt=Prompt(text="a secret prompt about navy dots"),
    repeat=Repeat(lattice="half-drop", width_um=640_000, height_um=640_000),
)
BAD = {
    "empty-prompt": (replace(GOOD, prompt=Prompt(text=" ")), "prompt"),
    "no-prompt": (replace(GOOD, prompt=Prompt()), "prompt"),
    "unknown-tier": (replace(GOOD, tier="gold"), "tier"),
    "zero-canvas": (replace(GOOD, canvas=Canvas(width_px=0, height_px=0)), "canvas.width_px"),
    "huge-canvas": (
        replace(GOOD, canvas=Canvas(width_px=100_000, height_px=100_000)),
        "canvas.width_px",
    ),
    "disagreeing": (replace(GOOD, canvas=Canvas(width_px=256, height_px=512)), "canvas"),
    "impossible-repeat": (
        replace(GOOD, repeat=Repeat(lattice="straight", width_um=0, height_um=1)),
        "repeat.width_um",
    ),
    "unknown-lattice": (
        replace(GOOD, repeat=Repeat(lattice="spiral", width_um=64_000, height_um=64_000)),
        "repeat.lattice",
    ),
    "missing-tenant": (replace(GOOD, tenant=""), "tenant"),
    "foreign-tenant": (replace(GOOD, tenant="stranger"), "tenant"),
}


@pytest.fixture
def line(broker: str, prefix: str, tmp_path: Path) -> Iterator[Line]:
    """route, generate and finish with the stand-in engine."""
    made = Line(broker, prefix, tmp_path)
    made.prepare("acme")
    made.start("route", "generate", "finish")
    yield made
    made.close()


@pytest.mark.timeout(240)
def test_bad_input_ends_where_it_should(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undecodable bytes end as dead letters alone; refused requests as dead letter and one failure
    of ordinal 0; another payload under a known id as a dead letter with both hashes and nothing
    else; the same request twice is one asset; the good neighbours come out; a repaired letter
    comes back; and no prompt is in any log, reason or header."""
    codec = Codec()
    with line.client() as house:
        house.request_many([GOOD])
        house.wait("good", timeout_s=60)
        bad = [
            (name, codec.encode(replace(one, request_id=name))) for name, (one, _) in BAD.items()
        ]
        line.raw("patterns.requested", [("garbage", b"not avro at all"), *bad])
        line.raw("patterns.requested", [("unknown-id", b"\x00\x00\x00\xff\xff" + b"x" * 30)])
        line.raw("patterns.requested", [("good", codec.encode(GOOD))])
        conflicting = replace(GOOD, prompt=Prompt(text="something else"))
        line.raw("patterns.requested", [("good", codec.encode(conflicting))])
        house.request_many([replace(GOOD, request_id="neighbour", variations=2)])
        assert house.wait("neighbour", timeout_s=60).all_published
    dead = line.until(
        lambda: (
            found if len(found := line.messages("patterns.requested.route.dlq")) >= 13 else None
        ),
        30,
        "13 dead letters",
    )
    by_key = {(message.key or b"").decode(): message for message in dead}
    assert set(by_key) == {*BAD, "garbage", "unknown-id", "good"}
    for name, (_, field) in BAD.items():
        assert by_key[name].header(letters.FIELD) == field, name
        assert by_key[name].header(letters.LIMIT), name
        assert by_key[name].header(letters.TOPIC) == f"{line.prefix}.patterns.requested"
    assert by_key["garbage"].value == b"not avro at all"
    conflict = f"{by_key['good'].header(letters.REASON)} {by_key['good'].header(letters.LIMIT)}"
    assert sum(len(word) == 64 for word in conflict.split()) == 2, "both hashes are told"
    failures = [
        event for event in line.events("patterns.failed") if isinstance(event, PatternFailed)
    ]
    assert {event.pattern.request_id for event in failures} == set(BAD)
    assert {(event.pattern.ordinal, event.pattern.count) for event in failures} == {(0, 0)}
    assert {event.outcome for event in failures} == {"rejected"}
    published = [event.event_id for event in line.events("patterns.published")]
    assert len(set(published)) == 3
    for stage in ("route", "generate", "finish"):
        assert "secret" not in line.said(stage)
    for message in (*dead, *line.messages("patterns.failed")):
        for name, value in message.headers:
            assert b"secret" not in (value or b""), name
    assert not any("secret" in event.reason for event in failures)
    _repair(line, by_key["unknown-tier"].place, monkeypatch)


def _repair(line: Line, place: tuple[str, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """`heddle dlq replay --set` brings a repaired request back, and its asset comes out."""
    for name, value in line.environment().items():
        monkeypatch.setenv(name, value)
    letter = f"{place[0]}/{place[1]}/{place[2]}"
    assert main(["dlq", "show", letter]) == 0
    assert main(["dlq", "replay", letter, "--set", "tier=draft"]) == 0
    line.until(
        lambda: [e for e in line.events("patterns.published") if e.pattern.tier == "draft"],
        60,
        "the repaired request's asset",
    )


@pytest.mark.timeout(240)
def test_every_codec_passes_every_stage(line: Line) -> None:
    """none, gzip, snappy, lz4, zstd on every topic that a stage reads: nothing is refused, every
    copy gives the same event again."""
    with line.client() as house:
        house.request_many([replace(GOOD, request_id="first")])
        house.wait("first", timeout_s=60)
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    topics = ("patterns.requested", "patterns.routed.standard", "patterns.generated")
    copies = {topic: line.messages(topic)[0] for topic in topics}
    for topic, message in copies.items():
        for codec in codecs:
            line.raw(topic, [("first", message.value or b"")], **{"compression.type": codec})
    # Each copy runs down the river from where it was put in: 5 + 5 + 5 assets more.
    line.until(lambda: len(line.messages("patterns.published")) >= 16, 60, "all copies through")
    assert len({event.event_id for event in line.events("patterns.published")}) == 1
    for topic in topics:
        stage = {"patterns.requested": "route", "patterns.generated": "finish"}
        name = stage.get(topic, "generate")
        assert line.messages(f"{topic}.{name}.dlq") == []
