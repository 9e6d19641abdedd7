"""What a cluster must hold for us: topics with their settings, and least-privilege ACLs. Pure.

Everything follows from `schemas/topics.py`; `heddle topics plan` prints it, `apply` creates what is
missing and changes nothing that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from schemas import topics
from schemas.topics import DAY_MS, DEAD_LETTER_RETENTION_MS, PROMPT_RETENTION_MS, prefixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.topics import Topic

SEGMENT_MS: Final = DAY_MS
"""Closed segments are what retention and compaction can reach: at most this much stays longer."""
LIVE_TABLES: Final = ("requests",)
"""Tables of the live view; each has a changelog topic that Faust would otherwise create unasked."""
STAGES: Final = ("route", "generate", "finish", "record", "live")
OTHERS: Final = ("producer", "consumer", "operator")
"""Whoever orders, whoever takes the results, and whoever keeps tenants and the pattern book."""
CLIENT_GROUP: Final = "heddle-client-alone"
"""What the client goes by where it reads without a group; it never joins or commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTopic:
    """A topic as it should be; `name` with prefix."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """One permission that a principal needs."""

    stage: str
    """Or one of OTHERS."""
    resource: str
    """topic or group."""
    name: str
    operation: str
    """Read, Write or Describe."""


def planned(
    prefix: str, *, partitions: int = topics.PARTITIONS, intakes: Sequence[str] = ()
) -> list[PlannedTopic]:
    """Every topic of an installation; `intakes` are names like `patterns.requested.shop`."""
    found: list[PlannedTopic] = []
    extra = [(name, topics.REQUESTED) for name in intakes if name != topics.REQUESTED.name]
    for name, topic in [*((topic.name, topic) for topic in topics.TOPICS), *extra]:
        full = prefixed(prefix, name)
        found.append(PlannedTopic(name=full, partitions=partitions, config=_config(topic)))
        found += [_letters(full, stage, topic) for stage in topic.dead_letter_stages]
    return found + [_changelog(prefix, table, partitions) for table in LIVE_TABLES]


def acls(prefix: str, *, intakes: Sequence[str] = ()) -> list[Acl]:
    """What each stage, and each of the others, may do, and nothing beyond it."""
    found: list[Acl] = []
    for topic in topics.TOPICS:
        names = [topic.name, *(intakes if topic is topics.REQUESTED else ())]
        for name in dict.fromkeys(prefixed(prefix, name) for name in names):
            found += _rights(name, topic)
    for stage in STAGES:
        group = prefixed(prefix, f"heddle.{stage}")
        found.append(Acl(stage=stage, resource="group", name=group, operation="Read"))
    found.append(Acl(stage="consumer", resource="group", name=CLIENT_GROUP, operation="Describe"))
    for table in LIVE_TABLES:
        name = changelog_name(prefix, table)
        found += [
            Acl(stage="live", resource="topic", name=name, operation=operation)
            for operation in ("Read", "Write", "Describe")
        ]
    return found


def changelog_name(prefix: str, table: str) -> str:
    """Where Faust keeps a table of the live view."""
    return f"{prefixed(prefix, 'heddle.live')}-{table}-changelog"


def _rights(name: str, topic: Topic) -> Iterable[Acl]:
    for stage in (*STAGES, *OTHERS):
        if stage in topic.readers:
            yield Acl(stage=stage, resource="topic", name=name, operation="Read")
        if stage in topic.writers:
            yield Acl(stage=stage, resource="topic", name=name, operation="Write")
        if stage in topic.readers or stage in topic.writers:
            yield Acl(stage=stage, resource="topic", name=name, operation="Describe")
        if stage in topic.dead_letter_stages:
            letters = topics.dead_letter(name, stage)
            yield Acl(stage=stage, resource="topic", name=letters, operation="Write")
            yield Acl(stage=stage, resource="topic", name=letters, operation="Describe")


def _config(topic: Topic) -> dict[str, str]:
    keeping = (
        # Every change must stay readable; a lagging reader may miss tombstones after a week.
        {"cleanup.policy": "compact", "delete.retention.ms": str(7 * DAY_MS)}
        if topic.compacted
        else {"cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
    )
    return keeping | {
        "max.message.bytes": str(topic.bytes_max * 2),
        "segment.ms": str(min(SEGMENT_MS, max(topic.retention_ms // 3, 1)))
        if topic.retention_ms > 0
        else str(SEGMENT_MS),
    }


def _letters(full: str, stage: str, topic: Topic) -> PlannedTopic:
    keep_ms = PROMPT_RETENTION_MS if topic.holds_prompts else DEAD_LETTER_RETENTION_MS
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(keep_ms),
        # Somebody's oversize record must still fit, with our headers.
        "max.message.bytes": str(topic.bytes_max * 4),
    }
    return PlannedTopic(name=topics.dead_letter(full, stage), partitions=1, config=config)


def _changelog(prefix: str, table: str, partitions: int) -> PlannedTopic:
    return PlannedTopic(
        name=changelog_name(prefix, table),
        partitions=partitions,
        config={"cleanup.policy": "compact"},
    )
