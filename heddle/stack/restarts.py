"""When a dead process is started again, and when it is given up. Pure: no clock, no process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.errors import EXIT_UNREACHABLE, EXITS

PERSON_NEEDED: Final = frozenset(EXITS) - {0, 1, EXIT_UNREACHABLE}
"""Exit codes that say: trying again gives the same answer until a person has acted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Doubling waits, forgotten after a healthy while, with an end."""

    delay_ms_first: int = 500
    delay_ms_max: int = 15_000
    healthy_ms: int = 60_000
    """A process that lived this long starts its count anew."""

    quick_deaths_max: int = 8
    """This many deaths without a healthy while between them end the tries."""

    look_ms: int = 5_000
    """How often one that is ready is asked whether it is alive."""

    unanswered_max: int = 18
    """This many looks in a row without an answer: it hangs, and is ended to be started again."""

    def quick_deaths(self, before: int, *, lived_ms: int) -> int:
        """Deaths in a row, this one included, when `before` were counted up to now."""
        return 1 if lived_ms >= self.healthy_ms else before + 1

    def delay_ms(self, quick_deaths: int) -> int | None:
        """Wait before the next start, None when there is none. `quick_deaths` is at least 1."""
        if quick_deaths >= self.quick_deaths_max:
            return None
        return min(self.delay_ms_first << (quick_deaths - 1), self.delay_ms_max)


def hopeless(exit_code: int, *, was_ready: bool) -> bool:
    """Whether another start is pointless: never been ready, and it says a person must act.

    One that was ready before is tried again even so: a full disk is emptied, a port given back.
    """
    return not was_ready and exit_code in PERSON_NEEDED
