"""The diffusion loom behind the `Engine` protocol: models come and go, rows join and leave.

Two faces over the same three steps of `Loom`. In flight: `add(rows)`, then `step()` until the
flight is empty; rows may be added and dropped between any two steps. Whole batches: `run`, which
merely loops those. It refuses to guess: a row that cannot be made is Rejected by name and limit.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from inference.checks import check
from inference.engine import (
    Batch,
    Cancelled,
    Ended,
    Forward,
    ForwardKind,
    ModelCard,
    OnStep,
    Pixels,
    Row,
    Tile,
    refused,
    stopped,
)
from inference.loader import Loaded, choose_device, library_versions, load
from inference.loom import Loom, Thread
from inference.meter import Meter
from inference.models import ModelBook
from inference.settings import LoomSettings
from inference.shares import weight
from schemas.errors import Rejected, Transient, Unusable

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What rows must have in common to share a forward."""

    model: str
    width_px: int
    height_px: int
    adapters: tuple[tuple[str, float], ...]


@dataclass(slots=True, kw_only=True, eq=False)
class _Flyer:
    """A row in flight."""

    row: Row
    key: Key
    slot: int
    thread: Thread
    rows_shared: int = 1
    adapters: dict[str, str]


class DiffusionEngine:
    """`Engine` on diffusers components, in this process."""

    def __init__(self, settings: LoomSettings) -> None:
        self.rows_max = settings.rows_max
        self._settings = settings
        self._device, _ = choose_device(settings)
        self._book = ModelBook(settings.models_folders)
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._flight: list[_Flyer] = []
        # A picture fresh from the VAE is large: on a CPU two at once leave its caches (measured:
        # twice the time per tile at 8), on a GPU they would set the peak of memory.
        self._rows_at_once: dict[ForwardKind, int] = {
            "denoise": settings.rows_max,
            "decode": 1 if self._device.type == "cpu" else 4,
        }
        self._portion_max: dict[tuple[ForwardKind, Key], int] = {}
        self._meter = Meter()
        self._versions = library_versions()
        torch.set_num_threads(settings.threads or max(1, len(os.sched_getaffinity(0)) // 2))

    def key(self, row: Row) -> Key:
        """As `Engine.key`: equal model, size and adapters."""
        card = self._book.find(row.model).card
        check(row, card)
        return Key(card.name, row.width_px, row.height_px, row.adapters)

    def warm(self) -> None:
        """As `Engine.warm`. Takes seconds."""
        name = self._settings.default_model
        try:
            model = self._book.find(name)
        except Rejected as error:
            why = "; ".join((f"there is {error.limit}", *self._book.refused))
            raise Unusable(f"default model {name!r} is not among the models: {why}") from error
        self._loaded[model.card.name] = load(model, self._settings)
        # The first forward sets kernels up, which takes longer than a tile: before readiness, then.
        side_px = model.card.tile_px
        first = Row(
            pattern_id="warm",
            attempt=1,
            prompt="",
            seed=0,
            lattice="straight",
            width_px=side_px,
            height_px=side_px,
            steps=1,
            model=model.card.name,
        )
        self.run([first], cancelled=lambda _: False)

    def models(self) -> tuple[ModelCard, ...]:
        """As `Engine.models`."""
        return self._book.cards()

    def close(self) -> None:
        """As `Engine.close`."""
        self._flight.clear()
        self._loaded.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def run(
        self,
        rows: Sequence[Row],
        *,
        cancelled: Cancelled,
        on_step: OnStep | None = None,
    ) -> Batch:
        """As `Engine.run`."""
        if not 1 <= len(rows) <= self.rows_max:
            msg = f"{len(rows)} rows, this engine takes 1 .. {self.rows_max}"
            raise ValueError(msg)
        ends = self.add(rows)
        if len({flyer.key for flyer in self._flight}) > 1:
            self._flight.clear()
            msg = "rows of different keys in one run"
            raise ValueError(msg)
        steps_most = max((flyer.thread.plan.steps for flyer in self._flight), default=0)
        done = 0
        try:
            while self._flight:
                ends.update(self.step(cancelled=cancelled))
                done += 1
                if on_step:
                    on_step(min(done, steps_most), steps_most)
        finally:
            self._flight.clear()
        return Batch(ends=tuple(ends[slot] for slot in range(len(rows))), forwards=self.spent())

    def add(self, rows: Sequence[Row]) -> dict[int, Tile | Ended]:
        """Let rows join the flight; slots count on from 0 in an empty one.

        Answers at once, by slot, for rows that can never be made.
        """
        first = max((flyer.slot for flyer in self._flight), default=-1) + 1
        ends: dict[int, Tile | Ended] = {}
        groups: dict[Key, list[tuple[int, Row]]] = {}
        for slot, row in enumerate(rows, first):
            try:
                groups.setdefault(self.key(row), []).append((slot, row))
            except Rejected as refusal:
                ends[slot] = refused(row, refusal)
        for key, members in groups.items():
            try:
                self._board(key, members)
            except Rejected as refusal:
                ends.update({slot: refused(row, refusal) for slot, row in members})
        return ends

    def step(self, *, cancelled: Cancelled) -> dict[int, Tile | Ended]:
        """One denoising step for every row in flight; answers, by slot, for those that ended.

        Cancelled rows leave before the forward and are paid for no further. Raises Transient when
        the machine failed; the rows are then still in flight, at the step they had reached.
        """
        ends: dict[int, Tile | Ended] = {}
        for flyer in self._flight:
            if cancelled(flyer.row.pattern_id):
                ends[flyer.slot] = stopped(flyer.row)
        self._flight = [flyer for flyer in self._flight if flyer.slot not in ends]
        for key in dict.fromkeys(flyer.key for flyer in self._flight):
            sharers = [flyer for flyer in self._flight if flyer.key == key]
            ends.update(self._step_together(key, sharers))
        self._flight = [flyer for flyer in self._flight if flyer.slot not in ends]
        return ends

    def spent(self) -> tuple[Forward, ...]:
        """The machine time since the last call."""
        return self._meter.take()

    def _board(self, key: Key, members: Sequence[tuple[int, Row]]) -> None:
        rows = [row for _, row in members]
        loaded = self._model(key.model, rows=rows)
        with self._measured("encode", rows):
            adapters = loaded.adapters.wear(key.adapters)
            threads = Loom(loaded).prepare(rows)
        self._flight.extend(
            _Flyer(row=row, key=key, slot=slot, thread=thread, adapters=adapters)
            for (slot, row), thread in zip(members, threads, strict=True)
        )

    def _step_together(self, key: Key, sharers: Sequence[_Flyer]) -> dict[int, Tile | Ended]:
        loaded = self._model(key.model, rows=[flyer.row for flyer in sharers])
        loaded.adapters.wear(key.adapters)
        loom = Loom(loaded)
        self._portions("denoise", loom.step, sharers)
        finished = [flyer for flyer in sharers if flyer.thread.done]
        pictures = self._portions("decode", loom.finish, finished)
        return {
            flyer.slot: self._end(flyer, pixels, loaded)
            for flyer, pixels in zip(finished, pictures, strict=True)
        }

    def _portions(
        self,
        kind: ForwardKind,
        work: Callable[[Sequence[Thread]], Sequence[Pixels | None]],
        flyers: Sequence[_Flyer],
    ) -> list[Pixels | None]:
        """Do `work` on all flyers, in as few forwards as memory allows."""
        done: list[Pixels | None] = []
        while len(done) < len(flyers):
            limit = self._portion_max.get((kind, flyers[0].key), self._rows_at_once[kind])
            some = flyers[len(done) : len(done) + limit]
            try:
                with self._measured(kind, [flyer.row for flyer in some]):
                    done.extend(work([flyer.thread for flyer in some]))
            except torch.OutOfMemoryError as error:
                # Latents have not moved, so the same rows can go again, fewer at a time.
                torch.cuda.empty_cache()
                if len(some) == 1:
                    raise Transient("not enough memory on the device for one tile") from error
                self._portion_max[kind, flyers[0].key] = len(some) // 2
            except RuntimeError as error:
                raise Transient(f"the device failed in {kind}: {type(error).__name__}") from error
            else:
                for flyer in some:
                    flyer.rows_shared = max(flyer.rows_shared, len(some))
        return done

    def _end(self, flyer: _Flyer, pixels: Pixels | None, loaded: Loaded) -> Tile | Ended:
        row, thread = flyer.row, flyer.thread
        if pixels is None:
            return Ended(
                pattern_id=row.pattern_id,
                attempt=row.attempt,
                outcome="failed",
                reason="the model made no finite picture",
            )
        worn = {f"adapter {name}": digest for name, digest in flyer.adapters.items()}
        return Tile(
            pattern_id=row.pattern_id,
            attempt=row.attempt,
            pixels=pixels,
            model_hash=loaded.model_hash,
            versions={**self._versions, **worn},
            steps=thread.plan.steps,
            guidance=thread.guidance,
            solver=thread.plan.solver,
            batch_rows=flyer.rows_shared,
            batch_slot=flyer.slot,
            tokens_cut=thread.words.tokens_cut,
        )

    def _model(self, name: str, *, rows: Sequence[Row]) -> Loaded:
        """The model in memory, loaded if need be; the time is `rows`' to pay."""
        if name in self._loaded:
            self._loaded.move_to_end(name)
            return self._loaded[name]
        # Make room first: two models may not fit beside each other for a moment.
        while len(self._loaded) >= max(1, self._settings.models_max):
            self._loaded.popitem(last=False)
        with self._measured("load", rows):
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Loaded:
        try:
            return load(self._book.find(name), self._settings)
        except Unusable as error:
            # An operator can mend the folder while the requests wait; the others go on.
            log.error("model cannot be loaded", extra={"model": name, "why": str(error)})
            raise Transient(f"model {name} cannot be loaded at the moment") from error

    @contextmanager
    def _measured(self, kind: ForwardKind, rows: Sequence[Row]) -> Iterator[None]:
        weighed = [(row, self._weight(row)) for row in rows]
        with self._meter.stretch(kind, weighed):
            yield
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)

    def _weight(self, row: Row) -> int:
        guidance = row.guidance
        if guidance is None:
            guidance = self._book.find(row.model).card.guidance
        return weight(row.width_px, row.height_px, guidance)
