"""The diffusion loom behind the `Engine` protocol: models come and go, rows board and leave.

`add`, `step` and `drop` over the three steps of `Loom`; between any two steps rows may come, rest,
go on or go. It refuses to guess: a row that cannot be made is Rejected by name and limit.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from inference.checks import check, check_boarding, check_riding
from inference.engine import (
    Ended,
    Forward,
    ForwardKind,
    ModelCard,
    Pixels,
    Row,
    Tile,
    refused,
)
from inference.loader import Loaded, choose_device, library_versions, load
from inference.loom import Loom, Thread
from inference.meter import Meter
from inference.models import Model, ModelBook
from inference.settings import LoomSettings
from inference.shares import weight
from inference.whole import run
from schemas.errors import Rejected, Transient, Unusable

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What rows must have in common to share a forward. Worn adapters belong to the whole model."""

    model: str
    width_px: int
    height_px: int
    adapters: tuple[tuple[str, float], ...]


@dataclass(slots=True, kw_only=True, eq=False)
class _Flyer:
    """A row aboard."""

    row: Row
    key: Key
    thread: Thread
    rows_shared: int = 1
    adapters: dict[str, str]


class DiffusionEngine:
    """`Engine` on diffusers components, in this process."""

    def __init__(self, settings: LoomSettings) -> None:
        self.rows_max = settings.rows_max
        # A model that had left memory would be loaded for every step.
        self.models_max = max(1, settings.models_max)
        self._settings = settings
        self._device, _ = choose_device(settings)
        self.device_name = (
            torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
        )
        self._book = ModelBook(settings.models_folders)
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._flight: dict[int, _Flyer] = {}
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

    def load(self) -> None:
        """As `Engine.load`. Takes seconds."""
        model = self._default()
        if model.card.name not in self._loaded:
            self._loaded[model.card.name] = load(model, self._settings)

    def _default(self) -> Model:
        name = self._settings.default_model
        try:
            return self._book.find(name)
        except Rejected as error:
            why = "; ".join((f"there is {error.limit}", *self._book.refused))
            raise Unusable(f"default model {name!r} is not among the models: {why}") from error

    def warm(self) -> None:
        """As `Engine.warm`. The first forward sets kernels up, which takes longer than a tile."""
        self.load()
        card = self._default().card
        side_px = card.tile_px
        first = Row(
            pattern_id="warm",
            attempt=1,
            prompt="",
            seed=0,
            lattice="straight",
            width_px=side_px,
            height_px=side_px,
            steps=1,
            model=card.name,
        )
        run(self, [first])

    def models(self) -> tuple[ModelCard, ...]:
        """As `Engine.models`."""
        return self._book.cards()

    def close(self) -> None:
        """As `Engine.close`."""
        self._flight.clear()
        self._loaded.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def add(self, rows: Sequence[Row]) -> list[int | Ended]:
        """As `Engine.add`."""
        key, ended = check_boarding(
            rows,
            self.key,
            aboard=(flyer.key for flyer in self._flight.values()),
            rows_max=self.rows_max,
            models_max=self.models_max,
        )
        found: dict[int, int | Ended] = dict(ended)
        if key is not None:
            members = {place: row for place, row in enumerate(rows) if place not in ended}
            found |= self._board(key, members)
        return [found[place] for place in range(len(rows))]

    def step(self, slots: Collection[int]) -> dict[int, Tile | Ended]:
        """As `Engine.step`."""
        riders = check_riding(slots, self._flight, lambda flyer: flyer.key, rows_max=self.rows_max)
        ends = self._step_together(riders)
        self.drop(ends)
        return ends

    def drop(self, slots: Collection[int]) -> None:
        """As `Engine.drop`."""
        for slot in slots:
            self._flight.pop(slot, None)

    def spent(self) -> tuple[Forward, ...]:
        """The machine time since the last call."""
        return self._meter.take()

    def _board(self, key: Key, members: Mapping[int, Row]) -> dict[int, int | Ended]:
        rows = list(members.values())
        try:
            loaded = self._model(key.model, rows=rows)
            with self._measured("encode", rows):
                adapters = loaded.adapters.wear(key.adapters)
                threads = Loom(loaded).prepare(rows)
        except Rejected as refusal:
            return {place: refused(row, refusal) for place, row in members.items()}
        free = (slot for slot in itertools.count() if slot not in self._flight)
        slots = list(itertools.islice(free, len(rows)))
        for slot, row, thread in zip(slots, rows, threads, strict=True):
            self._flight[slot] = _Flyer(row=row, key=key, thread=thread, adapters=adapters)
        return dict(zip(members, slots, strict=True))

    def _step_together(self, riders: Mapping[int, _Flyer]) -> dict[int, Tile | Ended]:
        flyers = list(riders.values())
        key = flyers[0].key
        loaded = self._model(key.model, rows=[flyer.row for flyer in flyers])
        loaded.adapters.wear(key.adapters)
        loom = Loom(loaded)
        # After a decoding that failed some have no step left: they only wait for their picture.
        self._portions("denoise", loom.step, [one for one in flyers if not one.thread.done])
        done = {slot: flyer for slot, flyer in riders.items() if flyer.thread.done}
        pictures = self._portions("decode", loom.finish, list(done.values()))
        return {
            slot: self._end(slot, flyer, pixels, loaded)
            for (slot, flyer), pixels in zip(done.items(), pictures, strict=True)
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

    def _end(self, slot: int, flyer: _Flyer, pixels: Pixels | None, loaded: Loaded) -> Tile | Ended:
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
            batch_slot=slot,
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
