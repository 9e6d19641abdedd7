"""`heddle dlq list|show|replay`: what was refused, why, and once more when it is repaired.

A letter's id is `topic/partition/offset` of the dead letter itself. Prompts are never printed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from heddle import parts
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from schemas import topics
from schemas.errors import EXIT_USAGE, Rejected, Unusable
from schemas.plain import from_plain, to_plain
from streams.kafka import dead_letter as letters
from streams.kafka.plan import planned
from streams.kafka.producer import Producer
from streams.kafka.replay import read_all

if TYPE_CHECKING:
    from heddle.settings import Settings
    from schemas.records import Record
    from streams.kafka.events import Events
    from streams.kafka.message import Message, Output

READ_S_MAX: Final = 60.0
SEND_S_MAX: Final = 30.0
SHOWN_MAX: Final = 1_000
COLUMNS: Final = ("id", "key", "stage", "field", "reason", "limit")


def add(commands: Commands) -> None:
    """Dead letters."""
    parser = command(
        commands,
        "dlq",
        None,
        does="what stages refused, with the reason; replay brings it back",
        example="heddle dlq replay patterns.requested.route.dlq/0/3 --set repeat.width_um=640000",
    )
    inner = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = command(
        inner,
        "list",
        _list,
        does="print dead letters, newest last",
        example="heddle dlq list --json",
    )
    with_json(listing)
    showing = command(
        inner,
        "show",
        _show,
        does="print one dead letter; prompts stay hidden",
        example="heddle dlq show patterns.requested.route.dlq/0/3",
    )
    showing.add_argument("id", help="topic/partition/offset, as `heddle dlq list` prints it")
    showing.add_argument("--json", action="store_true", help="JSON is what it prints anyhow")
    replaying = command(
        inner,
        "replay",
        _replay,
        does="put a dead letter back on its topic, repaired if wanted",
        example="heddle dlq replay patterns.requested.route.dlq/0/3 --set tier=draft",
    )
    replaying.add_argument("id", help="topic/partition/offset, as `heddle dlq list` prints it")
    replaying.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="sets",
        help="another value for a field, as JSON or plain text; repeat it for several fields",
    )
    with_json(replaying)


def _list(given: argparse.Namespace, settings: Settings) -> int:
    rows = [_row(letter) for letter in _letters(settings)][-SHOWN_MAX:]
    if given.json:
        as_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    elif rows:
        table(COLUMNS, rows)
    else:
        say("no dead letters")
    return 0


def _show(given: argparse.Namespace, settings: Settings) -> int:
    letter = _find(settings, given.id)
    shown = {name: (value or b"").decode(errors="replace") for name, value in letter.headers}
    events = parts.events(settings, "operator")
    try:
        record: Any = _without_prompts(to_plain(_record(letter, events)))
    except Rejected as error:
        record = f"{len(letter.value or b'')} bytes: {error.reason}"
    as_json({"id": given.id, "headers": shown, "record": record})
    return 0


def _replay(given: argparse.Namespace, settings: Settings) -> int:
    letter, events = _find(settings, given.id), parts.events(settings, "operator")
    output = _repaired(letter, events, given.sets) if given.sets else letters.replayed(letter)
    producer = Producer(parts.connection(settings), client_id="heddle.operator")
    producer.deliver([output], timeout_s=SEND_S_MAX)
    if given.json:
        as_json({"id": given.id, "topic": output.topic, "key": (output.key or b"").decode()})
    else:
        say(f"back on {output.topic}")
    return 0


def _repaired(letter: Message, events: Events, sets: list[str]) -> Output:
    record = _record(letter, events)
    plain = to_plain(record)
    for text in sets:
        _assign(plain, text)
    try:
        repaired = from_plain(type(record), plain)
        origin = letters.replayed(letter).topic
        return events.output(repaired, topic=topics.unprefixed(events.prefix, origin))
    except (TypeError, ValueError, AttributeError) as error:
        line = "--set does not fit the record: a value of another type than the field's"
        raise Unusable(line, exit_code=EXIT_USAGE) from error


def _assign(plain: dict[str, Any], text: str) -> None:
    path, equals, value = text.partition("=")
    *folders, name = path.split(".")
    place: Any = plain
    for folder in folders:
        place = place.get(folder) if isinstance(place, dict) else None
    if not equals or not isinstance(place, dict) or name not in place:
        raise Unusable(f"--set {path}: no such field", exit_code=EXIT_USAGE)
    try:
        place[name] = json.loads(value)
    except ValueError:
        place[name] = value


def _record(letter: Message, events: Events) -> Record:
    origin = letters.replayed(letter).topic
    kind = topics.topic_of(topics.unprefixed(events.prefix, origin)).record
    return events.record(letter, kind)


def _without_prompts(plain: dict[str, Any]) -> dict[str, Any]:
    for name in ("prompt", "negative_prompt"):
        if plain.get(name):
            plain[name] = "(hidden)"
    return plain


def _letters(settings: Settings) -> Iterator[Message]:
    plan = planned(settings["PREFIX"], intakes=list(parts.intakes(settings).tenants))
    names = [topic.name for topic in plan if topic.name.endswith(".dlq")]
    found = list(read_all(parts.connection(settings), names, timeout_s=READ_S_MAX))
    return iter(sorted(found, key=lambda letter: letter.timestamp_ms))


def _find(settings: Settings, name: str) -> Message:
    topic, _, rest = name.rpartition(".dlq/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        limit = "topic/partition/offset as `heddle dlq list` prints it"
        raise Unusable(f"{name} is no dead letter's id: {limit}", exit_code=EXIT_USAGE)
    for letter in read_all(parts.connection(settings), [f"{topic}.dlq"], timeout_s=READ_S_MAX):
        if (letter.place.partition, letter.place.offset) == (int(partition), int(offset)):
            return letter
    raise Unusable(f"no dead letter {name}; it may have passed its retention")


def _row(letter: Message) -> tuple[str, ...]:
    place = letter.place
    key = (letter.key or b"").decode(errors="replace")
    notes = (letters.STAGE, letters.FIELD, letters.REASON, letters.LIMIT)
    name = f"{place.topic}/{place.partition}/{place.offset}"
    return (name, key, *(letter.header(note) or "" for note in notes))
