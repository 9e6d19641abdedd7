"""A deterministic engine for tests of everything else: real tiles, no model, no torch.

It draws a flat-coloured pattern from (prompt hash, seed, lattice) that truly repeats by its
lattice, the same bytes on every machine, in about a millisecond. It keeps every promise of
`Engine` (rows that board and leave, bad ones beside good ones, measured time). It refuses to
be pretty, and it is no fallback: nobody gets its tiles unless a setting says so.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.checks import check, check_boarding, check_riding
from inference.engine import Ended, Forward, ModelCard, Pixels, Row, Tile
from inference.meter import Meter
from inference.shares import weight

Floats = npt.NDArray[np.float64]

CARD: Final = ModelCard(
    family="stand-in",
    version="1",
    tile_px=256,
    size_multiple_px=8,
    size_px_min=32,
    size_px_max=4096,
    steps=4,
    guidance=1.0,
    licence="Apache-2.0",
)
MODEL_HASH: Final = hashlib.sha256(b"heddle stand-in 1").hexdigest()

_WAVES: Final = 24
_WAVES_PER_TILE: Final = (6, 11)
"""Waves per tile, fewest and most: many slanted waves make every line of pixels cross about the
same number of edges, so that the wrap is a line like any other and no gate trips by bad luck."""
_COLOURS: Final = 4
_DRAFTS_MAX: Final = 16


@dataclass(slots=True, eq=False)
class _Rider:
    """A row aboard."""

    row: Row
    key: tuple[Hashable, ...]
    steps_left: int
    rows_shared: int = 1


class StandIn:
    """`Engine` without a model.

    A denoising step sleeps `step_ms`, whatever the number of rows, and `row_ms` for each row: with
    the second at 0 a machine on which batching is free. Rows for which `flawed` answers True get a
    tile that does not repeat.
    """

    def __init__(
        self,
        *,
        rows_max: int = 8,
        models_max: int = 2,
        step_ms: float = 0.0,
        row_ms: float = 0.0,
        flawed: Callable[[Row], bool] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rows_max, self.models_max = rows_max, models_max
        self.device_name = "cpu"
        self._step_ms, self._row_ms = step_ms, row_ms
        self._aboard: dict[int, _Rider] = {}
        self._flawed, self._sleep = flawed, sleep
        self._meter = Meter()

    def key(self, row: Row) -> tuple[Hashable, ...]:
        """As `Engine.key`. Any model and adapter name is taken."""
        check(row, CARD)
        return (row.model, row.width_px, row.height_px, row.adapters)

    def load(self) -> None:
        """As `Engine.load`. Nothing to load."""

    def warm(self) -> None:
        """As `Engine.warm`. Nothing to set up."""

    def models(self) -> tuple[ModelCard, ...]:
        """As `Engine.models`."""
        return (CARD,)

    def close(self) -> None:
        """As `Engine.close`."""

    def add(self, rows: Sequence[Row]) -> list[int | Ended]:
        """As `Engine.add`."""
        _, ended = check_boarding(
            rows,
            self.key,
            aboard=(rider.key for rider in self._aboard.values()),
            rows_max=self.rows_max,
            models_max=self.models_max,
        )
        found: list[int | Ended] = []
        for place, row in enumerate(rows):
            if place in ended:
                found.append(ended[place])
                continue
            slot = next(slot for slot in itertools.count() if slot not in self._aboard)
            self._aboard[slot] = _Rider(row, self.key(row), _steps(row))
            found.append(slot)
        return found

    def step(self, slots: Collection[int]) -> dict[int, Tile | Ended]:
        """As `Engine.step`."""
        riders = check_riding(slots, self._aboard, lambda rider: rider.key, rows_max=self.rows_max)
        with self._meter.stretch("denoise", [_weighed(rider.row) for rider in riders.values()]):
            if cost_ms := self._step_ms + self._row_ms * len(riders):
                self._sleep(cost_ms / 1000)
        for rider in riders.values():
            rider.steps_left -= 1
            rider.rows_shared = max(rider.rows_shared, len(riders))
        done = {slot: rider for slot, rider in riders.items() if not rider.steps_left}
        with self._meter.stretch("decode", [_weighed(rider.row) for rider in done.values()]):
            ends: dict[int, Tile | Ended] = {
                slot: self._tile(rider.row, batch_rows=rider.rows_shared, batch_slot=slot)
                for slot, rider in done.items()
            }
        self.drop(ends)
        return ends

    def drop(self, slots: Collection[int]) -> None:
        """As `Engine.drop`."""
        for slot in slots:
            self._aboard.pop(slot, None)

    def spent(self) -> tuple[Forward, ...]:
        """As `Engine.spent`."""
        return self._meter.take()

    def _tile(self, row: Row, *, batch_rows: int, batch_slot: int) -> Tile:
        pixels = draw(
            hashlib.sha256(row.prompt.encode("utf-8", "surrogatepass")).digest(),
            row.seed,
            lattice=row.lattice,
            width_px=row.width_px,
            height_px=row.height_px,
        )
        if self._flawed and self._flawed(row):
            # A ramp, not a step: a step would be an edge inside the tile as strong as the seam.
            ramp = np.linspace(0.2, 1, row.width_px)[None, :, None]
            pixels = (pixels * ramp).astype(np.uint8)
        return Tile(
            pattern_id=row.pattern_id,
            attempt=row.attempt,
            pixels=pixels,
            model_hash=MODEL_HASH,
            versions={"numpy": np.__version__},
            steps=_steps(row),
            guidance=_guidance(row),
            solver="stand-in",
            batch_rows=batch_rows,
            batch_slot=batch_slot,
        )


def draw(prompt_sha256: bytes, seed: int, *, lattice: str, width_px: int, height_px: int) -> Pixels:
    """The tile of a prompt hash and a seed, (height_px, width_px, 3).

    A sum of waves of the lattice's own frequencies, cut into flat colours. A frequency (kx, ky) in
    waves per tile belongs to a lattice when it turns whole circles along both of its translations:
    (W, 0) and (0, H) for straight, (W, H/2) and (0, H) for half-drop, (W, 0) and (W/2, H) for
    brick.
    """
    for draft in range(_DRAFTS_MAX):
        text = b"%s %d %s %d" % (prompt_sha256, seed, lattice.encode(), draft)
        band, colours = _draft(text, lattice=lattice, width_px=width_px, height_px=height_px)
        if _calm(band, lattice):
            break
    return colours[band]


def _draft(text: bytes, *, lattice: str, width_px: int, height_px: int) -> tuple[Pixels, Pixels]:
    """Which band every pixel lies in, (height_px, width_px), and the bands' colours."""
    dice = np.frombuffer(hashlib.shake_256(text).digest(4 * _WAVES + 4 * _COLOURS), np.uint8)
    first = dice[: 4 * _WAVES].reshape(_WAVES, 4) / 256.0
    kx, ky = _frequencies(first, lattice)
    phase = first[:, 2] * 2 * np.pi
    reach = 0.5 + first[:, 3]
    turn_x = 2 * np.pi * np.outer((np.arange(width_px) + 0.5) / width_px, kx)
    turn_y = 2 * np.pi * np.outer((np.arange(height_px) + 0.5) / height_px, ky) + phase
    field = (np.cos(turn_y) * reach) @ np.cos(turn_x).T
    field -= (np.sin(turn_y) * reach) @ np.sin(turn_x).T
    spread = float(np.sqrt((reach**2).sum() / 2))
    band = np.zeros(field.shape, np.uint8)
    for limit in (-0.6, 0.05, 0.7):
        band += field > limit * spread
    return band, _palette(dice[4 * _WAVES :])


