"""The ledger's own audits as metrics: looked at when somebody asks, at most once a minute.

Bounded in rows by a day and in time by `READ_S_MAX`: a ledger too busy to audit itself keeps the
last figures. The same as queries, over everything: the views `offsets`, `audit_forwards`,
`audit_states`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from analytics.contract import FACTS

from .faults import Fault
from .gauges import AUDIT_ROWS, FACTS_AGE, OFFSETS_DOUBLED, OFFSETS_MISSING

if TYPE_CHECKING:
    from .engine import Engine, Handle
    from .gauges import Gauges

EVERY_S: Final = 60.0
READ_S_MAX: Final = 2
_OFFSETS: Final = """
SELECT topic, sum(missing), sum(doubled) FROM (
    SELECT
        _topic AS topic, max(_offset) - min(_offset) + 1 - uniqExact(_offset) AS missing,
        uniqExactIf(_offset, event_id != '') - uniqExactIf(sipHash64(event_id), event_id != '')
            AS doubled
    FROM heddle.raw_offsets
    WHERE _timestamp > now() - INTERVAL 1 DAY
    GROUP BY topic, _partition
) GROUP BY topic"""
_FACTS_AGE: Final = (
    "SELECT max(dateDiff('second', last_success_time, now())) FROM system.view_refreshes "
    "WHERE database = 'heddle' AND view IN ({views})"
)
_AGE_S_UNKNOWN: Final = float("nan")


class Audit:
    """Looks at one engine for one process's gauges."""

    def __init__(self, engine: Engine, gauges: Gauges) -> None:
        self._engine, self._gauges = engine, gauges
        self._looked_s = -EVERY_S
        self._lock = threading.Lock()

    def look(self) -> None:
        """Bring the gauges up to date if they are old and nobody else is at it."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._looked_s >= EVERY_S:
                self._look()
                self._looked_s = time.monotonic()
        except Fault:
            pass  # Too busy, or stopping: the figures of the last time stand.
        finally:
            self._lock.release()

    def _look(self) -> None:
        with self._engine.handle() as handle:
            handle.set({"max_execution_time": READ_S_MAX, "max_threads": 1})
            for topic, missing, doubled in handle.texts(_OFFSETS):
                self._gauges.audit(OFFSETS_MISSING, float(missing), topic)
                self._gauges.audit(OFFSETS_DOUBLED, float(doubled), topic)
            self._gauges.audit(FACTS_AGE, _age_s(handle))
            for audit in ("forwards", "states"):
                # A constant each: no name comes from outside.
                sql = f"SELECT count() FROM heddle.audit_{audit} WHERE started_at > now() - 86400"  # noqa: S608
                if audit == "states":
                    sql = sql.replace("started_at", "last_at")
                self._gauges.audit(AUDIT_ROWS, float(handle.texts(sql)[0][0]), audit)


def _age_s(handle: Handle) -> float:
    views = ", ".join(f"'{name}'" for name in FACTS)
    text = handle.texts(_FACTS_AGE.format(views=views))[0][0]
    return _AGE_S_UNKNOWN if text == "\\N" else float(text)
