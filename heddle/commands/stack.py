"""`heddle up`, `heddle down`, `heddle status [REQUEST]`."""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.request
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from heddle.stack import local
from heddle.stack.layout import StackFolder
from schemas.errors import EXIT_UNREACHABLE, Unusable
from schemas.limits import check_request_id

if TYPE_CHECKING:
    from heddle.settings import Settings
    from heddle.stack.state import StackState

READY_S_MAX: Final = 240.0
ANSWER_S_MAX: Final = 5.0


def add(commands: Commands) -> None:
    """The local stack by hand."""
    up = command(
        commands,
        "up",
        _up,
        does="start the whole line on this machine: Kafka, stages, ledger",
        example="heddle up && heddle ask 'navy dots on cream'",
    )
    up.add_argument("--stack", help="folder of the stack (HEDDLE_STACK, ./.heddle)")
    up.add_argument("--foreground", action="store_true", help="stay until ctrl-C")
    with_json(up)
    down = command(
        commands, "down", _down, does="stop everything that up started", example="heddle down"
    )
    down.add_argument("--stack", help="folder of the stack")
    status = command(
        commands,
        "status",
        _status,
        does="how the stack, or one request, is doing",
        example="heddle status 7f6d1c1e-0a5b-4c57-9d3e-0d1f7a9b2c34",
    )
    status.add_argument("request", nargs="?", help="a request id")
    status.add_argument("--stack", help="folder of the stack")
    with_json(status)


def _up(given: argparse.Namespace, settings: Settings) -> int:
    folder = StackFolder.choose(given.stack, os.environ)
    show = None if given.json else Progress().show
    state = local.up(folder, detach=not given.foreground, wait_s=READY_S_MAX, on_change=show)
    if given.json:
        as_json(asdict(state))
    elif not given.foreground:
        say(f"ready: Kafka at {state.addresses['HEDDLE_BOOTSTRAP']}, logs in {folder.logs}")
        if state.note:
            say(f"note: {state.note}")
        say("try: heddle ask 'navy dots on cream'    stop with: heddle down")
    return 0


class Progress:
    """Says each process once it is ready."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def show(self, state: StackState) -> None:
        """Say what is new."""
        for process in state.processes:
            mark = (process.name, process.phase)
            if (
                process.phase in {"ready", "done", "backing off", "gave up"}
                and mark not in self._said
            ):
                self._said.add(mark)
                why = "" if process.phase in {"ready", "done"} else process.reason
                say(f"  {process.name:<10} {process.phase} {why}".rstrip())


def _down(given: argparse.Namespace, settings: Settings) -> int:
    state = local.down(StackFolder.choose(given.stack, os.environ))
    say("nothing was running" if state is None else "stopped")
    return 0


def _status(given: argparse.Namespace, settings: Settings) -> int:
    if given.request:
        return _request_status(given, settings)
    state = local.status(StackFolder.choose(given.stack, os.environ))
    if state is None:
        raise Unusable("no stack here; start one with `heddle up`")
    if given.json:
        as_json(asdict(state))
    else:
        say(f"{state.condition} {state.reason}".rstrip())
        columns = ("process", "phase", "pid", "port", "restarts", "log")
        rows = [(p.name, p.phase, p.pid, p.port, p.restarts, p.log) for p in state.processes]
        table(columns, rows)
        for process in state.processes:
            if process.reason:
                before = "before this life: " if process.phase in {"starting", "ready"} else ""
                say(f"{process.name}: {before}{process.reason}")
        if state.note:
            say(f"note: {state.note}")
    return 0 if state.condition == "ready" else 1


def _request_status(given: argparse.Namespace, settings: Settings) -> int:
    check_request_id(given.request)
    answer = live_answer(settings.required("LIVE_URL"), given.request)
    if answer is None:
        say(f"request {given.request} is unknown to the live view")
        return 1
    if given.json:
        as_json(answer)
        return 0
    say(f"{answer['request_id']}: {answer['state']}, {answer['count']} patterns")
    if answer["refusal"]:
        say(f"refused: {answer['refusal']['field']}: {answer['refusal']['reason']}")
    rows = [
        (one["ordinal"], one["state"], (one["failure"] or {}).get("reason", ""))
        for one in answer["patterns"]
    ]
    if rows:
        table(("ordinal", "state", "reason"), rows)
    return 0


def live_answer(url: str, request_id: str) -> dict[str, Any] | None:
    """What the live view says of a request; None where it knows none. Raises Unusable."""
    try:
        with urllib.request.urlopen(  # noqa: S310 - the scheme is our own setting
            f"{url}/requests/{request_id}", timeout=ANSWER_S_MAX
        ) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise Unusable(f"the live view answers {error.code}", exit_code=EXIT_UNREACHABLE) from error
    except OSError as error:
        line = f"the live view does not answer at {url}; is it running? (`heddle status`)"
        raise Unusable(line, exit_code=EXIT_UNREACHABLE) from error
