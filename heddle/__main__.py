"""The `heddle` command. Parses, reads settings once, calls one function, tells in one line why not.

Exit codes are those of schemas/errors.py; docs/operations.md lists them.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING, Final

from heddle import logs, settings
from heddle.commands import (
    ask,
    by_hand,
    costs,
    dlq,
    models,
    report,
    run,
    show_settings,
    sql,
    stack,
    tenants,
    topics,
    verdict,
)
from heddle.demo import main as demo
from heddle.stack import state
from heddle.stack.layout import StackFolder
from schemas.errors import (
    EXIT_UNREACHABLE,
    EXIT_UNUSABLE,
    HeddleError,
    Rejected,
    Transient,
    Unusable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heddle.commands.shape import Commands


COMMANDS: Final[tuple[Callable[[Commands], None], ...]] = (
    demo.add,
    stack.add,
    ask.add,
    verdict.add,
    sql.add,
    costs.add,
    report.add,
    dlq.add,
    topics.add,
    tenants.add,
    models.add,
    by_hand.add,
    show_settings.add,
    run.add,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        return _carry_out(given)
    except Unusable as error:
        return _say(error, error.exit_code)
    except Rejected as error:
        limit = f" (limit: {error.limit})" if error.limit else ""
        return _say(f"{error.field}: {error.reason}{limit}" if error.field else error, 1)
    except Transient as error:
        return _say(error, EXIT_UNREACHABLE)
    except HeddleError as error:
        return _say(error, 1)
    except BrokenPipeError:
        # Somebody piped us into `head`: nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # Files and folders that a person named.
        return _say(f"{error.filename or 'system'}: {error.strerror or error}", EXIT_UNUSABLE)
    except KeyboardInterrupt:
        return 130


def _carry_out(given: argparse.Namespace) -> int:
    read = settings.read(os.environ, _stack(given))
    is_stage = given.command == "run"
    logs.begin(
        stage=getattr(given, "stage", given.command),
        style=read["LOG"],
        level=read["LOG_LEVEL"] if is_stage else "warning",
        stream=sys.stdout if is_stage else sys.stderr,
        # A command says itself what became of it; the Kafka client's own words would hide that.
        client_level=logging.NOTSET if is_stage else logging.ERROR,
    )
    return int(given.function(given, read))


def _stack(given: argparse.Namespace) -> Mapping[str, str]:
    """Where the local stack listens, for commands that speak to one; stages are told by theirs."""
    if given.command == "run":
        return {}
    told = state.read(StackFolder.choose(getattr(given, "stack", None), os.environ).state)
    return told.addresses if told is not None else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="heddle", description="From prompts to print-ready repeat patterns, on Kafka."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser


def _say(line: object, exit_code: int) -> int:
    sys.stderr.write(f"heddle: {line}\n")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
