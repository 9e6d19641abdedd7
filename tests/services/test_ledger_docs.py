"""docs/sql.md says what is: its queries run, its tables of views and questions are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.access import access
from analytics.ask import questions
from analytics.contract import VIEWS
from analytics.link import Address, Link
from analytics.migrate import script
from tests.services.ledger_child import READER_PASSWORD, WRITER_PASSWORD, Ledger, running

PAGE = Path("docs/sql.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        yield process


@pytest.fixture
def reader(ledger: Ledger) -> Iterator[Link]:
    link = Link(Address(url=ledger.url, user="heddle_reader", password=READER_PASSWORD))
    yield link
    link.close()


@pytest.fixture
def writer(ledger: Ledger) -> Iterator[Link]:
    link = Link(Address(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD))
    yield link
    link.close()


def test_the_page_lists_every_view_and_question() -> None:
    """Neither more nor fewer than there are, each question with its own title."""
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted([*VIEWS, *questions()])
    for name, question in questions().items():
        assert f"| `{name}` | {question.title} |" in PAGE


def test_what_is_rendered_for_a_cluster_is_sound_sql(writer: Link) -> None:
    """The engine's own parser takes every statement; no cluster was at hand to run them."""
    for text in script(cluster="main"):
        found = writer.rows("SELECT formatQuerySingleLine({text:String})", {"text": text})[1]
        assert "ON CLUSTER main" in found[0][0] or text.startswith("INSERT INTO")


def test_what_is_rendered_for_access_is_sound_sql(writer: Link) -> None:
    """The engine parses users, roles, quotas and policies, though it has none to run them on."""
    for cluster in ("", "main"):
        for text in access(["acme", "a-b", "a__b"], cluster=cluster):
            writer.rows("SELECT formatQuerySingleLine({text:String})", {"text": text})


def test_every_query_of_the_page_runs_as_reader(reader: Link) -> None:
    """What is printed can be typed."""
    assert len(QUERIES) >= 5
    for sql in QUERIES:
        assert reader.rows(sql)[0]


def test_every_comment_says_unit_currency_and_freshness(reader: Link) -> None:
    """What a column is measured in, whose money, which clock; and of each view, how fresh it is."""
    told = dict(reader.rows("SELECT name, comment FROM system.tables")[1])
    assert set(told) == set(VIEWS)
    assert [view for view, comment in told.items() if " Fresh to " not in comment] == []
    by_name = {"_us$": "icroseconds", "_s$": "econds", "_bytes$": "ytes", "_um$": "icrometres",
               "_px$": "ixels"}  # fmt: skip
    by_type = {"Decimal": "currency", "DateTime64": "UTC", "Date$": "UTC"}
    sql = "SELECT table, name, type, comment FROM system.columns WHERE database = 'heddle'"
    silent = [
        (table, name, word)
        for table, name, kind, comment in reader.rows(sql)[1]
        for subject, rules in ((name, by_name), (kind, by_type))
        for rule, word in rules.items()
        if re.search(rule, subject) and word not in comment
    ]
    assert silent == []
