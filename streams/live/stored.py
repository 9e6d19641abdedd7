"""A status as the table keeps it and as people read it: canonical JSON, both ways. Pure.

The stored form is compact, has no pickle in it and leaves out what is at its default; the view is
for `GET /requests/{id}` and is a contract: fields are added to it, never renamed.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from schemas.names import canonical_json
from streams.live.status import (
    Completed,
    Ending,
    PatternStatus,
    RequestStatus,
    completed_event,
    time_of,
)

if TYPE_CHECKING:
    from schemas.records import RequestCompleted

VERSION: Final = 1
_PLAIN: Final = ("tenant", "tier", "session", "labels", "requested_ms", "count")


def dump(status: RequestStatus) -> bytes:
    """The table's value. Equal statuses give equal bytes."""
    kept: dict[str, Any] = {"v": VERSION, "id": status.request_id}
    kept |= {name: value for name in _PLAIN if (value := getattr(status, name))}
    if status.patterns:
        kept["patterns"] = {str(o): _given(known) for o, known in status.patterns.items()}
    if status.refusal is not None:
        kept["refusal"] = _given(status.refusal)
    if status.completed is not None:
        kept["completed"] = _given(status.completed)
    return canonical_json(kept)


def load(value: bytes) -> RequestStatus:
    """The status in a table's value. Raises ValueError for anything that `dump` did not write."""
    try:
        kept = json.loads(value)
        if kept["v"] != VERSION:
            message = f"stored by version {kept['v']}, this is {VERSION}"
            raise ValueError(message)
        return RequestStatus(
            request_id=kept["id"],
            patterns={int(o): _pattern(known) for o, known in kept.get("patterns", {}).items()},
            refusal=Ending(**kept["refusal"]) if "refusal" in kept else None,
            completed=_completed(kept["completed"]) if "completed" in kept else None,
            **{name: kept[name] for name in _PLAIN if name in kept},
        )
    except (KeyError, TypeError, AttributeError) as error:
        message = f"not a stored request status: {error!r}"
        raise ValueError(message) from error


def view(status: RequestStatus) -> dict[str, Any]:
    """What `GET /requests/{id}` answers. Times are ISO 8601 in UTC, null where unknown."""
    counts = status.counts()
    return {
        "request_id": status.request_id,
        "state": status.state,
        "tenant": status.tenant,
        "tier": status.tier,
        "count": status.count,
        "progress": round(status.progress(), 4),
        "counts": dict(sorted(counts.items())),
        "requested_at": _iso(status.requested_ms or None),
        "patterns": [
            _pattern_view(ordinal, status.patterns.get(ordinal, PatternStatus()))
            for ordinal in range(1, status.count + 1)
        ],
        "refusal": _ending_view(status.refusal) if not status.patterns else None,
        "completed": _completed_view(completed_event(status)) if status.completed else None,
    }


def _pattern_view(ordinal: int, known: PatternStatus) -> dict[str, Any]:
    return {
        "ordinal": ordinal,
        "state": known.state,
        "routed_at": _iso(known.routed_ms),
        "generated_at": _iso(known.generated_ms),
        "ended_at": _iso(known.ended_ms),
        "failure": _ending_view(known.ending) if known.published_ms is None else None,
    }


def _ending_view(ending: Ending | None) -> dict[str, Any] | None:
    if ending is None:
        return None
    return {
        "outcome": ending.outcome,
        "stage": ending.stage,
        "reason": ending.reason,
        "field": ending.field,
        "limit": ending.limit,
        "at": _iso(ending.at_ms),
    }


def _completed_view(event: RequestCompleted) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "at": event.completed_at.isoformat(timespec="milliseconds"),
        "published": list(event.published),
        "failed": list(event.failed),
        "cancelled": list(event.cancelled),
        "expired": list(event.expired),
    }


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else time_of(at_ms).isoformat(timespec="milliseconds")


def _given(value: PatternStatus | Ending | Completed) -> dict[str, Any]:
    """Fields that say something: neither None nor empty. A time of 0 ms is said."""
    found: dict[str, Any] = {}
    for spec in fields(value):
        held = getattr(value, spec.name)
        if isinstance(held, Ending):
            held = _given(held)
        if held is not None and held not in ("", ()):
            found[spec.name] = held
    return found


def _pattern(kept: dict[str, Any]) -> PatternStatus:
    ending = kept.pop("ending", None)
    return PatternStatus(ending=Ending(**ending) if ending else None, **kept)


def _completed(kept: dict[str, Any]) -> Completed:
    def ordinals(name: str) -> tuple[int, ...]:
        return tuple(kept.get(name, ()))

    return Completed(
        at_ms=kept["at_ms"],
        published=ordinals("published"),
        failed=ordinals("failed"),
        cancelled=ordinals("cancelled"),
        expired=ordinals("expired"),
    )
