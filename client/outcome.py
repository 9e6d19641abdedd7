"""What became of a request, folded from result events alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.records import AssetPublished, PatternFailed

_NAMED_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of one request, by pattern."""

    request_id: str
    count: int
    """Patterns of the request; 0 for a request refused as a whole."""
    published: Mapping[int, AssetPublished]
    """By ordinal, ascending."""
    failed: Mapping[int, PatternFailed]
    """By ordinal, ascending: failed, cancelled and expired patterns, see `outcome`."""
    refused: PatternFailed | None = None
    """Set when the request was refused before it was split into patterns."""

    @property
    def all_published(self) -> bool:
        """Whether every pattern has its files."""
        return 0 < self.count == len(self.published)


@dataclass(slots=True)
class Ending:
    """Gathers the events of one request in any order, repeats included."""

    request_id: str
    count: int = 0
    published: dict[int, AssetPublished] = field(default_factory=dict)
    failed: dict[int, PatternFailed] = field(default_factory=dict)
    refused: PatternFailed | None = None

    def add(self, event: AssetPublished | PatternFailed) -> None:
        """Take one event in; an asset supersedes a failure of the same pattern, never reversed."""
        pattern = event.pattern
        if isinstance(event, PatternFailed):
            if pattern.ordinal == 0:
                self.refused = event
                return
            self.failed[pattern.ordinal] = event
        else:
            self.published[pattern.ordinal] = event
        self.count = max(self.count, pattern.count)

    @property
    def ended(self) -> int:
        """Patterns that have an end."""
        return len(self.published.keys() | self.failed.keys())

    @property
    def complete(self) -> bool:
        """Whether nothing more is awaited: all patterns ended, or the whole was refused."""
        return self.ended >= self.count if self.count else self.refused is not None

    def result(self) -> Result:
        """The end as it stands."""
        failed = {n: self.failed[n] for n in sorted(self.failed) if n not in self.published}
        return Result(
            request_id=self.request_id,
            count=self.count,
            published=dict(sorted(self.published.items())),
            failed=failed,
            refused=None if self.count else self.refused,
        )


class Endings:
    """Several requests awaited together; hands each over once when it is complete."""

    def __init__(self, request_ids: Iterable[str]) -> None:
        self._open = {request_id: Ending(request_id) for request_id in request_ids}
        self._complete: dict[str, Ending] = {}

    def __len__(self) -> int:
        """Requests not handed over yet."""
        return len(self._open)

    def add(self, event: AssetPublished | PatternFailed) -> None:
        """Take one event in; those of other requests are passed over."""
        ending = self._open.get(event.pattern.request_id)
        if ending is None:
            return
        ending.add(event)
        if ending.complete:
            self._complete[ending.request_id] = ending
        else:
            # A refusal that a replay superseded: the patterns are still to come.
            self._complete.pop(ending.request_id, None)

    def take(self) -> list[Result]:
        """Results of the requests completed by now, in order of completion."""
        done, self._complete = self._complete, {}
        for request_id in done:
            del self._open[request_id]
        return [ending.result() for ending in done.values()]

    def shortage(self) -> str:
        """What is still missing, in words."""
        ended = sum(ending.ended for ending in self._open.values())
        names = ", ".join(list(self._open)[:_NAMED_MAX])
        more = ", ..." if len(self._open) > _NAMED_MAX else ""
        return f"{len(self._open)} requests not ended ({names}{more}), {ended} patterns of them are"
