"""The ledger's own audits as metrics: looked at when somebody asks, at most once a minute.

Each audit stands by itself and within `READ_S_MAX`. It reads the rows of the last day: the bound is
inside the aggregation, so a ledger of years costs one pass over a column of times, and no state of
a row that is older. The views `offsets`, `audit_forwards` and `audit_states` ask the same of
everything that was ever recorded; cut to a day from outside they would still add up all of it, and
cut inside they would take the day's edge for a loss. An audit that failed keeps its last figures,
is not tried again before its minute, and is known by `AUDITED_AT`, which then stands still.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from analytics.contract import FACTS
from schemas.errors import Unusable

from .engine import quoted
from .faults import Fault
from .gauges import (
    AUDIT_ROWS,
    AUDITED_AT,
    AUDITS,
    FACTS_AGE,
    OFFSETS_DOUBLED,
    OFFSETS_MISSING,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .engine import Engine, Handle
    from .gauges import Gauges
    from .limits import Limits

LOG: Final = logging.getLogger("heddle.ledger")
READ_S_MAX: Final = 2.0
"""Of one audit: all of them together stay below the ten seconds that Prometheus waits."""
READ_S_MIN: Final = 0.1
"""Left to the last statement of an audit; none at all would be no bound."""
SERIES_MAX: Final = 1_000
"""Partitions that are told of, those with a finding first; a house has twelve a topic."""

_SINCE: Final = "now64(3, 'UTC') - INTERVAL 1 DAY"
_OFFSETS: Final = f"""
SELECT
    _topic, _partition, min(_offset) AS first, max(_offset) AS last,
    last - first + 1 - uniqExact(_offset) AS missing,
    uniqExactIf(_offset, event_id != '') - uniqExactIf(sipHash64(event_id), event_id != '')
        AS doubled
