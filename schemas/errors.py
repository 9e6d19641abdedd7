"""The whole error tree, drawn once.

    HeddleError
    ├── Busy             full at the moment: offer the same thing again after `delay_ms`
    ├── Rejected         never retry: ends as dead letter, failure event, or both
    │   ├── Undecodable  not even a request id could be read: dead letter alone
    │   ├── Conflict     a known request id with another payload: dead letter alone
    │   └── Deadly       workers died with it alone in flight: it is not even decoded again
    ├── Transient        the outside failed: retry with backoff, bounded, then dead letter
    └── Unusable         this process cannot start or go on: setting, port, disk, missing part
        └── MissingPart  something that has to be installed; names the command for it

A stage answers about a record with the first three and no others. `Unusable` is for people at a
terminal and for a supervisor: it carries the exit code of the process, and a stage that meets it in
the middle of a record ends and leaves the record unfinished.
"""

from __future__ import annotations

from typing import Final, Literal

Outcome = Literal["rejected", "failed", "cancelled", "expired"]
"""How a pattern ended when no asset came of it. Only `failed` counts against a model."""

OUTCOMES: Final[tuple[Outcome, ...]] = ("rejected", "failed", "cancelled", "expired")

EXIT_USAGE: Final = 2
EXIT_UNUSABLE: Final = 3
EXIT_MISSING_PART: Final = 4
EXIT_PORT_TAKEN: Final = 5
EXIT_UNREACHABLE: Final = 6
EXIT_CREDENTIALS: Final = 7
EXIT_CERTIFICATE: Final = 8
EXIT_FORBIDDEN: Final = 9
EXIT_TOPICS: Final = 10
EXIT_BROKER_OLD: Final = 11
EXIT_DEVICE: Final = 12
EXIT_VOLUME: Final = 13
EXIT_CLOCK: Final = 14
EXITS: Final[dict[int, str]] = {
    0: "done",
    1: "the work did not come out",
    EXIT_USAGE: "wrong usage or setting",
    EXIT_UNUSABLE: "cannot run",
    EXIT_MISSING_PART: "a part is missing on this machine",
    EXIT_PORT_TAKEN: "a port is taken",
    EXIT_UNREACHABLE: "something outside cannot be reached",
    EXIT_CREDENTIALS: "the broker refuses user or password",
    EXIT_CERTIFICATE: "a certificate is expired, foreign or missing",
    EXIT_FORBIDDEN: "an ACL is missing",
    EXIT_TOPICS: "a topic is missing or has too few partitions",
    EXIT_BROKER_OLD: "the broker is too old for the group protocol",
    EXIT_DEVICE: "the device is not there",
    EXIT_VOLUME: "a volume cannot be written",
    EXIT_CLOCK: "clocks differ too much",
}
"""Exit codes of every process of ours and what each means; docs/operations.md lists the same."""


class HeddleError(Exception):
    """Every error of ours that a caller may meet."""


class Busy(HeddleError):
    """Full: offer the same thing again, not before `delay_ms`."""

    def __init__(self, *, delay_ms: int = 0) -> None:
        super().__init__(f"busy, offer again in {delay_ms} ms")
        self.delay_ms = delay_ms
        """Never negative. 0 means as soon as something has left."""

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a process pool whole."""
        return (_again, (type(self), {"delay_ms": self.delay_ms}))


class Rejected(HeddleError):
    """Terminal for this record: trying again gives the same answer.

    `reason` is a sentence for people; it never holds prompt text. `field` names the input, `limit`
    what it broke. `dead_letter` says whether the raw message is kept: true for input that must be
    repaired, false for a cancelled or expired pattern and for a failed gate. `cpu_us` is the
    processor time spent until it was known: whoever measures it sets it, else it is 0.
    """

    def __init__(
        self,
        reason: str,
        *,
        field: str = "",
        limit: str = "",
        outcome: Outcome = "rejected",
        dead_letter: bool = True,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.limit = limit
        self.outcome: Outcome = outcome
        self.dead_letter = dead_letter
        self.cpu_us = 0

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a process pool whole: the default keeps the sentence and loses the rest."""
        state = {
            "reason": self.reason,
            "field": self.field,
            "limit": self.limit,
            "outcome": self.outcome,
            "dead_letter": self.dead_letter,
        }
        return (_again, (type(self), state), {"cpu_us": self.cpu_us})


class Undecodable(Rejected):
    """Bytes from which no request id can be read."""


class Conflict(Rejected):
    """A known request id with another payload; the reason holds both hashes."""


class Deadly(Rejected):
    """A record that was alone in flight when its worker died, too often to try again."""


class Transient(HeddleError):
    """The outside failed in a way that may pass: retry with backoff, bounded."""

    def __init__(self, reason: str, *, delay_ms: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay_ms = delay_ms
        """Shortest wait before the next try. 0 leaves it to the caller's backoff."""

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a process pool whole."""
        return (_again, (type(self), {"reason": self.reason, "delay_ms": self.delay_ms}))


class Unusable(HeddleError):
    """This process cannot do its work until a person changes something; the message says what."""

    def __init__(self, reason: str, *, exit_code: int = EXIT_UNUSABLE) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class MissingPart(Unusable):
    """Something must be installed first; the message ends with the command for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, exit_code=EXIT_MISSING_PART)


def _again(kind: type[HeddleError], state: dict[str, object]) -> HeddleError:
    return kind(**state)
