"""Every metric: name, kind, labels, meaning. `docs/metrics.md` is this table; a test compares them.

Names follow Prometheus (base units). No label ever holds a request id, a tenant or a prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `labels` in the order in which they are given."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_ROWS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

CONSUMED: Final = Metric(
    "heddle_records_consumed_total", "counter", ("topic",), "Records taken from a topic"
)
PRODUCED: Final = Metric(
    "heddle_records_produced_total", "counter", ("topic",), "Records acknowledged by the broker"
)
ENDED: Final = Metric(
    "heddle_records_ended_total",
    "counter",
    ("stage", "outcome"),
    "Records that a stage finished: done, repeated, skipped, rejected, failed, cancelled, expired",
)
DEAD_LETTERS: Final = Metric(
    "heddle_dead_letters_total", "counter", ("stage", "field"), "Raw records put aside"
)
RETRIES: Final = Metric(
    "heddle_retries_total", "counter", ("stage",), "Attempts repeated after a passing failure"
)
IN_FLIGHT: Final = Metric(
    "heddle_in_flight_rows", "gauge", ("stage",), "Records taken and not yet finished"
)
LAG: Final = Metric(
    "heddle_lag_messages", "gauge", ("topic", "partition"), "End of partition less our position"
)
LAG_SECONDS: Final = Metric(
    "heddle_lag_seconds", "gauge", ("topic", "partition"), "Age of the oldest unfinished record"
)
LATENCY: Final = Metric(
    "heddle_stage_seconds",
    "histogram",
    ("stage",),
    "From taking a record to its result being durable",
    _SECONDS,
)
BATCH_ROWS: Final = Metric(
    "heddle_batch_rows", "histogram", ("stage",), "Rows that rode in a denoising step", _ROWS
)
JOINED: Final = Metric(
    "heddle_rows_joined_total",
    "counter",
    ("how",),
    "Rows that boarded: `opening` a batch, or `in-flight` into one under way",
)
ROWS_PAUSED: Final = Metric(
    "heddle_rows_paused_total", "counter", ("tier",), "Rows that rested for an urgent one"
)
WAITED: Final = Metric(
    "heddle_boarding_seconds",
    "histogram",
    ("tier",),
    "From a row's lining up to its first boarding",
    _SECONDS,
)
PAUSED: Final = Metric(
    "heddle_breaker_open", "gauge", ("stage",), "1 while the breaker holds the stage"
)
POLL_AGE: Final = Metric(
    "heddle_poll_age_seconds", "gauge", ("stage",), "Time since the poll loop last turned"
)
SECOND_ATTEMPTS: Final = Metric(
    "heddle_tiles_made_again_total", "counter", ("gate",), "Tiles that their own gates refused"
)
MACHINE_TIME: Final = Metric(
    "heddle_machine_seconds_total", "counter", ("stage", "state"), "Machine time by state"
)

METRICS: Final[tuple[Metric, ...]] = (
    CONSUMED,
    PRODUCED,
    ENDED,
    DEAD_LETTERS,
    RETRIES,
    IN_FLIGHT,
    LAG,
    LAG_SECONDS,
    LATENCY,
    BATCH_ROWS,
    JOINED,
    ROWS_PAUSED,
    WAITED,
    PAUSED,
    POLL_AGE,
    SECOND_ATTEMPTS,
    MACHINE_TIME,
)

SCHEMA_ANSWERS: Final = Metric(
    "heddle_schema_answers_total", "counter", ("status",), "Requests the schema endpoint answered"
)
SCHEMA_METRICS: Final[tuple[Metric, ...]] = (SCHEMA_ANSWERS,)
"""Of the schema endpoint alone; the ledger's own are in `analytics/endpoint/gauges.py`."""
