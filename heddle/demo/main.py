"""`heddle demo`: everything, for real, in one command; exit 0 only if every pattern came out.

It starts a stack of its own, or, with `--running`, orders from the installation that the settings
name, as `make demo-docker` does. The producer's half behaves like an upstream system: it uses the
public client and nothing else.
"""

from __future__ import annotations

import argparse
import os
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from client import AssetPublished, Heddle, Result, fetch
from heddle import settings as reading
from heddle.commands import counter
from heddle.commands.shape import Commands, command, say, table
from heddle.commands.sql import ask_ledger
from heddle.commands.stack import Progress as StackProgress
from heddle.commands.tenants import set_tenants
from heddle.demo.orders import read_orders
from heddle.demo.progress import Progress
from heddle.stack import local
from heddle.stack.layout import StackFolder
from schemas.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from client.files import Source
    from heddle.demo.sheet import Shown
    from heddle.settings import Settings
    from schemas.records import PatternRequested

ORDERS: Final = Path(__file__).parents[2] / "examples" / "requests.jsonl"
READY_S_MAX: Final = 240.0
RESULTS_S_MAX: Final = 600.0
LEDGER_S_MAX: Final = 60.0
QUESTIONS: Final = (
    ("cost_per_pattern_by_tier", "What did a pattern cost, by tier?"),
    ("latency_by_stage", "How long did it take, by stage?"),
    ("acceptance_by_model", "What do people say of each model? (verdicts simulated by the demo)"),
)


def add(commands: Commands) -> None:
    """The main job."""
    parser = command(
        commands,
        "demo",
        _demo,
        does="start everything, make the example patterns, show them, stop everything",
        example="heddle demo --out demo-output",
    )
    parser.add_argument("--orders", type=Path, default=ORDERS, help="requests, one JSON per line")
    parser.add_argument("--out", type=Path, default=Path("demo-output"))
    parser.add_argument("--stack", help="folder of the demo's own stack (.heddle/demo)")
    parser.add_argument(
        "--running", action="store_true", help="order from what the settings name, start nothing"
    )


@dataclass(slots=True)
class Run:
    """One run of the demo."""

    settings: Settings
    orders: list[PatternRequested]
    out: Path
    results: dict[str, Result] = field(default_factory=dict)
    began_s: float = field(default_factory=time.monotonic)
    sent_s: float = 0.0
    first_s: float = 0.0
    last_s: float = 0.0

    @property
    def patterns(self) -> int:
        """How many patterns were asked for."""
        return sum(order.variations for order in self.orders)

    @property
    def assets(self) -> list[AssetPublished]:
        """What was published, in the order of the orders."""
        found = [self.results[o.request_id] for o in self.orders if o.request_id in self.results]
        return [asset for result in found for asset in result.published.values()]


def _demo(given: argparse.Namespace, settings: Settings) -> int:
    if given.running:
        orders = read_orders(given.orders, run=f"demo-{uuid.uuid4().hex[:8]}")
        run = Run(settings, orders, given.out)
        _make(run)
        _tell(run, counter.shelf(settings))
        return 0 if _all_well(run) else 1
    folder = StackFolder.choose(given.stack or str(Path(".heddle") / "demo"), {})
    local.down(folder)
    folder.clear()
    orders = read_orders(given.orders, run=f"demo-{uuid.uuid4().hex[:8]}")
    began_s = time.monotonic()
    say("starting: Kafka, schema endpoint, ledger, route, generate, finish, record, live")
    with local.running(folder, wait_s=READY_S_MAX, on_change=StackProgress().show) as state:
        say(f"ready after {time.monotonic() - began_s:.1f} s\n")
        told = reading.read(os.environ, state.addresses)
        run = Run(told, orders, given.out, began_s=began_s)
        _make(run)
        _tell(run, folder.assets)
    say(f"\nstopped everything; logs in {folder.logs}")
    return 0 if _all_well(run) else 1


def _make(run: Run) -> None:
    """Send the orders and wait for their ends."""
    set_tenants(run.settings, sorted({order.tenant for order in run.orders}), consent=True)
    ids = [order.request_id for order in run.orders]
    progress = Progress(run.settings.required("LIVE_URL"), ids, patterns=run.patterns)
    with counter.heddle(run.settings) as house:
        house.request_many(run.orders)
        run.sent_s = time.monotonic()
        say(f"{len(ids)} requests for {run.patterns} patterns are on Kafka")
        try:
            for result in house.ending(ids, timeout_s=RESULTS_S_MAX):
                if result is not None:
                    _note(run, result)
                progress.show(ended=len(run.assets))
        except Transient as error:
            say(f"\nnot all ended: {error}")
        finally:
            progress.close()
        _judge(run, house)


