"""Docs that cannot drift: tables, commands, links and folders are compared with the code."""

from __future__ import annotations

import re
from argparse import ArgumentParser, _SubParsersAction
from pathlib import Path

import pytest

from heddle.__main__ import _parser
from heddle.pages import PAGE, page
from heddle.settings import SETTINGS
from schemas import metrics

HOUSE = Path(__file__).parents[2]
PAGES = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").glob("*.md"), HOUSE / "client/README.md"])
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
ANCHOR = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")
COMMAND = re.compile(
    r"(?:\.venv/bin/)?heddle"
    r" ((?:[a-z]+)(?: (?:list|show|replay|plan|check|apply|rights|set|alias))?)"
)


def commands() -> dict[str, ArgumentParser]:
    """Every command's parser by name."""
    found = (one for one in _parser()._actions if isinstance(one, _SubParsersAction))
    return dict(next(found).choices)


def test_the_settings_page_is_the_table() -> None:
    """docs/settings.md is what `python -m heddle.pages` writes."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_means_something() -> None:
    """No setting without a meaning, no name twice."""
    assert all(setting.meaning for setting in SETTINGS)
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of every page is a file of the repository."""
    broken = [link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()]
    assert broken == []


def headings(path: Path) -> set[str]:
    """Names under which a page's headings can be linked to: words, small, hyphens between."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in found}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_anchors_are_headings(path: Path) -> None:
    """Every link to a part of a page names a heading that stands there."""
    links = [
        ((path.parent / name if name else path).resolve(), anchor)
        for name, anchor in ANCHOR.findall(path.read_text())
    ]
    pages = [(page, anchor) for page, anchor in links if page.suffix == ".md"]
    assert [(page.name, anchor) for page, anchor in pages if anchor not in headings(page)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_commands_in_docs_exist(path: Path) -> None:
    """Whatever a page tells people to type after `heddle` is a command that there is."""
    indented = [line for line in path.read_text().splitlines() if line.startswith("    ")]
    typed = {match.split()[0] for line in indented for match in COMMAND.findall(line)}
    assert typed <= set(commands())


def test_every_room_is_in_the_architecture() -> None:
    """Each package of the house stands in ARCHITECTURE.md's table."""
    text = (HOUSE / "ARCHITECTURE.md").read_text()
    rooms = [path.parent.name for path in HOUSE.glob("*/__init__.py")]
    assert [room for room in rooms if f"`{room}/`" not in text] == []


def test_every_command_has_an_example() -> None:
    """`--help` of each command ends with an example that begins with its own name."""
    for name, command in commands().items():
        assert "example:" in (command.epilog or ""), name
        assert f"heddle {name}" in (command.epilog or ""), name


def test_every_metric_is_told_by_somebody() -> None:
    """A metric that stands in docs/metrics.md is set or counted somewhere outside its table."""
    names = [name for name, one in vars(metrics).items() if isinstance(one, metrics.Metric)]
    rooms = ("streams", "heddle", "analytics", "inference")
    text = "".join(path.read_text() for room in rooms for path in (HOUSE / room).rglob("*.py"))
    used = r"metrics\.{0}\b|^from schemas\.metrics import .*\b{0}\b"
    assert [one for one in names if not re.search(used.format(one), text, re.MULTILINE)] == []
