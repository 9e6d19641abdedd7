"""What the runner asks of a stage, and what a stage answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from schemas.errors import Rejected
    from streams.kafka.message import Message, Output, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one runner; every wait, queue, retry and batch has its own."""

    in_flight_max: int = 64
    """Records taken and not finished."""
    careful_max: int = 16
    """Per partition, after a worker's death: records taken one at a time, alone in flight."""
    records_max: int = 500
    """Records of one poll."""
    tries_max: int = 8
    """Attempts of one record whose failure may pass."""
    backoff_ms: int = 500
    """Wait before the second attempt; doubles."""
    backoff_ms_max: int = 30_000
    deaths_max: int = 3
    """Deaths of a worker with one record alone in flight before that record is put aside."""
    breaker_errors_max: int = 5
    """Unexpected errors or exhausted retries in a row before the stage pauses itself."""
    probe_ms: int = 10_000
    """While paused by the breaker: one record at this interval."""
    commit_ms: int = 1_000
    drain_ms_max: int = 25_000
    """For what is in flight when told to stop."""
    close_ms_max: int = 5_000
    """For threads to end once nobody waits for their work."""
    revoke_ms_max: int = 10_000
    """For what is in flight on partitions that move to another worker."""
    idle_poll_ms: int = 500
    busy_poll_ms: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one submitted record ended. With neither outputs nor error it simply ended."""

    place: Place
    outputs: tuple[Output, ...] = ()
    error: Exception | None = None
    """Rejected, Transient, Unusable (the worker ends, the record waits), or anything unexpected."""
    outcome: str = "done"
    """For counting: done, or repeated when the shelf had it already."""


class Stage(Protocol):
    """One stage on the runner. Every method is called on the runner's thread."""

    name: str
    takes_tombstones: bool
    """Whether records without a value are submitted too; the runner ends them itself where not."""

    def open(self) -> None:
        """Get ready for the first record; `ready` may follow later. Raises Unusable."""

    def submit(self, message: Message) -> None:
        """Begin one record. Never blocks long. Raises Busy (offer again), Rejected, Transient."""

    def hurry(self) -> None:
        """Nothing more comes until what was submitted has ended: do not wait for company."""

    def collect(self) -> Sequence[Ending]:
        """What has ended since the last call. Never blocks."""

    def asides(self, *, last: bool = False) -> Sequence[Output]:
        """Outputs that belong to no record: usage; with `last`, what is begun too. Never blocks."""

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """The PatternFailed of a refused record; None where no request id can be read."""

    def surrender(self, places: Collection[Place]) -> Sequence[Place]:
        """Give back those of these that were not begun. They will be redone."""

    def close(self, *, timeout_s: float) -> None:
        """Stop threads and processes within the timeout."""


class Work(Protocol):
    """One record at a time, blocking: a stage that a pool of threads can carry."""

    name: str

    def open(self) -> None:
        """Get ready for the first record. Raises Unusable."""

    def __call__(self, message: Message) -> Sequence[Output]:
        """Do it. Raises Rejected, Transient, Unusable; anything else counts as unexpected."""

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """The PatternFailed of a refused record; None where no request id can be read."""

    def close(self) -> None:
        """Let go of what it holds."""
