"""`heddle models list|apply|alias`: the pattern book."""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heddle import parts
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from registry.book import ALIAS_MOVED, VERSION_REGISTERED
from schemas import topics
from schemas.errors import EXIT_USAGE, Undecodable, Unusable
from schemas.plain import to_plain
from schemas.records import RegistryChanged
from streams.kafka.producer import Producer
from streams.kafka.replay import read_all
from streams.stages.refusal import now

if TYPE_CHECKING:
    from heddle.settings import Settings

READ_S_MAX: Final = 30.0
SEND_S_MAX: Final = 30.0


def add(commands: Commands) -> None:
    """Which versions exist, which is stable."""
    parser = command(
        commands,
        "models",
        None,
        does="the pattern book: which model versions exist, which is stable, which canary",
        example="heddle models alias swatch --stable 1 --canary 2 --share 0.05",
    )
    inner = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    with_json(
        command(inner, "list", _list, does="print the book", example="heddle models list --json")
    )
    command(
        inner,
        "apply",
        _apply,
        does="register the models of this machine's folders that the book lacks",
        example="HEDDLE_MODELS=/models heddle models apply",
    )
    alias = command(
        inner,
        "alias",
        _alias,
        does="from now on: which version is stable, which canary, at which share",
        example="heddle models alias swatch --stable 1 --canary 2 --share 0.05",
    )
    alias.add_argument("family")
    alias.add_argument("--stable", required=True)
    alias.add_argument("--canary")
    alias.add_argument("--share", type=float, default=0.0, help="0 to 1")
    alias.add_argument("--experiment", help="its name; a new one where a canary begins")
    alias.add_argument("--reason", default="")


def _list(given: argparse.Namespace, settings: Settings) -> int:
    entries = book_entries(settings)
    if given.json:
        as_json([to_plain(entry) for entry in entries])
        return 0
    columns = ("family", "epoch", "kind", "version", "canary", "share", "changed_at")
    table(columns, [[getattr(entry, name) for name in columns] for entry in entries])
    return 0


def _apply(_: argparse.Namespace, settings: Settings) -> int:
    known = book_entries(settings)
    registered = {(e.family, e.version) for e in known if e.kind == VERSION_REGISTERED}
    aliased = {entry.family for entry in known if entry.kind == ALIAS_MOVED}
    changes: list[RegistryChanged] = []
    for family, version, tile_px, sha256 in local_models(settings):
        if (family, version) not in registered:
            changes.append(
                RegistryChanged(
                    event_id=str(uuid.uuid4()),
                    family=family,
                    epoch=0,
                    kind=VERSION_REGISTERED,
                    changed_at=now(),
                    version=version,
                    sha256=sha256,
                    tile_px=tile_px,
                    actor="heddle models apply",
                )
            )
        if family not in aliased:
            aliased.add(family)
            changes.append(_first_alias(family, version))
    _publish(settings, changes)
    say(f"{len(changes)} entries made" if changes else "nothing was missing")
    return 0


def _first_alias(family: str, version: str) -> RegistryChanged:
    return RegistryChanged(
        event_id=str(uuid.uuid4()),
        family=family,
        epoch=1,
        kind=ALIAS_MOVED,
        changed_at=now(),
        version=version,
        actor="heddle models apply",
        reason="first version",
    )


def _alias(given: argparse.Namespace, settings: Settings) -> int:
    if not 0 <= given.share <= 1:
        raise Unusable(f"--share is {given.share}: 0 to 1", exit_code=EXIT_USAGE)
    entries = [entry for entry in book_entries(settings) if entry.family == given.family]
    versions = {entry.version for entry in entries if entry.kind == VERSION_REGISTERED}
    for version in (given.stable, given.canary):
        if version is not None and version not in versions:
            known = ", ".join(sorted(versions)) or "none"
            raise Unusable(f"{given.family}@{version} is not in the book: {known}")
    epoch = max((entry.epoch for entry in entries), default=0) + 1
    change = RegistryChanged(
        event_id=str(uuid.uuid4()),
        family=given.family,
        epoch=epoch,
        kind=ALIAS_MOVED,
        changed_at=now(),
        version=given.stable,
        canary=given.canary,
        share=given.share if given.canary else 0.0,
        salt=str(uuid.uuid4()),
        experiment=given.experiment or (f"{given.family}-{epoch}" if given.canary else None),
        actor="heddle models alias",
        reason=given.reason,
    )
    _publish(settings, [change])
    say(f"{given.family}: epoch {epoch}")
    return 0


def local_models(settings: Settings) -> list[tuple[str, str, int, str]]:
    """(family, version, tile_px, sha256) of the models this machine's workers could load."""
    # Reads cards and hashes files; torch is not loaded.
    from inference.models import ModelBook  # noqa: PLC0415
    from inference.settings import BUILT_IN_FOLDER  # noqa: PLC0415
    from inference.stand_in import CARD, MODEL_HASH  # noqa: PLC0415

    if settings["ENGINE"] == "stand-in":
        return [(CARD.family, CARD.version, CARD.tile_px, MODEL_HASH)]
    further = [Path(text) for text in settings["MODELS"].split(":") if text]
    book = ModelBook([*further, BUILT_IN_FOLDER])
    return [
        (card.family, card.version, card.tile_px, book.find(card.name).model_hash())
        for card in book.cards()
    ]


def book_entries(settings: Settings) -> list[RegistryChanged]:
    """Every entry of the book, by family and epoch."""
    events = parts.events(settings, "operator")
    name = topics.prefixed(settings["PREFIX"], topics.REGISTRY.name)
    found: dict[str, RegistryChanged] = {}
    for message in read_all(parts.connection(settings), [name], timeout_s=READ_S_MAX):
        try:
            entry = events.record(message, RegistryChanged)
        except Undecodable:
            continue
        found[entry.event_id] = entry
    return sorted(found.values(), key=lambda entry: (entry.family, entry.epoch, entry.version))


def _publish(settings: Settings, changes: list[RegistryChanged]) -> None:
    events = parts.events(settings, "operator")
    producer = Producer(parts.connection(settings), client_id="heddle.operator")
    producer.deliver([events.output(change) for change in changes], timeout_s=SEND_S_MAX)