def _calm(band: Pixels, lattice: str) -> bool:
    """Whether no more edges run along the wrap than along the average line of pixels."""
    height_px, width_px = band.shape
    left = np.roll(band[:, 0], height_px // 2 if lattice == "half-drop" else 0)
    top = np.roll(band[0], width_px // 2 if lattice == "brick" else 0)
    along_y = float(np.mean(band[:, -1] != left)) / float(np.mean(band[:, 1:] != band[:, :-1]))
    along_x = float(np.mean(band[-1] != top)) / float(np.mean(band[1:] != band[:-1]))
    return along_y <= 1 and along_x <= 1


def _frequencies(dice: Floats, lattice: str) -> tuple[Floats, Floats]:
    """Waves per tile along x and y, directions all round, on the lattice's own grid."""
    fewest, most = _WAVES_PER_TILE
    radius = fewest + (most - fewest) * dice[:, 0]
    # Even steps of direction, each a little off: every tile has edges of every slant.
    angle = np.pi * (np.arange(_WAVES) + dice[:, 1]) / _WAVES
    kx, ky = np.rint(radius * np.cos(angle)), np.rint(radius * np.sin(angle))
    if lattice == "half-drop":
        kx = kx + (ky % 2) / 2
    elif lattice == "brick":
        ky = ky + (kx % 2) / 2
    return kx, ky


def _palette(dice: npt.NDArray[np.uint8]) -> Pixels:
    """Four colours from dark to light or back: neighbouring bands differ by about the same."""
    lightness = np.array([40, 100, 160, 220])
    tint = dice[: 3 * _COLOURS].reshape(_COLOURS, 3).astype(np.int64) % 61 - 30
    colours = (lightness[:, None] + tint).astype(np.uint8)
    return colours[::-1] if dice[-1] % 2 else colours


def _steps(row: Row) -> int:
    return CARD.steps if row.steps is None else row.steps


def _guidance(row: Row) -> float:
    return CARD.guidance if row.guidance is None else row.guidance


def _weighed(row: Row) -> tuple[Row, int]:
    return row, weight(row.width_px, row.height_px, _guidance(row))
