"""What the ledger process tells Prometheus. Names are in base units; no label holds a query."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from schemas.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

QUERIES: Final = Metric(
    "heddle_ledger_queries_total",
    "counter",
    ("role", "outcome"),
    "Questions answered: done, refused, failed",
)
QUERY_SECONDS: Final = Metric(
    "heddle_ledger_query_seconds",
    "histogram",
    ("role",),
    "From the request line to the last byte of the answer",
    (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0),
)
ROWS_WRITTEN: Final = Metric(
    "heddle_ledger_rows_written_total", "counter", (), "Rows acknowledged as durable"
)
RUNNING: Final = Metric(
    "heddle_ledger_queries_running", "gauge", ("role",), "Questions that hold a place now"
)
CONNECTIONS: Final = Metric("heddle_ledger_connections", "gauge", (), "Open sockets")
OFFSETS_MISSING: Final = Metric(
    "heddle_ledger_offsets_missing",
    "gauge",
    ("topic", "partition"),
    "Offsets between the first and the last of the last day that were not recorded: lost records",
)
OFFSETS_DOUBLED: Final = Metric(
    "heddle_ledger_offsets_doubled",
    "gauge",
    ("topic", "partition"),
    "Offsets of the last day whose event stands at another offset too",
)
AUDIT_ROWS: Final = Metric(
    "heddle_ledger_audit_rows",
    "gauge",
    ("audit",),
    "Rows of the last day in the audits `forwards` and `states`, which must be empty",
)
FACTS_AGE: Final = Metric(
    "heddle_ledger_facts_age_seconds",
    "gauge",
    (),
    "Since the oldest of the daily facts was made; +Inf where one never was, NaN until looked at",
)
AUDITED_AT: Final = Metric(
    "heddle_ledger_audited_timestamp_seconds",
    "gauge",
    ("audit",),
    "Unix time at which `offsets`, `forwards`, `states`, `facts` were last looked at; 0: never yet",
)
AUDITS: Final = ("offsets", "forwards", "states", "facts")
AUDITED: Final = (OFFSETS_MISSING, OFFSETS_DOUBLED, AUDIT_ROWS, FACTS_AGE, AUDITED_AT)
METRICS: Final = (QUERIES, QUERY_SECONDS, ROWS_WRITTEN, RUNNING, CONNECTIONS, *AUDITED)


class Gauges:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._queries = Counter(
            QUERIES.name, QUERIES.meaning, QUERIES.labels, registry=self.registry
        )
        self._seconds = Histogram(
            QUERY_SECONDS.name,
            QUERY_SECONDS.meaning,
            QUERY_SECONDS.labels,
            buckets=QUERY_SECONDS.buckets,
            registry=self.registry,
        )
        self._rows = Counter(ROWS_WRITTEN.name, ROWS_WRITTEN.meaning, registry=self.registry)
        self._running = Gauge(RUNNING.name, RUNNING.meaning, RUNNING.labels, registry=self.registry)
        self._connections = Gauge(CONNECTIONS.name, CONNECTIONS.meaning, registry=self.registry)

        self._audited = {
            one.name: Gauge(one.name, one.meaning, one.labels, registry=self.registry)
            for one in AUDITED
        }
        # What was never looked at must not read as found well, nor be absent from an alert.
        self.audit(FACTS_AGE, float("nan"))
        for name in AUDITS:
            self.audit(AUDITED_AT, 0.0, name)
        self._tabled: dict[str, frozenset[tuple[str, ...]]] = {}

    def audit(self, metric: Metric, value: float, *labels: str) -> None:
        """What an audit found."""
        gauge = self._audited[metric.name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def table(self, metric: Metric, found: Mapping[tuple[str, ...], float]) -> None:
        """All that an audit found, by labels; what it found before and not now is told no more."""
        for labels in self._tabled.get(metric.name, frozenset()) - found.keys():
            self._audited[metric.name].remove(*labels)
        for labels, value in found.items():
            self.audit(metric, value, *labels)
        self._tabled[metric.name] = frozenset(found)

    def watch(self, *, running: Callable[[str], float], connections: Callable[[], float]) -> None:
        """Where the two gauges are read from when somebody asks."""
        for role in ("reader", "writer"):
            self._running.labels(role).set_function(partial(running, role))
        self._connections.set_function(connections)

    def count(self, *, role: str, outcome: str, seconds: float, rows: int) -> None:
        """One question more."""
        self._queries.labels(role, outcome).inc()
        self._seconds.labels(role).observe(seconds)
        self._rows.inc(rows)

    @property
    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
