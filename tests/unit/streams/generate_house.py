"""A generate stage without a broker, for tests: orders in, endings and machine time out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from assets.folder import FolderStore
from inference.stand_in import StandIn
from schemas.codec import Codec
from schemas.records import PatternRouted, Prompt
from streams.kafka.connection import Connection
from streams.kafka.events import Events
from streams.kafka.message import Message, Place
from streams.loop.stage import Ending
from streams.ops import Ops
from streams.stages.generate import GenerateLimits, GenerateStage, Parts
from streams.stages.usage import UsageClock, Worker
from streams.stages.wishes import Wishes
from tests.unit.analytics.events import pattern as some_pattern

EVENTS = Events(codec=Codec())
PATIENCE_S = 20.0
LIMITS = GenerateLimits(waiting_max=4, attempts_max=2)


class Unwished(Wishes):
    """Wishes of a house without a broker: there are none."""

    def start(self) -> None:
        """Nothing to read."""

    def close(self) -> None:
        """Nothing to close."""


class Slow(StandIn):
    """Weights and the first forward take their time."""

    def load(self) -> None:
        time.sleep(0.005)

    def warm(self) -> None:
        time.sleep(0.005)


class House:
    """A stage and what it has ended."""

    def __init__(self, folder: Path, engine: StandIn) -> None:
        self.usage, self.ops = UsageClock(Worker(name="w", stage="generate")), Ops("generate")
        parts = Parts(
            engine=engine,
            store=FolderStore(folder),
            events=EVENTS,
            wishes=Unwished(Connection(bootstrap="nowhere:1"), EVENTS),
            usage=self.usage,
            ops=self.ops,
            limits=LIMITS,
        )
        self.stage = GenerateStage(parts)
        self.stage.open()
        self.endings: list[Ending] = []

    def submit(self, number: int, *, steps: int = 2, tier: str = "draft") -> Message:
        """One order."""
        facts = replace(
            some_pattern(f"r{number}"),
            tier=tier,
            lattice="straight",
            canvas_width_px=64,
            canvas_height_px=64,
        )
        order = PatternRouted(
            event_id="e", pattern=facts, prompt=Prompt(text="x"), seed=number, steps=steps
        )
        output = EVENTS.output(order, topic="patterns.routed.draft")
        message = Message(Place("t", 0, number), output.key, output.value)
        self.stage.submit(message)
        return message

    def until(self, condition: Callable[[], bool]) -> None:
        """Collect, as the runner does, until something holds."""
        pause = threading.Event()
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            self.endings += self.stage.collect()
            assert time.monotonic() < deadline_s, "in vain"
            pause.wait(0.002)

    def ended(self, count: int) -> list[Ending]:
        """So many endings."""
        self.until(lambda: len(self.endings) >= count)
        return self.endings

    def riding(self) -> float:
        """Rows that have boarded so far."""
        lines = self.ops.text().decode().splitlines()
        joined = [one for one in lines if one.startswith("heddle_rows_joined_total{")]
        return sum(float(one.rpartition(" ")[2]) for one in joined)
