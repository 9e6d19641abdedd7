"""Live progress per stage, from the live view: one line, written over itself at a terminal."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_S: Final = 1.0
ANSWER_S_MAX: Final = 2.0
STAGES: Final = ("routed", "generated", "published", "failed")
_REACHED: Final = {
    "routed": ("routed", "generated", "published", "failed", "cancelled", "expired"),
    "generated": ("generated", "published"),
    "published": ("published",),
    "failed": ("failed", "cancelled", "expired"),
}


class Progress:
    """Asks the live view at most once per `EVERY_S`; silent while it does not answer."""

    def __init__(self, live_url: str, request_ids: Sequence[str], *, patterns: int) -> None:
        self._url, self._ids, self._patterns = live_url, request_ids, patterns
        self._began_s = time.monotonic()
        self._asked_s, self._line = 0.0, ""
        self._pool = ThreadPoolExecutor(4, "progress")

    def show(self, *, ended: int) -> None:
        """Draw the line if it is time; `ended` counts patterns whose result has come."""
        now_s = time.monotonic()
        if now_s - self._asked_s < EVERY_S:
            return
        self._asked_s = now_s
        counts = Counter[str]()
        for answer in self._pool.map(self._ask, self._ids):
            counts.update(pattern["state"] for pattern in (answer or {}).get("patterns", ()))
        reached = {
            stage: sum(counts[state] for state in states) for stage, states in _REACHED.items()
        }
        self._draw(reached, ended, now_s - self._began_s)

    def close(self) -> None:
        """End the line."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if sys.stdout.isatty() and self._line:
            sys.stdout.write("\n")

    def _draw(self, reached: dict[str, int], ended: int, seconds: float) -> None:
        told = "  ".join(f"{stage} {reached[stage]:>2}/{self._patterns}" for stage in STAGES[:3])
        failed = f"  failed {reached['failed']}" if reached["failed"] else ""
        line = f"  {told}{failed}  received {ended:>2}"
        if line == self._line and not sys.stdout.isatty():
            return
        self._line = line
        end = "" if sys.stdout.isatty() else "\n"
        start = "\r" if sys.stdout.isatty() else ""
        sys.stdout.write(f"{start}{line}  {seconds:6.1f} s{end}")
        sys.stdout.flush()

    def _ask(self, request_id: str) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(  # noqa: S310 - the address is our own stack's
                f"{self._url}/requests/{request_id}", timeout=ANSWER_S_MAX
            ) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except OSError:
            return None
