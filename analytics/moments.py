"""Times that a record claims, against the broker's timestamp of it: none may lie ahead. Pure.

What lies ahead would be booked on a day that has not come, and no later word could overrule it: it
goes to quarantine. What lies behind is taken, however far. Records are honestly late: a retry, a
dead letter put back, a result announced again from its manifest, an outage. A replay of a topic is
no case of its own, since its records keep the broker's timestamps.

`requested_at` is none of these: route copies it from the broker's timestamp of another record.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from schemas import records as kinds
from schemas.errors import Rejected

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.records import Record

SKEW_S_MAX: Final = 900
"""How far ahead of the broker's clock a record may claim that something happened."""
CLAIMS: Final[dict[type[Any], tuple[str, ...]]] = {
    kinds.PatternRequested: (),
    kinds.PatternRouted: (),
    kinds.TileGenerated: ("generated_at",),
    kinds.AssetPublished: ("generated_at", "published_at"),
    kinds.PatternFailed: ("failed_at",),
    kinds.RequestCompleted: ("completed_at",),
    kinds.FeedbackGiven: ("happened_at",),
    kinds.CancelRequested: ("happened_at",),
    kinds.UsageMeasured: ("started_at",),
    kinds.TenantChanged: ("changed_at",),
    kinds.RegistryChanged: ("changed_at",),
}
"""By kind of record, the times that are its maker's word. Of UsageMeasured its end as well."""


def check_claims(record: Record, sent_at: datetime) -> None:
    """Raises Rejected, naming the field, where a claim is over `SKEW_S_MAX` after `sent_at`."""
    for field in CLAIMS[type(record)]:
        _check(field, f"{field} lies", getattr(record, field) - sent_at)
    if isinstance(record, kinds.UsageMeasured):
        end = record.started_at - sent_at + timedelta(microseconds=record.duration_us)
        _check("duration_us", "the end of the time that was measured lies", end)


def _check(field: str, what: str, ahead: timedelta) -> None:
    ahead_s = ahead.total_seconds()
    if ahead_s > SKEW_S_MAX:
        raise Rejected(
            f"{what} {ahead_s:.0f} s after the broker's timestamp",
            field=field,
            limit=f"at most {SKEW_S_MAX} s ahead of the broker's clock",
        )
