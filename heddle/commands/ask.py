"""`heddle ask PROMPT`: one request, its progress, its files."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from heddle.commands import counter
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from heddle.commands.stack import live_answer
from heddle.stack.processes import LOCAL_TENANT
from postproc.sizes import parse_size_um
from schemas.errors import EXIT_UNREACHABLE, Transient, Unusable
from schemas.limits import LATTICES
from schemas.records import Adapter, Repeat
from schemas.topics import TIERS

if TYPE_CHECKING:
    from client import Heddle, Result
    from heddle.settings import Settings

WAIT_S: Final = 600.0
ASK_S: Final = 1.0
"""How often the live view is asked."""
BAR_CHARACTERS: Final = 30


def add(commands: Commands) -> None:
    """Ask for patterns."""
    parser = command(
        commands,
        "ask",
        _ask,
        does="send one request and wait for its files",
        example="heddle ask 'navy daisies on cream' --size 64x64cm --lattice half-drop --out .",
    )
    parser.add_argument("prompt")
    parser.add_argument("--tenant", default=LOCAL_TENANT)
    parser.add_argument("--tier", default="standard", choices=TIERS)
    parser.add_argument("--size", default="64x64cm", help="of the single unit: 640x640mm, 25.25in")
    parser.add_argument("--lattice", default="straight", choices=LATTICES)
    parser.add_argument("--variations", type=int, default=1, help="how many patterns")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--model", help="family or family@version")
    parser.add_argument("--adapter", action="append", default=[], metavar="NAME[:SCALE]")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--recipe")
    parser.add_argument("--palette-max", type=int, help="at most this many colours")
    parser.add_argument("--negative", help="what should not be in the picture")
    parser.add_argument("--design", help="name shown in file names")
    parser.add_argument("--out", type=Path, help="folder to put the files in")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds (default 600)")
    with_json(parser)


def _ask(given: argparse.Namespace, settings: Settings) -> int:
    width_um, height_um = parse_size_um(given.size, field="size")
    repeat = Repeat(lattice=given.lattice, width_um=width_um, height_um=height_um)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
    with counter.heddle(settings) as house:
        request_id = house.request(
            tenant=given.tenant, prompt=given.prompt, repeat=repeat, **_options(given)
        )
        if not given.json:
            say(f"request {request_id}")
        result = _wait(house, request_id, given, settings["LIVE_URL"])
    saved = _save(result, given, settings)
    _show(result, saved, given)
    return 0 if result.all_published else 1


def _options(given: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {
        "tier": given.tier,
        "variations": given.variations,
        "adapters": tuple(_adapter(text) for text in given.adapter),
        "labels": {"design": given.design} if given.design else {},
        "seed": given.seed,
        "model": given.model,
        "steps": given.steps,
        "guidance": given.guidance,
        "recipe": given.recipe,
        "palette_max": given.palette_max,
        "negative_prompt": given.negative,
    }
    return {name: value for name, value in options.items() if value is not None}


def _adapter(text: str) -> Adapter:
    name, _, scale = text.partition(":")
    try:
        return Adapter(name=name, scale=float(scale or 1.0))
    except ValueError as error:
        raise Unusable(f"--adapter {text}: the scale is no number") from error


def _wait(house: Heddle, request_id: str, given: argparse.Namespace, live_url: str) -> Result:
    shows = sys.stderr.isatty() and not given.json
    bar = Bar(live_url, request_id) if shows else None
    try:
        for result in house.ending([request_id], timeout_s=given.wait):
            if bar is not None:
                bar.show(done=result is not None)
            if result is not None:
                return result
    except KeyboardInterrupt:
        sys.stderr.write(f"\nit goes on without you: heddle status {request_id}\n")
        raise
    except Transient as late:
        line = (
            f"{late}; it goes on: `heddle status {request_id}`, and `heddle status` for the stack"
        )
        raise Unusable(line, exit_code=EXIT_UNREACHABLE) from late
    raise Unusable("the results ended before the request did")


class Bar:
    """How far one request is, as the live view tells; without it, how long it has been waiting."""

    def __init__(self, live_url: str, request_id: str) -> None:
        self._url, self._request_id = live_url, request_id
        self._began_s = time.monotonic()
        self._asked_s = 0.0
        self._share, self._told = 0.0, "sent"

    def show(self, *, done: bool) -> None:
        """Draw it over itself."""
        now_s = time.monotonic()
        if done:
            self._share = 1.0
        elif now_s - self._asked_s >= ASK_S:
            self._asked_s = now_s
            self._look()
        full = round(self._share * BAR_CHARACTERS)
        bar = "=" * full + "." * (BAR_CHARACTERS - full)
        told = "done" if done else self._told
        seconds = now_s - self._began_s
        sys.stderr.write(f"\r[{bar}] {seconds:5.1f} s  {told:<40}" + ("\n" if done else ""))
        sys.stderr.flush()

    def _look(self) -> None:
        """The live view may be down: it only feeds this bar."""
        try:
            answer = live_answer(self._url, self._request_id) if self._url else None
        except Unusable:
            return
        if answer is not None:
            self._share = float(answer["progress"])
            self._told = ", ".join(
                f"{number} {state}" for state, number in answer["counts"].items()
            )


def _save(result: Result, given: argparse.Namespace, settings: Settings) -> list[Path]:
    if given.out is None:
        return []
    from client.files import save  # noqa: PLC0415 - only where files are wanted

    source = counter.shelf(settings)
    return [
        save(file, source, given.out / f"{asset.pattern.ordinal:02d}-{_plain(file.display_name)}")
        for asset in result.published.values()
        for file in asset.files
    ]


def _plain(display_name: str) -> str:
    """A name and nothing of a path, whatever an event may say."""
    return PurePosixPath(display_name.replace("\\", "/")).name or "file"


def _show(result: Result, saved: list[Path], given: argparse.Namespace) -> None:
    if given.json:
        as_json(
            {
                "request_id": result.request_id,
                "count": result.count,
                "published": {
                    ordinal: [file.key for file in asset.files]
                    for ordinal, asset in result.published.items()
                },
                "failed": {ordinal: event.reason for ordinal, event in result.failed.items()},
                "refused": result.refused.reason if result.refused else None,
                "saved": [str(path) for path in saved],
            }
        )
        return
    if result.refused is not None:
        say(f"refused: {result.refused.field}: {result.refused.reason} ({result.refused.limit})")
    for event in result.failed.values():
        say(f"{event.pattern.pattern_id}: {event.outcome}: {event.reason}")
    rows = [
        (asset.pattern.pattern_id, file.role, file.display_name, file.size_bytes)
        for asset in result.published.values()
        for file in asset.files
    ]
    if rows:
        table(("pattern", "role", "file", "bytes"), rows)
    if saved:
        say(f"{len(saved)} files in {given.out}")
