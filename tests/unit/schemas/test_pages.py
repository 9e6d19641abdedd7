"""Generated pages are what the code says: topics, metrics and the AsyncAPI document."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from analytics.endpoint.gauges import METRICS as LEDGER_METRICS
from schemas import asyncapi, committed, metrics, pages, records, topics
from schemas.avsc import FOLDER

DOCUMENT = asyncapi.document()


@pytest.mark.parametrize("page", pages.TABLES)
def test_tables_are_up_to_date(page: str) -> None:
    """Writing the table again changes nothing: run `python -m schemas.pages` if this fails."""
    text = (pages.DOCS / page).read_text(encoding="utf-8")
    assert pages.refreshed(page, text) == text


def test_a_page_without_its_markers_is_an_error() -> None:
    """A lost marker is named rather than the page left as it is."""
    with pytest.raises(ValueError, match=r"topics\.md"):
        pages.refreshed("topics.md", "# Topics\n")


def test_every_metric_is_in_the_table_once() -> None:
    """The list of metrics misses none of the module, and names follow Prometheus."""
    known = [value for value in vars(metrics).values() if isinstance(value, metrics.Metric)]
    assert [*metrics.METRICS, *metrics.SCHEMA_METRICS] == known
    for metric in known:
        assert re.fullmatch(r"heddle_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_the_ledgers_metrics_are_on_the_page() -> None:
    """The second table, written by hand, has a row for each metric of the ledger process."""
    page = (pages.DOCS / "metrics.md").read_text(encoding="utf-8")
    for metric in LEDGER_METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |" in page


def test_the_asyncapi_document_is_up_to_date() -> None:
    """The committed file is what `python -m schemas.asyncapi` writes."""
    text = asyncapi.PAGE.read_text(encoding="utf-8").partition("\n")[2]
    assert text == asyncapi.written(DOCUMENT)


def test_the_asyncapi_document_reads_as_it_was_meant() -> None:
    """Another reader of YAML finds exactly the document, quoting and all."""
    yaml: Any = pytest.importorskip("yaml")
    assert yaml.safe_load(asyncapi.PAGE.read_text(encoding="utf-8")) == DOCUMENT


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yes",
        "No",
        "null",
        "1",
        "1.5",
        "a: b",
        "a #b",
        "- a",
        "ä",
        "a\nb",
        "{x}",
        "'",
        "  a",
        "~",
    ],
)
def test_scalars_that_could_be_misread_are_quoted(value: str) -> None:
    """Text stays text in YAML, whatever it looks like."""
    yaml: Any = pytest.importorskip("yaml")
    written = asyncapi.written({value: [value, {"k": value}], "n": [1, True, None, [], {}]})
    assert yaml.safe_load(written) == {
        value: [value, {"k": value}],
        "n": [1, True, None, [], {}],
    }


def test_every_reference_leads_somewhere() -> None:
    """Local references resolve inside the document, schema files exist and are the newest."""
    found = list(references(DOCUMENT))
    assert found
    for target in found:
        if target.startswith("#/"):
            node: Any = DOCUMENT
            for step in target[2:].split("/"):
                node = node[step]
        else:
            path = (asyncapi.PAGE.parent / target).resolve()
            assert path.parent == FOLDER.resolve()
            record = path.name.partition(".")[0]
            assert json.loads(path.read_text()) == committed.newest(record).source


def references(node: Any) -> Any:
    """Every `$ref` in a document."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_has_the_shape_of_asyncapi_3() -> None:
    """Required members, legal names and actions, and Kafka bindings of one version throughout."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert set(DOCUMENT["channels"]) == set(topics.BY_NAME)
    for part in (DOCUMENT["channels"], *DOCUMENT["components"].values()):
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in part)
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        (message,) = operation["messages"]
        assert message["$ref"].startswith(f"{channel}/messages/")
    messages = DOCUMENT["components"]["messages"]
    assert set(messages) == {kind.__name__ for kind in records.RECORDS}
    for name, message in messages.items():
        assert message["x-schema-id"] == committed.newest(name).schema_id
        assert message["payload"]["schemaFormat"].startswith("application/vnd.apache.avro")
    assert {binding["bindingVersion"] for binding in bindings(DOCUMENT)} == {"0.5.0"}


def bindings(node: Any) -> Any:
    """Every Kafka binding in a document."""
    if isinstance(node, dict):
        if "bindings" in node:
            yield node["bindings"]["kafka"]
        for value in node.values():
            yield from bindings(value)


def test_every_use_of_ours_is_an_operation() -> None:
    """Each writer and reader that is a process of ours sends or receives; outsiders do not."""
    ours = 0
    for topic in topics.TOPICS:
        for action, names in (("send", topic.writers), ("receive", topic.readers)):
            for name in names:
                known = f"{name}-{action}-{topic.name}" in DOCUMENT["operations"]
                assert known == (name not in asyncapi.OUTSIDERS)
                ours += known
    assert ours == len(DOCUMENT["operations"])
