"""Questions with names, and anybody's SQL: what `heddle sql` asks the ledger as its reader."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import Rejected

from .link import Address, Link

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A file of `questions/`: its first line, a comment, says what it answers."""

    name: str
    title: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Rows in the order the SQL gives them; times are aware, money is Decimal."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def questions() -> dict[str, Question]:
    """All questions with a name, ascending."""
    found = {}
    for entry in sorted(files(__package__).joinpath("questions").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".sql"):
            text = entry.read_text(encoding="utf-8")
            title, _, sql = text.partition("\n")
            name = entry.name.removesuffix(".sql")
            found[name] = Question(name=name, title=title.lstrip("- ").strip(), sql=sql.strip())
    return found


def sql_of(name_or_sql: str) -> str:
    """The SQL of a question, or the text itself. Raises Rejected for an unknown name."""
    text = name_or_sql.strip().rstrip(";").strip()
    if not _NAME.fullmatch(text):
        return text
    known = questions()
    if text not in known:
        raise Rejected(
            f"no question is called {text}", field="sql", limit="one of " + ", ".join(known)
        )
    return known[text].sql


def answer(
    address: Address, name_or_sql: str, parameters: Mapping[str, Any] | None = None
) -> Answer:
    """Ask one question. `parameters` fill placeholders such as `{tenant:String}`.

    Raises Rejected (the SQL is refused or wrong), Transient (nobody answers), Unusable (password).
    """
    link = Link(address)
    try:
        columns, rows = link.rows(sql_of(name_or_sql), parameters)
    finally:
        link.close()
    return Answer(columns=columns, rows=tuple(rows))
