"""docs/sql.md says what is: its queries run, its tables of views and questions are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.ask import questions
from analytics.contract import VIEWS
from analytics.link import Address, Link
from tests.services.ledger_child import READER_PASSWORD, running

PAGE = Path("docs/sql.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    with running(tmp_path_factory.mktemp("ledger")) as ledger:
        link = Link(Address(url=ledger.url, user="heddle_reader", password=READER_PASSWORD))
        yield link
        link.close()


def test_the_page_lists_every_view_and_question() -> None:
    """Neither more nor fewer than there are, each question with its own title."""
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted([*VIEWS, *questions()])
    for name, question in questions().items():
        assert f"| `{name}` | {question.title} |" in PAGE


def test_every_query_of_the_page_runs_as_reader(reader: Link) -> None:
    """What is printed can be typed."""
    assert len(QUERIES) >= 5
    for sql in QUERIES:
        assert reader.rows(sql)[0]