def _note(run: Run, result: Result) -> None:
    run.results[result.request_id] = result
    run.last_s = time.monotonic()
    run.first_s = run.first_s or run.last_s
    for event in result.failed.values():
        say(f"\n  {event.pattern.pattern_id}: {event.outcome}: {event.reason}")
    if result.refused is not None:
        say(f"\n  {result.request_id}: refused: {result.refused.field}: {result.refused.reason}")


def _judge(run: Run, house: Heddle) -> None:
    """Simulated verdicts: three of four accepted, the others rejected with a reason."""
    for number, asset in enumerate(run.assets):
        pattern, kept = asset.pattern, number % 4 != 3
        house.feedback(
            pattern.pattern_id,
            "accepted" if kept else "rejected",
            tenant=pattern.tenant,
            reasons=() if kept else ("too busy",),
            reviewer="demo",
        )


def _tell(run: Run, files: Source) -> None:
    costs = _costs(run)
    say()
    rows = [
        (
            asset.pattern.labels.get("design", ""),
            asset.pattern.pattern_id,
            asset.pattern.tier,
            f"{(asset.published_at - asset.pattern.requested_at).total_seconds():.1f} s",
            costs.get(asset.pattern.pattern_id, "not in the ledger"),
        )
        for asset in run.assets
    ]
    table(("design", "pattern", "tier", "latency", "cost"), rows)
    _sheet(run, costs, files)
    for name, title in QUESTIONS:
        say(f"\n{title}    (heddle sql {name})")
        found = ask_ledger(run.settings, name)
        table(found.columns, found.rows)
    say(
        f"\n{len(run.assets)} of {run.patterns} patterns published,"
        f" {sum(len(asset.gates) for asset in run.assets)} gate figures, all within limits:"
        f" {'yes' if _all_well(run) else 'NO'}"
    )
    if run.last_s:
        say(
            f"first result after {run.first_s - run.sent_s:.1f} s, all after"
            f" {run.last_s - run.sent_s:.1f} s; with start-up"
            f" {run.first_s - run.began_s:.1f} s and {run.last_s - run.began_s:.1f} s"
        )


def _costs(run: Run) -> Mapping[str, str]:
    """Cost by pattern id, once the ledger has them all; what it has after `LEDGER_S_MAX`."""
    prefix = run.orders[0].request_id.rpartition("-")[0]
    question = (
        "SELECT pattern_id, toString(round(cost, 8)) || ' ' || currency AS cost, verdict"
        " FROM patterns WHERE startsWith(request_id, {run:String}) AND outcome = 'published'"
    )
    deadline_s = time.monotonic() + LEDGER_S_MAX
    while True:
        found = ask_ledger(run.settings, question, run=prefix)
        judged = sum(bool(row[2]) and row[2] != "none" for row in found.rows)
        if judged >= len(run.assets) or time.monotonic() > deadline_s:
            return {row[0]: row[1] for row in found.rows}
        time.sleep(0.5)


def _sheet(run: Run, costs: Mapping[str, str], files: Source) -> None:
    from heddle.demo.sheet import shown, write_html, write_png  # noqa: PLC0415

    prompts = {order.request_id: order.prompt.text or "" for order in run.orders}
    items: list[Shown] = []
    for asset in run.assets:
        file = next(file for file in asset.files if file.role == "tile")
        pattern = asset.pattern
        tile = fetch(file, files)
        cost = costs.get(pattern.pattern_id, "")
        items.append(shown(asset, tile, prompt=prompts[pattern.request_id], cost=cost))
    if not items:
        return
    run.out.mkdir(parents=True, exist_ok=True)
    write_png(items, run.out / "contact-sheet.png")
    page = write_html(items, run.out, title="Heddle: contact sheet")
    say(f"\ncontact sheet: {page} and {run.out / 'contact-sheet.png'}")


def _all_well(run: Run) -> bool:
    """Whether every pattern was published and every gate passed."""
    gates = [gate for asset in run.assets for gate in asset.gates]
    return len(run.assets) == run.patterns and bool(gates) and all(gate.passed for gate in gates)