FROM heddle.raw_offsets
WHERE _timestamp > {_SINCE}
GROUP BY _topic, _partition
ORDER BY missing + doubled DESC, _topic, _partition
LIMIT {SERIES_MAX}"""  # noqa: S608 - constants
# By the primary key: nothing outside the spans is read.
_RECORDED: Final = """
SELECT _topic, _partition, uniqExact(_offset) FROM heddle.raw_offsets
WHERE {spans} GROUP BY _topic, _partition"""
# Repeated rows are folded by hand: FINAL would merge everything before it looks at the time.
_FORWARDS: Final = f"""
SELECT toInt64(sum(torn)) + countIf(forwards_us != shares_us) FROM (
    SELECT
        event_id, piece, sum(of_forwards_us) AS forwards_us, sum(of_shares_us) AS shares_us,
        sum(of_torn) AS torn
    FROM (
        SELECT
            event_id, piece, argMax(arraySum(forwards.parts_us), _offset) AS of_forwards_us,
            toUInt64(0) AS of_shares_us,
            argMax(
                arrayCount(
                    (us, parts, parts_us) -> parts > 0 AND us != parts_us,
                    forwards.duration_us, forwards.parts, forwards.parts_us
                ),
                _offset
            ) AS of_torn
        FROM heddle.raw_usage
        WHERE started_at > {_SINCE}
        GROUP BY incarnation, interval, event_id, piece
        UNION ALL
        SELECT event_id, piece, 0, argMax(duration_us, _offset), 0
        FROM heddle.usage_shares
        WHERE started_at > {_SINCE} AND incarnation != ''
        GROUP BY request_id, ordinal, event_id, piece, attempt
    )
    GROUP BY event_id, piece
)"""  # noqa: S608 - constants
# A minute before the day is read along: intervals follow each other and none is longer than ten
# seconds, so a life that has nothing there begins within the day, and must begin with interval 0.
_STATES: Final = f"""
SELECT count() FROM (
    SELECT
        max(number) - if(min(since) > {_SINCE}, 0, min(number)) + 1 - uniqExact(number) AS missing,
        max(toUnixTimestamp64Milli(since) * 1000 + us) - toUnixTimestamp64Milli(min(since)) * 1000
            - sum(us) AS unknown_us
    FROM (
        SELECT
            incarnation, toInt64(interval) AS number, argMax(started_at, _offset) AS since,
            toInt64(argMax(duration_us, _offset)) AS us
        FROM heddle.raw_usage
        WHERE started_at > {_SINCE} - INTERVAL 1 MINUTE
        GROUP BY incarnation, interval, event_id, piece
    )
    GROUP BY incarnation
    HAVING missing > 0 OR abs(unknown_us) > 1000
)"""  # noqa: S608 - constants
# A view that was never made has no age: infinite, so that whoever compares it hears of it.
_FACTS_AGE: Final = (
    "SELECT if(count(last_success_time) < {views_count}, inf,"
    " toFloat64(max(dateDiff('second', last_success_time, now()))))"
    " FROM system.view_refreshes WHERE database = 'heddle' AND view IN ({views})"
)


class _Reading:
    """The statements of one audit, which share `READ_S_MAX`, on a handle of their own."""

    def __init__(self, handle: Handle, limits: Limits) -> None:
        self._handle = handle
        self._until_s = time.monotonic() + READ_S_MAX
        handle.set({
            "max_threads": 1,
            "max_memory_usage": limits.read_memory_bytes_max,
            "max_bytes_before_external_group_by": limits.read_spill_bytes_min,
        })  # fmt: skip

    def texts(self, sql: str) -> list[list[str]]:
        """Rows of strings. Raises Fault, also where the time is over."""
        left_s = max(self._until_s - time.monotonic(), READ_S_MIN)
        self._handle.set({"max_execution_time": f"{left_s:.2f}"})
        return self._handle.texts(sql)

    def number(self, sql: str) -> float:
        """The one cell of an answer."""
        return float(self.texts(sql)[0][0])


class Audit:
    """Looks at one engine for one process's gauges."""

    def __init__(self, engine: Engine, gauges: Gauges, limits: Limits) -> None:
        self._engine, self._gauges, self._limits = engine, gauges, limits
        self._looked_s = float("-inf")
        self._lock = threading.Lock()
        steps = (self._offsets, self._forwards, self._states, self._facts)
        self._audits: dict[str, Callable[[_Reading], None]] = dict(zip(AUDITS, steps, strict=True))

    def look(self) -> None:
        """Bring the gauges up to date if they are old and nobody else is at it."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._looked_s >= self._limits.audit_s_min:
                # Before the audits: one that fails would else be tried at every scrape.
                self._looked_s = time.monotonic()
                for name in self._audits:
                    self._run(name)
        finally:
            self._lock.release()

    def _run(self, name: str) -> None:
        try:
            with self._engine.handle() as handle:
                self._audits[name](_Reading(handle, self._limits))
        except (Fault, Unusable) as error:
            # Too busy, or stopping: the figures of the last time stand, with their time.
            LOG.warning("the audit of %s failed: %s", name, error)
            return
        self._gauges.audit(AUDITED_AT, time.time(), name)

    def _offsets(self, reading: _Reading) -> None:
        rows = reading.texts(_OFFSETS)
        confirmed = _confirmed(reading, [row for row in rows if row[4] != "0"])
        missing: dict[tuple[str, ...], float] = {}
        doubled: dict[tuple[str, ...], float] = {}
        for topic, partition, _, _, lacking, repeated in rows:
            labels = (topic, partition)
            missing[labels] = confirmed.get(labels, float(lacking))
            doubled[labels] = float(repeated)
        self._gauges.table(OFFSETS_MISSING, missing)
        self._gauges.table(OFFSETS_DOUBLED, doubled)

    def _forwards(self, reading: _Reading) -> None:
        self._gauges.audit(AUDIT_ROWS, reading.number(_FORWARDS), "forwards")

    def _states(self, reading: _Reading) -> None:
        self._gauges.audit(AUDIT_ROWS, reading.number(_STATES), "states")

    def _facts(self, reading: _Reading) -> None:
        views = ", ".join(quoted(name) for name in FACTS)
        sql = _FACTS_AGE.format(views=views, views_count=len(FACTS))
        self._gauges.audit(FACTS_AGE, reading.number(sql))


def _confirmed(
    reading: _Reading, suspects: Sequence[Sequence[str]]
) -> dict[tuple[str, str], float]:
    """What is missing between a partition's first and last offset of the day, whatever its time.

    Times are the producers': an offset among those of today may well be dated yesterday, and is not
    lost. What lies before the day's first offset is the day before's to count.
    """
    if not suspects:
        return {}
    spans = " OR ".join(
        f"(_topic = {quoted(topic)} AND _partition = {int(partition)}"
        f" AND _offset BETWEEN {int(first)} AND {int(last)})"
        for topic, partition, first, last, *_ in suspects
    )
    recorded = {
        (topic, partition): int(count)
        for topic, partition, count in reading.texts(_RECORDED.format(spans=spans))
    }
    return {
        (topic, partition): float(int(last) - int(first) + 1 - recorded[topic, partition])
        for topic, partition, first, last, *_ in suspects
    }
