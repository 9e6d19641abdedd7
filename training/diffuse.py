"""Trains the UNet and the text encoder together on latents: v-prediction, wrapped convolutions.

Refuses to hold a GPU that it does not need: everything works on the CPU, only slower.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from inference.seamless import make_seamless
from training import captions, labels, waves
from training.latents import Shards
from training.lattice import Lattice
from training.model import TILE_PX, reduced, scheduler
from training.muon import Muon
from training.phase import meet
from training.reader import tokens
from training.state import Average

LOG = logging.getLogger(__name__)

LATTICE_SHARES = {Lattice.STRAIGHT: 0.4, Lattice.HALF_DROP: 0.3, Lattice.BRICK: 0.3}
CAPTION_DROP = 0.1
_LEANING = 0.45
"""Power of a uniform share of the timesteps; 1 leans nowhere, less leans to the noisy ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how to train; progress is the greater of steps and wall time spent.

    `compiled` fuses the UNet's small operations: 1.4 times the tiles per second on a CPU, for some
    minutes of compiling per lattice and tile size. It needs a C++ compiler.
    """

    steps: int = 6000
    batch: int = 16
    rate: float = 1e-3
    text_rate: float = 2e-4
    decay: float = 0.9985
    seed: int = 3
    wall_s_max: float = 3000.0
    save_every: int = 100
    meet_every: int = 8
    compiled: bool = False


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where a run stands; travels in the checkpoint's metadata."""

    step: int = 0
    seconds: float = 0.0
    samples: int = 0
    loss: float = 1.0
    spread: float = 0.0


_ADAMW_SHARE = 0.6
_ENDS = ("conv_in", "conv_out")
"""The UNet's own ends, which Muon leaves to AdamW."""


