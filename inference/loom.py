"""One loaded model, weaving: prepare(rows), step(threads), finish(threads).

A Thread is a row under way. Threads at different steps, with different step counts, guidance, seeds
and lattices, share one UNet forward; only size, model and worn adapters must be equal. Latents
change in one place (`_advance`), after everything that can fail, so a step that failed can be
taken again. Nothing here knows of time, cancelling or queues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inference.engine import LATTICES, Pixels, Row
from inference.loader import Loaded
from inference.prompts import Words, encode, nothing_said
from inference.solvers import Plan, plan


@dataclass(slots=True, kw_only=True, eq=False)
class Thread:
    """A row under way. Its tensors lie on the model's device."""

    row: Row
    plan: Plan
    guidance: float
    words: Words
    unsaid: Words | None
    """The unconditional input. None when guidance needs none."""
    latents: Tensor
    """float32, (channels, height, width)."""
    picture: Tensor
    """x0 as the model last believed in it; zeros at first."""
    at: int = 0
    """Steps done."""

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.at >= self.plan.steps


class Loom:
    """Weaves with one model. The caller has put the adapters on (`loaded.adapters.wear`)."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._stride = 2 ** (len(loaded.pipe.vae.config.block_out_channels) - 1)

    def prepare(self, rows: Sequence[Row]) -> list[Thread]:
        """Encode the words and draw the noise of `rows`, each from a generator of its own."""
        card = self._loaded.model.card
        guidance = [card.guidance if row.guidance is None else row.guidance for row in rows]
        guided = [row for row, scale in zip(rows, guidance, strict=True) if scale > 1]
        texts = [row.prompt for row in rows] + [row.negative_prompt for row in guided]
        words = encode(self._loaded, texts)
        unsaid = iter(words[len(rows) :])
        return [
            self._thread(
                row,
                scale,
                words=words[place],
                unsaid=self._unsaid(row, next(unsaid)) if scale > 1 else None,
            )
            for place, (row, scale) in enumerate(zip(rows, guidance, strict=True))
        ]

    def step(self, threads: Sequence[Thread]) -> list[Pixels | None]:
        """Move every thread (none done, all of one size) one step on, in one forward.

        Answers None for each: no picture yet.
        """
        with torch.inference_mode():
            out = self._guided(threads)
            self._advance(threads, out)
        return [None] * len(threads)

    def finish(self, threads: Sequence[Thread]) -> list[Pixels | None]:
        """The pictures, in the order given; None where the model made no finite one."""
        vae = self._loaded.pipe.vae
        order = _by_lattice(threads)
        config = vae.config
        shift = getattr(config, "shift_factor", None) or 0.0
        with torch.inference_mode():
            latents = torch.stack([threads[place].latents for place in order])
            self._loaded.wrap.use([threads[place].row.lattice for place in order])
            pictures = vae.decode(latents / config.scaling_factor + shift).sample
            pictures = pictures.float().cpu()
        found: list[Pixels | None] = [None] * len(threads)
        for place, picture in zip(order, pictures, strict=True):
            found[place] = _pixels(picture)
        return found

    def _unsaid(self, row: Row, encoded: Words) -> Words:
        zeros = None if row.negative_prompt else nothing_said(self._loaded, encoded)
        return zeros or encoded

    def _thread(self, row: Row, guidance: float, *, words: Words, unsaid: Words | None) -> Thread:
        loaded = self._loaded
        steps = loaded.model.card.steps if row.steps is None else row.steps
        solver: Any = loaded.model.solver or None
        shape = (
            loaded.pipe.unet.config.in_channels,
            row.height_px // self._stride,
            row.width_px // self._stride,
        )
        # A CPU generator gives the same noise on every device; diffusers advises the same.
        dice = torch.Generator("cpu").manual_seed(row.seed)
        noise = torch.randn((1, *shape), generator=dice, dtype=torch.float32)[0]
        latents = noise.to(loaded.device)
        return Thread(
            row=row,
            plan=plan(loaded.schedule, steps, solver=solver),
            guidance=guidance,
            words=words,
            unsaid=unsaid,
            latents=latents,
            picture=torch.zeros_like(latents),
        )

    def _guided(self, threads: Sequence[Thread]) -> Tensor:
        """What the UNet answers for each thread, guidance applied: (threads, channels, h, w)."""
        # One entry per UNet row: a guided thread has two. Rows of one lattice lie together, so
        # that the wrap has few runs.
        order = _by_lattice(threads)
        entries = [(place, True) for place in order]
        entries += [(place, False) for place in order if threads[place].unsaid is not None]
        entries.sort(key=lambda entry: LATTICES.index(threads[entry[0]].row.lattice))
        out = self._unet(threads, entries)
        where = {entry: at for at, entry in enumerate(entries)}
        said = out[[where[place, True] for place in range(len(threads))]]
        unsaid = out[
            [where.get((place, False), where[place, True]) for place in range(len(threads))]
        ]
        scale = _column([thread.guidance for thread in threads], out.device)
        return unsaid + scale * (said - unsaid)

    def _unet(self, threads: Sequence[Thread], entries: Sequence[tuple[int, bool]]) -> Tensor:
        loaded = self._loaded
        picked = [threads[place] for place, _ in entries]
        words = [_words(threads[place], said=said) for place, said in entries]
        loaded.wrap.use([thread.row.lattice for thread in picked])
        steps = [int(thread.plan.timesteps[thread.at]) for thread in picked]
        answer = loaded.pipe.unet(
            torch.stack([thread.latents for thread in picked]).to(loaded.dtype),
            torch.tensor(steps, device=loaded.device),
            encoder_hidden_states=torch.stack([one.tokens for one in words]).to(loaded.dtype),
            added_cond_kwargs=self._added(picked, words) if loaded.is_xl else None,
            return_dict=False,
        )[0]
        found: Tensor = answer.float()
        return found

    def _added(self, picked: Sequence[Thread], words: Sequence[Words]) -> dict[str, Tensor]:
        """SDXL's added conditions: pooled text, and (original, crop, target) size per row."""
        sizes = [[thread.row.height_px, thread.row.width_px] for thread in picked]
        times = [[*size, 0, 0, *size] for size in sizes]
        pooled = torch.stack([one.pooled for one in words if one.pooled is not None])
        return {
            "text_embeds": pooled.to(self._loaded.dtype),
            "time_ids": torch.tensor(times, device=self._loaded.device, dtype=self._loaded.dtype),
        }

    def _advance(self, threads: Sequence[Thread], out: Tensor) -> None:
        """The one place where latents change: one solver step per thread, each by its own line."""
        table = np.stack([thread.plan.table[thread.at] for thread in threads])
        lines = torch.tensor(table, dtype=torch.float32, device=out.device)
        p, q, a, d, b, c = lines.T[:, :, None, None, None]
        clip = _column([thread.plan.clip for thread in threads], out.device)
        now = torch.stack([thread.latents for thread in threads])
        before = torch.stack([thread.picture for thread in threads])
        picture = torch.minimum(torch.maximum(p * now + q * out, -clip), clip)
        after = a * now + d * out + b * picture + c * before
        for place, thread in enumerate(threads):
            thread.latents, thread.picture = after[place], picture[place]
            thread.at += 1


def _by_lattice(threads: Sequence[Thread]) -> list[int]:
    """Places, with threads of one lattice together."""
    return sorted(
        range(len(threads)),
        key=lambda place: LATTICES.index(threads[place].row.lattice),
    )


def _words(thread: Thread, *, said: bool) -> Words:
    return thread.words if said or thread.unsaid is None else thread.unsaid


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None, None]


def _pixels(picture: Tensor) -> Pixels | None:
    """(3, height, width) in -1 .. 1 as bytes, rounded to nearest; None unless all is finite."""
    if not bool(torch.isfinite(picture).all()):
        return None
    scaled = ((picture / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    found: Pixels = np.ascontiguousarray(scaled.permute(1, 2, 0).numpy())
    return found
