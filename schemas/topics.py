"""Every topic on one screen: name, record, key, keeping, bytes, writers, readers.

Names are without the prefix; `prefixed` adds it. All `patterns.*` topics share one partition count.
Topics whose records hold prompts keep them for `PROMPT_RETENTION_MS` only, and so do the dead
letters of those topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import records

if TYPE_CHECKING:
    from .records import Record

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
PROMPT_RETENTION_MS: Final = 3 * DAY_MS
RESULT_RETENTION_MS: Final = 30 * DAY_MS
DEAD_LETTER_RETENTION_MS: Final = 14 * DAY_MS
RECORD_BYTES_MAX: Final = 262_144
PARTITIONS: Final = 12
TIERS: Final = ("draft", "standard", "premium")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic and who may do what with it."""

    name: str
    record: type[Record]
    key: str
    """What the key is, in the field's words."""
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    retention_ms: int = RESULT_RETENTION_MS
    """-1 keeps for ever; compacted topics do."""
    compacted: bool = False
    bytes_max: int = RECORD_BYTES_MAX
    holds_prompts: bool = False
    dead_letter_stages: tuple[str, ...] = ()
    """Stages that may refuse a record of it: each has `<topic>.<stage>.dlq`."""


def _routed(tier: str) -> Topic:
    return Topic(
        name=f"patterns.routed.{tier}",
        record=records.PatternRouted,
        key="request_id",
        writers=("route",),
        readers=("generate", "record", "live"),
        retention_ms=PROMPT_RETENTION_MS,
        holds_prompts=True,
        dead_letter_stages=("generate", "record"),
    )


REQUESTED: Final = Topic(
    name="patterns.requested",
    record=records.PatternRequested,
    key="request_id",
    writers=("producer", "gateway"),
    readers=("route", "record"),
    retention_ms=PROMPT_RETENTION_MS,
    holds_prompts=True,
    dead_letter_stages=("route", "record"),
)
ROUTED: Final[dict[str, Topic]] = {tier: _routed(tier) for tier in TIERS}
GENERATED: Final = Topic(
    name="patterns.generated",
    record=records.TileGenerated,
    key="request_id",
    writers=("generate",),
    readers=("finish", "record", "live"),
    dead_letter_stages=("finish", "record"),
)
PUBLISHED: Final = Topic(
    name="patterns.published",
    record=records.AssetPublished,
    key="request_id",
    writers=("finish",),
    readers=("consumer", "record", "live"),
    dead_letter_stages=("record",),
)
FAILED: Final = Topic(
    name="patterns.failed",
    record=records.PatternFailed,
    key="request_id",
    writers=("route", "generate", "finish"),
    readers=("consumer", "record", "live"),
    dead_letter_stages=("record",),
)
COMPLETED: Final = Topic(
    name="patterns.completed",
    record=records.RequestCompleted,
    key="request_id",
    writers=("live",),
    readers=("consumer", "record"),
    dead_letter_stages=("record",),
)
FEEDBACK: Final = Topic(
    name="patterns.feedback",
    record=records.FeedbackGiven,
    key="request_id",
    writers=("producer", "gateway"),
    readers=("record",),
    dead_letter_stages=("record",),
)
CANCEL_REQUESTED: Final = Topic(
    name="patterns.cancel-requested",
    record=records.CancelRequested,
    key="request_id",
    writers=("producer", "gateway"),
    readers=("generate", "record"),
    retention_ms=PROMPT_RETENTION_MS,
    dead_letter_stages=("record",),
)
USAGE: Final = Topic(
    name="patterns.usage",
    record=records.UsageMeasured,
    key="worker incarnation",
    writers=("generate",),
    readers=("record",),
    dead_letter_stages=("record",),
)
TENANTS: Final = Topic(
    name="tenants.events",
    record=records.TenantChanged,
    key="tenant",
    writers=("operator",),
    readers=("route", "record"),
    retention_ms=-1,
    compacted=True,
    dead_letter_stages=("record",),
)
REGISTRY: Final = Topic(
    name="registry.events",
    record=records.RegistryChanged,
    key="family/epoch, or family@version",
    writers=("operator",),
    readers=("route", "record"),
    retention_ms=-1,
    compacted=True,
    dead_letter_stages=("record",),
)

TOPICS: Final[tuple[Topic, ...]] = (
    REQUESTED,
    *ROUTED.values(),
    GENERATED,
    PUBLISHED,
    FAILED,
    COMPLETED,
    FEEDBACK,
    CANCEL_REQUESTED,
    USAGE,
    TENANTS,
    REGISTRY,
)
BY_NAME: Final[dict[str, Topic]] = {topic.name: topic for topic in TOPICS}


def prefixed(prefix: str, name: str) -> str:
    """Put the installation's prefix before a topic, group or application name."""
    return f"{prefix}.{name}" if prefix else name


def unprefixed(prefix: str, name: str) -> str:
    """The name without the installation's prefix. Raises ValueError where it has another one."""
    if not prefix:
        return name
    head = f"{prefix}."
    if not name.startswith(head):
        message = f"topic {name} does not begin with the prefix {prefix}"
        raise ValueError(message)
    return name[len(head) :]


def dead_letter(topic_name: str, stage: str) -> str:
    """Where `stage` puts what it refuses of `topic_name`, prefix and all."""
    return f"{topic_name}.{stage}.dlq"


def subject(topic_name: str) -> str:
    """The registry subject of a topic's values (TopicNameStrategy)."""
    return f"{topic_name}-value"


def topic_of(name: str) -> Topic:
    """The topic of an unprefixed name; intake topics `patterns.requested.<source>` included.

    Raises KeyError for any other name.
    """
    if name.startswith(f"{REQUESTED.name}."):
        return REQUESTED
    return BY_NAME[name]
