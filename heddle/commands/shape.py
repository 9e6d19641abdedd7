"""What every command shares: its parser with an example, and output for people or programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from heddle.settings import Settings

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Function: TypeAlias = Callable[[argparse.Namespace, "Settings"], int]

CELL_CHARACTERS_MAX: Final = 80


def command(
    commands: Commands, name: str, function: Function | None, *, does: str, example: str
) -> argparse.ArgumentParser:
    """A command's parser; `--help` ends with an example."""
    parser = commands.add_parser(
        name,
        help=does,
        description=does,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if function is not None:
        parser.set_defaults(function=function)
    return parser


def with_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Let a program read the output."""
    parser.add_argument("--json", action="store_true", help="print JSON for a program to read")
    return parser


def say(line: str = "") -> None:
    """A line for people, to stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def as_json(value: Any) -> None:
    """JSON to stdout; decimals as text with all their digits, never as 0E-12."""
    say(json.dumps(value, indent=2, default=_text, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table; long cells are cut."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max([len(name), *(len(row[index]) for row in cells)]) for index, name in enumerate(columns)
    ]
    for row in ([list(columns)], cells):
        for line in row:
            padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
            say("  ".join(padded).rstrip())


def records(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Mapping[str, Any]]:
    """Rows as objects."""
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _text(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _cell(value: Any) -> str:
    text = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return text if len(text) <= CELL_CHARACTERS_MAX else text[: CELL_CHARACTERS_MAX - 1] + "…"
