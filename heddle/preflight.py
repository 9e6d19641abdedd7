"""What a stage makes sure of before it takes its first record, each in one clear line.

Broker and trust, rights, topics and their partitions. Asks and never changes anything; each "no"
is an Unusable with an exit code of its own, so that a person or a cluster sees which it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from heddle import parts
from streams.kafka import admin, plan

if TYPE_CHECKING:
    from heddle.settings import Settings

TOPICS_S_MAX: Final = 60.0
"""How long a stage waits for its topics before it says that they are missing."""


def kafka(settings: Settings, stage: str) -> None:
    """The broker knows us and lets us do what `stage` has to do, on topics that are there.

    Waits for broker and topics up to TOPICS_S_MAX. Raises Unusable, or Transient where no broker
    answers.
    """
    reach = parts.connection(settings, stage)
    names = list(parts.intakes(settings).tenants)
    acls = [acl for acl in plan.acls(settings["PREFIX"], intakes=names) if acl.stage == stage]
    topics = {acl.name for acl in acls if acl.resource == "topic"}
    admin.require(reach, sorted(topics), timeout_s=TOPICS_S_MAX)
    admin.require_rights(reach, acls)
    planned = plan.planned(
        settings["PREFIX"],
        partitions=settings.whole("PARTITIONS", lowest=1),
        intakes=names,
    )
    admin.require_partitions(reach, [topic for topic in planned if topic.name in topics])