def _optimisers(
    unet: nn.Module, text: nn.Module, plan: Plan
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the UNet's inner convolutions, AdamW for everything else.

    Its iteration costs as much for a small matrix of attention as for a convolution that does ten
    times the work, so on a CPU it would take a third of every step.
    """
    named = list(unet.named_parameters())
    inner = {name for name, weight in named if weight.ndim > 2 and not name.startswith(_ENDS)}
    others = [weight for name, weight in named if name not in inner]
    rest = torch.optim.AdamW(
        [
            {"params": others, "peak": plan.rate * _ADAMW_SHARE},
            {"params": list(text.parameters()), "peak": plan.text_rate},
        ],
        lr=plan.rate,
        betas=(0.9, 0.99),
        weight_decay=1e-3,
        fused=True,
    )
    return Muon([weight for name, weight in named if name in inner], plan.rate), rest


def _said(row: list[int], dice: random.Random) -> str:
    """The fuller of two captions: what is left unsaid teaches least."""
    swatch = labels.swatch(row)
    return max((captions.caption(swatch, dice) for _ in range(2)), key=len)


class Run:
    """One resumable training run; the checkpoint lies in `folder` as `diffuse.safetensors`."""

    def __init__(
        self,
        model: nn.ModuleDict,
        tokenizer: CLIPTokenizer,
        *,
        plan: Plan,
        folder: Path,
        device: str,
    ) -> None:
        self.plan, self.device, self.tokenizer = plan, device, tokenizer
        self.path = folder / "diffuse.safetensors"
        self.model = model.to(device=device, memory_format=torch.channels_last)
        # The average is copied before the wrap: a wrapped module must not be copied.
        self.average = Average(self.model, plan.decay)
        self.wrap = make_seamless(self.model["unet"])
        unet = self.model["unet"]
        self.guess = torch.compile(unet) if plan.compiled else unet
        self.optimisers = _optimisers(unet, model["text"], plan)
        self.progress = Progress()
        joined = distributed.is_initialized()
        self.rank = distributed.get_rank() if joined else 0
        self.world = distributed.get_world_size() if joined else 1
        self.alphas = scheduler().alphas_cumprod.to(device)
        self._resume()

    def train(self, sets: Sequence[Shards], until: float = 1.0) -> Progress:
        """Go on until this share of the steps or the wall time is spent; saves as it goes.

        Every step draws one of the sets; one named twice is drawn twice as often. The first shards
        ever seen decide the scale of latents for the whole run.
        """
        seed = self.plan.seed + self.progress.step + 1_000_003 * self.rank
        generator = torch.Generator().manual_seed(seed)
        dice = random.Random(seed)  # noqa: S311  (words, not secrets)
        self.progress.spread = self.progress.spread or sets[0].spread()
        scale = 1.0 / self.progress.spread
        self.model.train()
        before, began = self.progress.seconds, time.monotonic()
        while self._spent() < until:
            shards = dice.choice(sets)
            value = self._step(shards, scale, generator, dice)
            self.progress.step += 1
            # Processes meet at whole steps alone, so none can leave the others waiting.
            if self.world == 1 or self.progress.step % self.plan.meet_every == 0:
                self._meet(before + time.monotonic() - began)
            self.average.follow(self.model)
            self.progress.samples += self._rows(shards) * self.world
            self.progress.loss += (value - self.progress.loss) * 0.02
            if self.progress.step % 50 == 0:
                self._log()
            if self.progress.step % self.plan.save_every == 0:
                self.save()
                for found in sets:
                    found.look_again()
        self.save()
        return self.progress

    def _spent(self) -> float:
        return max(
            self.progress.step / self.plan.steps, self.progress.seconds / self.plan.wall_s_max
        )

    def _log(self) -> None:
        LOG.info(
            "diffuse step %d samples %d loss %.4f seconds %.0f",
            self.progress.step,
            self.progress.samples,
            self.progress.loss,
            self.progress.seconds,
        )

    def _step(
        self, shards: Shards, scale: float, generator: torch.Generator, dice: random.Random
    ) -> float:
        lattices = [lattice for lattice in Lattice if shards.holds(lattice)]
        lattice = dice.choices(lattices, [LATTICE_SHARES[lattice] for lattice in lattices])[0]
        self.wrap.use(lattice)
        picture, place, rows = shards.batch(lattice, self._rows(shards), generator)
        texts = ["" if dice.random() < CAPTION_DROP else _said(row, dice) for row in rows]
        ids = tokens(self.tokenizer, texts).to(self.device)
        clean = torch.cat([picture * scale, place], 1).to(self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        clean = meet(clean, noise, lattice, last=waves.CHANNELS)
        clean = clean.contiguous(memory_format=torch.channels_last)
        # One timestep from every slice of the range: less variance than independent draws. More
        # of them noisy: there the words decide; where little noise is left, v is mostly noise.
        slices = torch.arange(len(rows)) + torch.rand(len(rows), generator=generator)
        share = (slices / len(rows)) ** _LEANING
        steps = (share * len(self.alphas)).long().clamp(max=len(self.alphas) - 1).to(self.device)
        value = self._loss(clean, noise, steps, ids)
        self._rates()
        self.model.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        return float(value.detach())

    def _meet(self, seconds: float) -> None:
        """Average weights and clocks over all processes (local steps between meetings)."""
        self.progress.seconds = seconds
        if self.world == 1:
            return
        weights = [weight.detach() for weight in self._weights()]
        flat = torch.cat([weight.flatten() for weight in weights] + [torch.tensor([seconds])])
        distributed.all_reduce(flat)
        flat /= self.world
        sizes = [weight.numel() for weight in weights]
        for weight, part in zip(weights, flat[:-1].split(sizes), strict=True):
            weight.copy_(part.view_as(weight))
        self.progress.seconds = float(flat[-1])

    def _loss(self, clean: Tensor, noise: Tensor, steps: Tensor, ids: Tensor) -> Tensor:
        """Mean squared error of v."""
        kept = self.alphas[steps].sqrt()[:, None, None, None]
        lost = (1 - self.alphas[steps]).sqrt()[:, None, None, None]
        noisy = kept * clean + lost * noise
        wanted = kept * noise - lost * clean
        with reduced(self.device):
            states = self.model["text"](ids).last_hidden_state
            guess = self.guess(noisy, steps, states).sample
        return functional.mse_loss(guess.float(), wanted)

    def _rows(self, shards: Shards) -> int:
        """Rows per step: of tiles half as wide, which cost a quarter each, twice as many."""
        return self.plan.batch * (TILE_PX // shards.tile_px)

    def _rates(self) -> None:
        share = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(self._spent(), 1.0)))
        warm = min(1.0, (self.progress.step + 1) / 100)
        for group in self._groups():
            group["lr"] = group["peak"] * warm * share

    def _named(self) -> Iterator[tuple[str, nn.Module]]:
        yield "raw", self.model
        yield "average", self.average.model

    def save(self) -> None:
        """Write weights, their average, the optimiser's moments and the progress, atomically."""
        kept = {
            f"{kind}/{name}": value.detach().cpu().contiguous()
            for kind, module in self._named()
            for name, value in module.state_dict().items()
        }
        for place, (weight, state) in enumerate(self._states()):
            for name, value in state.get(weight, {}).items():
                kept[f"moment/{place}/{name}"] = value.detach().cpu().contiguous()
        if self.rank:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        facts = json.dumps(asdict(self.progress))
        save_file(kept, draft, metadata={"progress": facts})
        os.replace(draft, self.path)

    def _groups(self) -> Iterator[dict[str, Any]]:
        for optimiser in self.optimisers:
            yield from optimiser.param_groups

    def _weights(self) -> list[nn.Parameter]:
        return [weight for group in self._groups() for weight in group["params"]]

    def _states(self) -> Iterator[tuple[nn.Parameter, dict[Any, Any]]]:
        """Every weight with the state of the optimiser that moves it, in a fixed order."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                for weight in group["params"]:
                    yield weight, optimiser.state

    def _resume(self) -> None:
        if not self.path.exists():
            return
        kept = load_file(self.path)
        for kind, module in self._named():
            module.load_state_dict(
                {
                    name.removeprefix(kind + "/"): value
                    for name, value in kept.items()
                    if name.startswith(kind + "/")
                }
            )
        for place, (weight, state) in enumerate(self._states()):
            prefix = f"moment/{place}/"
            moments = {
                name.removeprefix(prefix): value.to(value.device if "step" in name else self.device)
                for name, value in kept.items()
                if name.startswith(prefix)
            }
            if moments:
                state[weight] = moments
        with safe_open(self.path, framework="pt") as opened:
            self.progress = Progress(**json.loads((opened.metadata() or {})["progress"]))
