"""The Grafana dashboard as code: seven groups of panels, each one query over the documented views.

`python -m analytics dashboard` writes `grafana/dashboards/heddle.json`; a test holds the file to
this and runs every query as a reader. Panels of patterns ask `patterns_by_day` for the days that
are shown, panels of days the daily facts: neither reads what lies before.
"""

# ruff: noqa: S608 - its SQL is put together from its own constants.

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

SOURCE: Final = {"type": "grafana-clickhouse-datasource", "uid": "heddle-ledger"}
SCHEMA_VERSION: Final = 39
COLUMNS: Final = 24
HEIGHT: Final = 8
ASKED_BEFORE: Final = "day >= toDate($__fromTime) - 1 AND day <= toDate($__toTime)"
"""Days whose patterns may have ended in the time that is shown: what takes longer than a day after
its request is on the panels of days alone."""
WITH_OPEN: Final = "day IN (SELECT day FROM daily_patterns WHERE open > 0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One query and how it is shown; `sql` may use the plugin's macros for time."""

    title: str
    sql: str
    kind: str = "timeseries"
    """timeseries, table, stat or barchart."""
    unit: str = "short"


GROUPS: Final[tuple[tuple[str, tuple[Panel, ...]], ...]] = (
    (
        "Stages: rate, errors, duration",
        (
            Panel(
                title="Patterns through each stage, per minute",
                sql="SELECT toStartOfMinute(passed.2) AS time, passed.1 AS stage, "
                "count() AS patterns FROM patterns_by_day ARRAY JOIN [('route', routed_at), "
                "('generate', generated_at), ('finish', published_at)] AS passed "
                f"WHERE {ASKED_BEFORE} AND $__timeFilter(passed.2) "
                "GROUP BY time, stage ORDER BY time",
            ),
            Panel(
                title="Share that failed",
                sql="SELECT toStartOfHour(requested_at) AS time, "
                "countIf(outcome = 'failed') / count() AS failed, "
                "countIf(outcome IN ('cancelled', 'expired')) / count() AS stopped "
                f"FROM patterns_by_day WHERE {ASKED_BEFORE} AND $__timeFilter(requested_at) "
                "GROUP BY time ORDER BY time",
                unit="percentunit",
            ),
            Panel(
                title="Time in each stage, waiting included",
                sql="SELECT span.1 AS stage, tier, count() AS patterns, "
                "quantileTDigest(0.5)(span.2) / 1e3 AS p50_s, "
                "quantileTDigest(0.95)(span.2) / 1e3 AS p95_s, "
                "quantileTDigest(0.99)(span.2) / 1e3 AS p99_s "
                "FROM patterns_by_day ARRAY JOIN ["
                "('route', dateDiff('millisecond', requested_at, routed_at)), "
                "('generate', dateDiff('millisecond', routed_at, generated_at)), "
                "('finish', dateDiff('millisecond', generated_at, published_at)), "
                "('total', dateDiff('millisecond', requested_at, published_at))] AS span "
                f"WHERE {ASKED_BEFORE} AND $__timeFilter(requested_at) AND span.2 IS NOT NULL "
                "GROUP BY stage, tier ORDER BY stage, tier",
                kind="table",
                unit="s",
            ),
            Panel(
                title="95 of 100 patterns took less, by day",
                sql="SELECT toDateTime(day) AS time, concat(stage, ' ', tier) AS what, "
                "max(p95_s) AS p95_s FROM daily_latency WHERE $__dateFilter(day) "
                "GROUP BY time, what ORDER BY time",
                unit="s",
            ),
        ),
    ),
    (
        "Queue: what waits, what was lost",
        (
            Panel(
                title="Oldest pattern under way",
                sql="SELECT max(dateDiff('second', requested_at, now())) AS seconds "
                f"FROM patterns_by_day WHERE outcome = 'open' AND {WITH_OPEN}",
                kind="stat",
                unit="s",
            ),
            Panel(
                title="Patterns under way, by tier",
                sql="SELECT tier, sum(d.open) AS waiting FROM daily_patterns AS d "
                "GROUP BY tier HAVING waiting > 0 ORDER BY tier",
                kind="barchart",
            ),
            Panel(
                title="Records lost and doubled, and how long ago the newest came",
                sql="SELECT topic, sum(o.recorded) AS records, sum(o.missing) AS lost, "
                "sum(o.doubled) AS twice, dateDiff('second', max(o.last_at), now()) AS newest_s "
                "FROM offsets AS o GROUP BY topic ORDER BY topic",
                kind="table",
            ),
            Panel(
                title="Events that count nowhere",
                sql="SELECT record, field, count() AS events, max(recorded_at) AS newest "
                "FROM quarantine WHERE $__timeFilter(recorded_at) "
                "GROUP BY record, field ORDER BY events DESC",
                kind="table",
            ),
        ),
    ),
    (
        "Machines: used, idle, failing",
        (
            Panel(
                title="Machine time by state",
                sql="SELECT toDateTime(day) AS time, state, sum(m.duration_us) / 1e6 AS seconds "
                "FROM daily_machines AS m WHERE $__dateFilter(day) "
                "GROUP BY time, state ORDER BY time",
                unit="s",
            ),
            Panel(
                title="Busy, and in forwards",
                sql="SELECT toDateTime(day) AS time, "
                "sumIf(m.duration_us, state = 'busy') / sum(m.duration_us) AS busy, "
                "sum(m.forwards_us) / sum(m.duration_us) AS in_forwards "
                "FROM daily_machines AS m WHERE $__dateFilter(day) GROUP BY time ORDER BY time",
                unit="percentunit",
            ),
            Panel(
                title="Worker lives whose time does not add up",
                sql="SELECT worker, incarnation, first_at, missing, provisioned_us - states_us "
                "AS unknown_us FROM audit_states WHERE $__timeFilter(last_at) ORDER BY first_at",
                kind="table",
            ),
        ),
    ),
    (
        "Money",
        (
            Panel(
                title="Cost per accepted pattern, direct and loaded",
                sql="SELECT toDateTime(day) AS time, "
                "toFloat64(sum(f.cost)) / nullIf(sum(f.accepted), 0) AS direct, "
                "toFloat64(sum(f.loaded_cost)) / nullIf(sum(f.accepted), 0) AS loaded "
                "FROM daily_patterns AS f WHERE $__dateFilter(day) GROUP BY time ORDER BY time",
            ),
            Panel(
                title="Cost per generated pattern, by model",
                sql="SELECT toDateTime(day) AS time, concat(model, '@', version) AS model_version, "
                "toFloat64(sum(f.cost)) / nullIf(sum(f.generated), 0) AS direct "
                "FROM daily_patterns AS f WHERE $__dateFilter(day) "
                "GROUP BY time, model_version ORDER BY time",
            ),
            Panel(
                title="Where the money goes",
                sql="SELECT toDateTime(day) AS time, kind, toFloat64(sum(f.cost)) AS money "
                "FROM daily_costs AS f WHERE $__dateFilter(day) GROUP BY time, kind "
                "UNION ALL SELECT toDateTime(day) AS time, one.1 AS kind, "
                "toFloat64(sum(one.2)) FROM daily_costs AS f "
                "ARRAY JOIN [('load', f.load_cost), ('idle', f.idle_cost)] AS one "
                "WHERE $__dateFilter(day) GROUP BY time, kind ORDER BY time",
            ),
            Panel(
                title="By tenant",
                sql="SELECT tenant, sum(f.cost) AS direct, sum(f.loaded_cost) AS loaded "
                "FROM daily_costs AS f WHERE $__dateFilter(day) GROUP BY tenant ORDER BY tenant",
                kind="table",
            ),
            Panel(
                title="Files on the shelf",
                sql="SELECT toDateTime(day) AS time, tenant, max(s.stored_bytes) AS bytes "
                "FROM daily_storage AS s WHERE $__dateFilter(day) "
                "GROUP BY time, tenant ORDER BY time",
                unit="bytes",
            ),
        ),
    ),
    (
        "Acceptance",
        (
            Panel(
                title="Accepted of judged, by version",
                sql="SELECT toDateTime(day) AS time, concat(model, '@', version) AS model_version, "
                "sum(f.accepted) / nullIf(sum(f.judged), 0) AS accepted "
                "FROM daily_patterns AS f WHERE $__dateFilter(day) "
                "GROUP BY time, model_version ORDER BY time",
                unit="percentunit",
            ),
            Panel(
                title="Judged of published",
                sql="SELECT toDateTime(day) AS time, "
                "sum(f.judged) / nullIf(sum(f.published), 0) AS judged "
                "FROM daily_patterns AS f WHERE $__dateFilter(day) GROUP BY time ORDER BY time",
                unit="percentunit",
            ),
            Panel(
                title="Why people reject",
                sql="SELECT arrayJoin(reasons) AS reason, count() AS words FROM verdicts "
                "WHERE kind = 'rejected' AND $__timeFilter(happened_at) "
                "GROUP BY reason ORDER BY words DESC LIMIT 20",
                kind="barchart",
            ),
        ),
    ),
    (
        "Canary",
        (
            Panel(
                title="Arms",
                sql="SELECT experiment, arm, version, sum(f.published) AS made, "
                "sum(f.judged) AS heard, sum(f.accepted) AS kept, "
                "round(sum(f.accepted) / nullIf(sum(f.published), 0), 4) AS rate, "
                "toFloat64(sum(f.cost)) / nullIf(sum(f.published), 0) AS cost_per_published "
                "FROM daily_patterns AS f WHERE $__dateFilter(day) "
                "GROUP BY experiment, arm, version ORDER BY experiment, arm, version",
                kind="table",
            ),
            Panel(
                title="Accepted of published, by arm",
                sql="SELECT toDateTime(day) AS time, arm, "
                "sum(f.accepted) / nullIf(sum(f.published), 0) AS accepted "
                "FROM daily_patterns AS f WHERE $__dateFilter(day) "
                "GROUP BY time, arm ORDER BY time",
                unit="percentunit",
            ),
        ),
    ),
    (
        "Pattern book",
        (
            Panel(
                title="Changes",
                sql="SELECT changed_at AS time, family, epoch, kind, version, canary, share, "
                "actor, reason FROM model_book WHERE $__timeFilter(changed_at) ORDER BY time DESC",
                kind="table",
            ),
            Panel(
                title="Published, by version",
                sql="SELECT toDateTime(day) AS time, concat(model, '@', version) AS model_version, "
                "sum(f.published) AS made FROM daily_patterns AS f WHERE $__dateFilter(day) "
                "GROUP BY time, model_version ORDER BY time",
            ),
        ),
    ),
)


def dashboard() -> str:
    """The JSON that Grafana provisions, with a row per group."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, group in GROUPS:
        panels.append({
            "id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
        })  # fmt: skip
        top += 1
        width = COLUMNS // len(group)
        for place, panel in enumerate(group):
            at = {"h": HEIGHT, "w": width, "x": place * width, "y": top}
            panels.append(_shown(panel, len(panels) + 1, at))
        top += HEIGHT
    whole = {
        "uid": "heddle-ledger",
        "title": "Heddle",
        "description": "Written by `python -m analytics dashboard`; do not edit.",
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "timezone": "utc",
        "refresh": "1m",
        "time": {"from": "now-30d", "to": "now"},
        "panels": panels,
    }
    return json.dumps(whole, indent=2) + "\n"


def _shown(panel: Panel, number: int, at: dict[str, int]) -> dict[str, Any]:
    is_series = panel.kind == "timeseries"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "gridPos": at,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [{
            "refId": "A",
            "datasource": SOURCE,
            "editorType": "sql",
            "queryType": "timeseries" if is_series else "table",
            # How the plugin numbers formats: 0 is a time series, 1 a table.
            "format": 0 if is_series else 1,
            "rawSql": panel.sql,
        }],
    }  # fmt: skip
