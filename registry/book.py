"""The pattern book as read from `registry.events`. Pure: changes in, answers out.

Aliases are append-only history by epoch, so a request of last week is answered as it was last week.
Refuses to guess: an unknown family or version is Rejected with the field and what is known.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.errors import Rejected
from schemas.names import in_canary

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.records import RegistryChanged

VERSION_REGISTERED = "version-registered"
ALIAS_MOVED = "alias-moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which model makes a request, and why."""

    family: str
    version: str
    tile_px: int
    experiment: str | None = None
    arm: str = "stable"
    arm_probability: float = 1.0
    epoch: int = 0


@dataclass(slots=True)
class _Family:
    versions: dict[str, RegistryChanged] = field(default_factory=dict)
    moves: list[RegistryChanged] = field(default_factory=list)
    """Ascending by epoch."""


@dataclass(slots=True)
class Book:
    """Every family with its versions and the history of its aliases."""

    _families: dict[str, _Family] = field(default_factory=dict)

    def apply(self, change: RegistryChanged) -> None:
        """Take in one entry; a repeated one changes nothing, order does not matter."""
        family = self._families.setdefault(change.family, _Family())
        if change.kind == VERSION_REGISTERED:
            family.versions[change.version] = change
        elif change.kind == ALIAS_MOVED:
            kept = [move for move in family.moves if move.epoch != change.epoch]
            family.moves = sorted([*kept, change], key=lambda move: move.epoch)

    @property
    def families(self) -> tuple[str, ...]:
        """Known families, sorted."""
        return tuple(sorted(self._families))

    def choose(self, wanted: str, *, unit: str, at: datetime) -> Choice:
        """The version for `family` or `family@version`; the arm is drawn by hash of `unit`.

        `at` is the request's broker timestamp. Raises Rejected naming `model`.
        """
        name, _, version = wanted.partition("@")
        family = self._families.get(name)
        if family is None:
            raise _refused(f"model {name} is unknown", self.families)
        if version:
            return self._pinned(name, family, version)
        move = self._move(name, family, at)
        if move.canary is None or move.share <= 0:
            return self._chosen(family, move, move.version)
        canary = in_canary(unit, salt=move.salt, share=move.share)
        return Choice(
            family=name,
            version=move.canary if canary else move.version,
            tile_px=self._tile_px(family, move.canary if canary else move.version),
            experiment=move.experiment,
            arm="canary" if canary else "stable",
            arm_probability=move.share if canary else 1 - move.share,
            epoch=move.epoch,
        )

    def _pinned(self, name: str, family: _Family, version: str) -> Choice:
        if version not in family.versions:
            raise _refused(f"model {name}@{version} is unknown", tuple(sorted(family.versions)))
        tile_px = self._tile_px(family, version)
        return Choice(family=name, version=version, tile_px=tile_px, arm="pinned")

    def _move(self, name: str, family: _Family, at: datetime) -> RegistryChanged:
        """The last move at that time; the first one for a request older than the book."""
        if not family.moves:
            raise _refused(f"model {name} has no stable version", tuple(sorted(family.versions)))
        since = [move.changed_at for move in family.moves]
        return family.moves[max(bisect_right(since, at) - 1, 0)]

    def _chosen(self, family: _Family, move: RegistryChanged, version: str) -> Choice:
        tile_px = self._tile_px(family, version)
        return Choice(family=move.family, version=version, tile_px=tile_px, epoch=move.epoch)

    @staticmethod
    def _tile_px(family: _Family, version: str) -> int:
        known = family.versions.get(version)
        return known.tile_px if known and known.tile_px else 0


def _refused(reason: str, known: tuple[str, ...]) -> Rejected:
    limit = "one of " + (", ".join(known) or "none: register one with `heddle models apply`")
    return Rejected(reason, field="model", limit=limit)
