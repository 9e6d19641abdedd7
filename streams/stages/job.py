"""One pattern on its way through generate, and the row it asks the engine for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inference.engine import Row
from schemas import names
from schemas.errors import Rejected
from streams.lanes.lanes import Waiting

if TYPE_CHECKING:
    from collections.abc import Hashable

    from schemas.records import Gate, PatternRouted, Prompt
    from streams.kafka.message import Place


@dataclass(slots=True, eq=False)
class Job:
    """A routed pattern in flight. Handed from thread to thread; only `claim` and the two marks of
    the runner's thread are touched by two."""

    place: Place
    order: PatternRouted = field(repr=False)
    attempt: int = 1
    gpu_us: int = 0
    """Of all attempts."""
    gates: tuple[Gate, ...] = ()
    since_ms: float | None = None
    """Monotonic clock when it first lined up; a second attempt keeps it."""
    slot: int = -1
    """In the engine, while its row is aboard."""
    counted: bool = True
    """The runner's mark: it holds one of its tier's places."""
    given_back: bool = False
    """The runner's mark: nobody waits for it here any more."""
    leaving: bool = False
    """The runner's mark: its partition leaves as soon as it has ended."""
    _claimed: threading.Lock = field(default_factory=threading.Lock)

    def claim(self) -> bool:
        """Whoever calls first has the say over this job: the engine makes it, or the runner gives
        it back. True for the first call only."""
        return self._claimed.acquire(blocking=False)

    @property
    def pattern_id(self) -> str:
        """`request_id.ordinal`."""
        return self.order.pattern.pattern_id

    def seed(self) -> int:
        """Of the current attempt."""
        if self.attempt == 1:
            return self.order.seed
        pattern = self.order.pattern
        return names.seed_of(
            pattern.request_id, self.order.given_seed, ordinal=pattern.ordinal, attempt=self.attempt
        )

    def row(self) -> Row:
        """What the engine is asked for. Raises Rejected for a prompt nobody here can read."""
        order, pattern = self.order, self.order.pattern
        return Row(
            pattern_id=self.pattern_id,
            attempt=self.attempt,
            prompt=_text(order.prompt, "prompt"),
            negative_prompt=_text(order.negative_prompt, "negative_prompt"),
            seed=self.seed(),
            lattice=pattern.lattice,
            width_px=pattern.canvas_width_px,
            height_px=pattern.canvas_height_px,
            steps=order.steps,
            guidance=order.guidance,
            model=self.model,
            adapters=tuple((adapter.name, adapter.scale) for adapter in order.adapters),
        )

    def waiting(self, key: Hashable, *, steps: int, now_ms: float) -> Waiting[Job]:
        """This job for the lanes; its cost is pixels times steps."""
        pattern = self.order.pattern
        since_ms = self.since_ms = now_ms if self.since_ms is None else self.since_ms
        cost = max(pattern.canvas_width_px * pattern.canvas_height_px * steps, 1)
        return Waiting(self, pattern.tier, pattern.tenant, cost, key, since_ms, group=self.model)

    @property
    def model(self) -> str:
        """`family@version`."""
        return f"{self.order.pattern.model}@{self.order.pattern.version}"

    def again(self) -> None:
        """Begin the next attempt."""
        self.attempt += 1


def _text(prompt: Prompt | None, field_name: str) -> str:
    if prompt is None:
        return ""
    if prompt.sealed is not None:
        limit = "text: this worker holds no key"
        raise Rejected("sealed prompt", field=f"{field_name}.sealed", limit=limit)
    return prompt.text or ""
