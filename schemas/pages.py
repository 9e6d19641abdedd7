"""The tables in docs/: `python -m schemas.pages` writes them between their markers.

The words around a table are written by people; the rows come from `topics.py`, `metrics.py` and the
committed schemas. Not carried by the client's wheel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from . import committed, metrics, topics
from .topics import DAY_MS, Topic

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"


def topics_table() -> str:
    """Topics: record and its id, key, keeping, writers, readers, dead letters."""
    head = ("Topic", "Record (schema id)", "Key", "Kept", "Written by", "Read by", "Dead letters")
    return _table(head, (_topic_row(topic) for topic in topics.TOPICS))


def metrics_table() -> str:
    """Metrics: kind, labels, meaning."""
    rows = (
        (f"`{metric.name}`", metric.kind, _codes(metric.labels), metric.meaning)
        for metric in (*metrics.METRICS, *metrics.SCHEMA_METRICS)
    )
    return _table(("Metric", "Kind", "Labels", "Meaning"), rows)


TABLES: Final[dict[str, Callable[[], str]]] = {
    "topics.md": topics_table,
    "metrics.md": metrics_table,
}


def refreshed(page: str, text: str) -> str:
    """The page with its table as it should be. Raises ValueError where the markers are missing."""
    begin, end = f"<!-- {page} table -->\n", f"<!-- end of {page} table -->\n"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        message = f"docs/{page} lacks the markers around its table"
        raise ValueError(message)
    return f"{before}{begin}{TABLES[page]()}{end}{after}"


def _topic_row(topic: Topic) -> Sequence[str]:
    record = topic.record.__name__
    return (
        f"`{topic.name}`",
        f"{record} ({committed.newest(record).schema_id})",
        topic.key,
        "for ever, compacted" if topic.compacted else f"{topic.retention_ms // DAY_MS} days",
        ", ".join(topic.writers),
        ", ".join(topic.readers),
        _codes(f".{stage}.dlq" for stage in topic.dead_letter_stages),
    )


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for name in TABLES:
        path = DOCS / name
        path.write_text(refreshed(name, path.read_text(encoding="utf-8")), encoding="utf-8")
