"""Logs to stdout: one JSON object a line, or plain text at a terminal. Never a prompt.

Rooms log events with fields (`extra=`); this file decides how a line looks. Control characters are
escaped, so nobody's input can forge a line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
FIELD_CHARACTERS_MAX: Final = 500
CHATTY: Final = ("heddle.kafka.client", "heddle_client")
"""Loggers that librdkafka itself writes to."""
AGAIN_S: Final = 60.0
SAID_MAX: Final = 200
SAID_CHARACTERS_MAX: Final = 120
_NUMBERS: Final = re.compile(r"\(\S*\)|[0-9]+")
_OWN: Final = frozenset(
    [*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName"]
)


def begin(
    *,
    stage: str,
    style: str,
    level: str,
    stream: TextIO | None = None,
    client_level: int = logging.NOTSET,
) -> None:
    """Send all logs of this process to `stream` (stdout); the Kafka client's from its own level."""
    out = stream or sys.stdout
    handler = logging.StreamHandler(out)
    as_json = style == "json" or (style == "auto" and not out.isatty())
    handler.setFormatter(JsonLines(stage) if as_json else TextLines(stage))
    handler.addFilter(Seldom())
    logging.basicConfig(level=LEVELS.get(level, logging.INFO), handlers=[handler], force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(client_level)
    for noisy in ("aiokafka", "kafka", "faust", "mode", "urllib3", "httpx"):
        logging.getLogger(noisy).setLevel(max(LEVELS.get(level, logging.INFO), logging.WARNING))


class Seldom(logging.Filter):
    """Lets what librdkafka says of itself through once a minute; it repeats itself many times a
    second where a partition has no leader. Lines of ours all pass."""

    def __init__(self) -> None:
        super().__init__()
        self._said_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is said."""
        if record.name not in CHATTY:
            return True
        words = _NUMBERS.sub("", record.getMessage())[:SAID_CHARACTERS_MAX]
        if record.created - self._said_s.get(words, -AGAIN_S) < AGAIN_S:
            return False
        if len(self._said_s) >= SAID_MAX:
            self._said_s.clear()
        self._said_s[words] = record.created
        return True


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._stage = stage

    def format(self, record: logging.LogRecord) -> str:
        """`time`, `level`, `stage`, `logger`, `event`, then the fields."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "stage": self._stage,
            "logger": record.name,
            "event": record.getMessage()[:FIELD_CHARACTERS_MAX],
        }
        return json.dumps(line | _fields(record), default=str, ensure_ascii=True)


class TextLines(logging.Formatter):
    """For people at a terminal."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._stage = stage

    def format(self, record: logging.LogRecord) -> str:
        """`12:00:00 stage level event field=value ...`."""
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
        event = record.getMessage()[:FIELD_CHARACTERS_MAX].encode("unicode_escape").decode()
        tail = "".join(
            f" {name}={json.dumps(v, default=str)}" for name, v in _fields(record).items()
        )
        return f"{at} {self._stage} {record.levelname.lower()} {event}{tail}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: _short(value) for name, value in vars(record).items() if name not in _OWN}
    if record.exc_info and record.exc_info[0] is not None:
        fields["kind"] = record.exc_info[0].__name__
    return fields


def _short(value: Any) -> Any:
    if isinstance(value, int | float | bool) or value is None:
        return value
    return str(value)[:FIELD_CHARACTERS_MAX]
