"""What every engine answers: rows in, tiles out, and where the machine's time went.

Rows board, ride and leave between any two denoising steps; who rides when is the caller's choice.
This file holds the words only (no torch, no model). An engine is owned by one thread; none of its
methods may be called from two threads at once. It refuses to know who asked: tenants, topics,
prices and files are other rooms' business.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from schemas.errors import Outcome, Rejected

Pixels = npt.NDArray[np.uint8]
"""uint8, (height_px, width_px, 3), sRGB."""

Lattice = Literal["straight", "half-drop", "brick"]
"""How a tile repeats. half-drop: each next column sits half a tile lower. brick: each next row
sits half a tile further right. The tile is always the single unit, before the drop."""

LATTICES: Final[tuple[Lattice, ...]] = ("straight", "half-drop", "brick")

ForwardKind = Literal["load", "encode", "denoise", "decode"]

SEED_MAX: Final = 2**63 - 1
STEPS_MAX: Final = 150
GUIDANCE_MAX: Final = 30.0
PROMPT_CHARS_MAX: Final = 10_000
ADAPTERS_MAX: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tile to make. Everything that decides its pixels is in here."""

    pattern_id: str
    attempt: int
    prompt: str = field(repr=False)
    """Any text; what the tokenizer cannot hold is cut and counted in `Tile.tokens_cut`."""
    negative_prompt: str = field(default="", repr=False)
    seed: int
    """0 .. SEED_MAX."""
    lattice: str
    """One of LATTICES."""
    width_px: int
    height_px: int
    steps: int | None = None
    """None: the model's own recommendation."""
    guidance: float | None = None
    """Classifier-free guidance scale; above 1 every step costs double. None: as for `steps`."""
    model: str
    """`family@version`, or `family` for the newest version this engine holds."""
    adapters: tuple[tuple[str, float], ...] = ()
    """(name, scale), applied together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A finished row."""

    pattern_id: str
    attempt: int
    pixels: Pixels
    model_hash: str
    """SHA-256 over the model's weight files, hexadecimal."""
    versions: Mapping[str, str]
    """Libraries that had a part in the pixels, by name."""
    steps: int
    guidance: float
    solver: str
    batch_rows: int
    """Most rows that shared a denoising forward with this one, itself included."""
    batch_slot: int
    """Its slot; a later row may have had the same one."""
    tokens_cut: int = 0
    """Tokens of the prompt (not of the negative one) that the text encoder could not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A row that ends without a tile. Never holds prompt text."""

    pattern_id: str
    attempt: int
    outcome: Outcome
    """rejected: the row itself is impossible; failed: the model made no finite picture of it;
    cancelled: the caller of `whole.run` said so between two steps."""
    reason: str
    field: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One row's share of a forward."""

    pattern_id: str
    attempt: int
    duration_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A stretch of machine time and the rows that shared it; the parts sum to it exactly."""

    kind: ForwardKind
    started_at: int
    """Unix time in microseconds."""
    duration_us: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a caller may ask of one model."""

    family: str
    version: str
    tile_px: int
    """The side it was trained at."""
    size_multiple_px: int
    """Width and height must be multiples of this (twice this on the side that a half-drop or
    brick halves), else the wrap would not be exact."""
    size_px_min: int
    size_px_max: int
    steps: int
    guidance: float
    licence: str = ""

    @property
    def name(self) -> str:
        """`family@version`."""
        return f"{self.family}@{self.version}"


def refused(row: Row, refusal: Rejected) -> Ended:
    """What becomes of a row that no engine could make."""
    return Ended(
        pattern_id=row.pattern_id,
        attempt=row.attempt,
        outcome=refusal.outcome,
        reason=refusal.reason,
        field=refusal.field,
        limit=refusal.limit,
    )


class Engine(Protocol):
    """Makes tiles. Implemented by the diffusion loom and by the stand-in.

    A slot is a row's place aboard: a small whole number, unique among the rows aboard and given
    again when it is free.
    """

    rows_max: int
    """Most rows of one `add` or `step`."""
    models_max: int
    """Most models aboard at once: more would take turns in memory."""
    device_name: str
    """What the price book knows the machine by: cpu, or the accelerator's own name."""

    def key(self, row: Row) -> tuple[Hashable, ...]:
        """Rows with equal keys may share a step. Raises Rejected for an impossible row.

        Keys are tuples that begin with the model.
        """

    def load(self) -> None:
        """Load the default model, once. Raises Unusable when it cannot be."""

    def warm(self) -> None:
        """Make a first forward, so that nobody's row pays for it; `load` first where it is due."""

    def add(self, rows: Sequence[Row]) -> list[int | Ended]:
        """Let rows (1 .. rows_max, equal keys) board: the slot of each, or its end.

        A row ends at once when it can never be made; the others board. Raises Transient when the
        machine failed (none has boarded), ValueError when the rows do not belong together or
        would be one model too many.
        """

    def step(self, slots: Collection[int]) -> dict[int, Tile | Ended]:
        """One denoising step for these rows (1 .. rows_max, equal keys): those that ended by it.

        Rows aboard that are not named rest where they are; an ended row is aboard no more. Raises
        Transient when the machine failed: no row has ended, and those named may step again.
        ValueError when the slots do not belong together or are not aboard.
        """

    def drop(self, slots: Collection[int]) -> None:
        """Rows leave unfinished. Slots that are not aboard are passed over."""

    def spent(self) -> tuple[Forward, ...]:
        """The machine time since the last call, also of rows that left and of work that failed."""

    def models(self) -> tuple[ModelCard, ...]:
        """Every model that rows may name."""

    def close(self) -> None:
        """Give memory back. The engine is of no use afterwards. May be called twice."""
