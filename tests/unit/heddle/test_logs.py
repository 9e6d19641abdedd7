"""Log lines: one JSON object each, that nobody's input can forge."""

from __future__ import annotations

import io
import json
import logging

import pytest

from heddle import logs


@pytest.fixture(autouse=True)
def _as_before() -> object:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_is_json_with_its_fields() -> None:
    """Time, level, stage, event and whatever was said beside it."""
    out = io.StringIO()
    logs.begin(stage="route", style="json", level="info", stream=out)
    logging.getLogger("heddle.x").info("refused", extra={"field": "tier", "count": 3})
    line = json.loads(out.getvalue())
    assert (line["event"], line["field"], line["count"], line["stage"]) == (
        "refused",
        "tier",
        3,
        "route",
    )
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("style", ["json", "text"])
def test_control_characters_cannot_forge_a_line(style: str) -> None:
    """A line feed in a field or an event stays one line."""
    out = io.StringIO()
    logs.begin(stage="route", style=style, level="info", stream=out)
    logging.getLogger("heddle.x").info("a\nb", extra={"field": 'x\n{"level": "error"}\x1b[0m'})
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


def test_long_values_are_cut() -> None:
    """A field never holds more than its maximum."""
    out = io.StringIO()
    logs.begin(stage="route", style="json", level="info", stream=out)
    logging.getLogger("heddle.x").info("x" * 9_000, extra={"field": "y" * 9_000})
    line = json.loads(out.getvalue())
    assert len(line["event"]) == len(line["field"]) == logs.FIELD_CHARACTERS_MAX


def test_what_the_kafka_client_repeats_is_said_once() -> None:
    """It says the same many times a second, with other numbers; lines of ours all pass."""
    out = io.StringIO()
    logs.begin(stage="route", style="json", level="info", stream=out)
    for number in range(5):
        logging.getLogger("heddle.kafka.client").warning(
            "METADATAUPDATE [thrd:main]: Partition patterns.requested(abc%s)[1]: no leader", number
        )
        logging.getLogger("heddle.route").warning("refused")
    logging.getLogger("heddle.kafka.client").warning("FAIL [thrd:main]: connection refused")
    said = [json.loads(line)["event"][:8] for line in out.getvalue().splitlines()]
    assert sorted(said) == ["FAIL [th", "METADATA", *["refused"] * 5]
