"""Trains a LoRA of a model from a folder of tiles: minutes on a CPU, one small file.

The file is plain diffusers (`pipe.load_lora_weights` reads it) and touches the UNet alone, so the
words keep their meaning. Layers and rank come from the UNet at hand; nothing here knows its shape.
Refuses to touch the model's own weights.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from schemas.errors import Unusable
from training import placing
from training.autoencode import encode
from training.draw import Drawer
from training.folder import Sample
from training.lattice import Lattice, window
from training.model import PICTURE_CHANNELS, TILE_PX, reduced
from training.phase import meet
from training.reader import tokens
from training.waves import CHANNELS

LOG = logging.getLogger(__name__)

BYTES_MAX: Final = 2_000_000
RANKS: Final = (16, 12, 8, 6, 4, 2, 1)
_EMBEDDINGS: Final = ("time_embedding", "add_embedding", "encoder_hid_proj")
"""What the UNet says to all of its layers at once: a look is not to change what a step is."""
_UP_TIMES: Final = 16
"""How much faster the factors learn that begin at zero (LoRA+: S. Hayou and others, 2024)."""
_OFFSETS_PX: Final = (0, 3)
"""A tile is encoded moved by each: between two strides of the autoencoder everything looks new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to train; progress is the greater of steps and wall time spent.

    `rank` 0 takes the largest of RANKS whose file keeps within BYTES_MAX. `plain_share` is the part
    of rows in which no caption is said, as the model itself was trained.
    """

    steps: int = 400
    batch: int = 4
    rate: float = 2e-3
    rank: int = 0
    plain_share: float = 0.1
    seed: int = 5
    wall_s_max: float = 720.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One adapter, written."""

    path: Path
    size_bytes: int
    rank: int
    steps: int
    seconds: float
    loss: float


def adapt(model: Path, samples: Sequence[Sample], target: Path, plan: Plan) -> Made:
    """Train an adapter of the model folder on the samples and write it, whole or not at all.

    Raises Unusable when the folder holds no such model or the file would be too large.
    """
    torch.manual_seed(plan.seed)
    began = time.monotonic()
    drawer = _drawer(model)
    unet = drawer.pipe.unet.requires_grad_(requires_grad=False)
    rank = plan.rank or fitting_rank(unet)
    layers = list(targets(unet))
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=layers))
    unet.to(memory_format=torch.channels_last)
    # The adapter's convolutions have edges of their own, which must wrap too.
    drawer.wrap.cover()
    run = _Run(drawer, samples, plan)
    steps = run.train(began)
    facts = {"base": model_hash(model), "steps": str(steps), "tiles": str(len(samples))}
    size_bytes = write(unet, target, facts)
    return Made(
        path=target,
        size_bytes=size_bytes,
        rank=rank,
        steps=steps,
        seconds=time.monotonic() - began,
        loss=run.loss,
    )


def targets(unet: nn.Module) -> dict[str, int]:
    """Every layer an adapter changes, with the weights it takes there per rank."""
    found = {}
    for name, part in unet.named_modules():
        if name.startswith(_EMBEDDINGS):
            continue
        if isinstance(part, nn.Linear):
            found[name] = part.in_features + part.out_features
        elif isinstance(part, nn.Conv2d):
            area = part.kernel_size[0] * part.kernel_size[1]
            found[name] = part.in_channels * area + part.out_channels
    return found


def fitting_rank(unet: nn.Module) -> int:
    """The largest of RANKS whose file, in half precision, keeps within BYTES_MAX.

    Raises Unusable when not even the least does.
    """
    layers = targets(unet)
    # A tensor's place in the header takes up to 200 bytes, and a layer has two.
    header = 400 * len(layers)
    for rank in RANKS:
        if 2 * rank * sum(layers.values()) + header <= BYTES_MAX:
            return rank
    raise Unusable(f"this UNet is too large for an adapter of {BYTES_MAX} bytes; give a rank")


class _Run:
    """The samples as latents, and the steps over them."""

    def __init__(self, drawer: Drawer, samples: Sequence[Sample], plan: Plan) -> None:
        self.plan, self.wrap, self.pipe = plan, drawer.wrap, drawer.pipe
        self.lattices = [sample.lattice for sample in samples]
        self.latents = torch.stack([_latents(drawer, sample) for sample in samples])
        with torch.no_grad():
            ids = tokens(self.pipe.tokenizer, ["", *(sample.prompt for sample in samples)])
            self.words = self.pipe.text_encoder(ids).last_hidden_state
        self.generator = torch.Generator().manual_seed(plan.seed)
        self.waves = placing.knows_waves(self.pipe.unet)
        if self.waves:
            self._place(samples)
        self.alphas = self.pipe.scheduler.alphas_cumprod
        named = [pair for pair in self.pipe.unet.named_parameters() if pair[1].requires_grad]
        self.weights = [weight for _, weight in named]
        up = [weight for name, weight in named if "lora_B" in name]
        down = [weight for name, weight in named if "lora_B" not in name]
        groups = [{"params": up, "times": _UP_TIMES}, {"params": down, "times": 1}]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.rate, weight_decay=1e-3)
        self.dice = random.Random(plan.seed)  # noqa: S311  (tiles, not secrets)
        self.loss = 0.0

    def _place(self, samples: Sequence[Sample]) -> None:
        """Fill in the waves that the tiles came without, before the adapter learns anything."""
        self.pipe.unet.eval()
        for sample, latents, words in zip(samples, self.latents, self.words[1:], strict=True):
            self.wrap.use(sample.lattice)
            found = placing.place(self.pipe, sample, latents[0, :PICTURE_CHANNELS], words[None])
            for offset_px, one in zip(_OFFSETS_PX, latents, strict=True):
                one[PICTURE_CHANNELS:] = found.waves(one.shape[-1], offset_px / TILE_PX)

    def train(self, began: float) -> int:
        """Go on until steps or wall time, counted from `began`, are spent; the steps done."""
        self.pipe.unet.train()
        for step in range(self.plan.steps):
            spent = max(step / self.plan.steps, (time.monotonic() - began) / self.plan.wall_s_max)
            if spent >= 1:
                return step
            warm = min(1.0, (step + 1) / 20)
            rate = self.plan.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent)))
            for group in self.optimiser.param_groups:
                group["lr"] = rate * group["times"]
            value = self._step()
            self.loss = value if step == 0 else self.loss + (value - self.loss) * 0.02
            if step % 50 == 0:
                LOG.info("adapt step %d loss %.4f", step, self.loss)
        return self.plan.steps

    def _step(self) -> float:
        # Rows of one lattice lie together, so that the wrap has few runs.
        picked = sorted(
            self.dice.choices(range(len(self.lattices)), k=self.plan.batch),
            key=lambda place: list(Lattice).index(self.lattices[place]),
        )
        self.wrap.use([self.lattices[place] for place in picked])
        clean = torch.stack([self._rolled(place) for place in picked])
        said = [0 if self.dice.random() < self.plan.plain_share else place + 1 for place in picked]
        value = self._loss(clean, [self.lattices[place] for place in picked], self.words[said])
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        return float(value.detach())

    def _rolled(self, place: int) -> Tensor:
        """The tile's latents, moved over the endless cloth by a chance that keeps its repeat."""
        latents = self.latents[place, self.dice.randrange(len(_OFFSETS_PX))]
        right, down = (self.dice.randrange(latents.shape[-1]) for _ in range(2))
        return window(latents, self.lattices[place], right, down)

    def _loss(self, clean: Tensor, lattices: Sequence[Lattice], words: Tensor) -> Tensor:
        """Mean squared error of v; noise, places and timesteps as the model itself had them."""
        rows = len(clean)
        noise = torch.randn(clean.shape, generator=self.generator)
        if self.waves:
            runs = [lattices.count(lattice) for lattice in Lattice]
            pairs = zip(clean.split(runs), noise.split(runs), Lattice, strict=True)
            clean = torch.cat([meet(*pair, last=CHANNELS) for pair in pairs if len(pair[0])])
        slices = torch.arange(rows) + torch.rand(rows, generator=self.generator)
        share = (slices / rows) ** (2 / 3)
        steps = (share * len(self.alphas)).long().clamp(max=len(self.alphas) - 1)
        steps = steps[torch.randperm(rows, generator=self.generator)]
        kept = self.alphas[steps].sqrt()[:, None, None, None]
        lost = (1 - self.alphas[steps]).sqrt()[:, None, None, None]
        with reduced("cpu"):
            noisy = (kept * clean + lost * noise).contiguous(memory_format=torch.channels_last)
            guess = self.pipe.unet(noisy, steps, words).sample
        return functional.mse_loss(guess.float(), kept * noise - lost * clean)


@torch.no_grad()
def _latents(drawer: Drawer, sample: Sample) -> Tensor:
    """The tile moved by every offset, encoded as the model means it: (offsets, channels, h, w)."""
    vae = drawer.pipe.vae
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    tiles = torch.stack([window(sample.pixels, sample.lattice, px, px) for px in _OFFSETS_PX])
    return (encode(vae, drawer.wrap, tiles, sample.lattice) - shift) * vae.config.scaling_factor


def write(unet: nn.Module, target: Path, facts: dict[str, str]) -> int:
    """The adapter on the UNet as a plain diffusers LoRA in half precision; answers its bytes."""
    state: dict[str, Tensor] = get_peft_model_state_dict(unet)
    kept = {f"unet.{name}": value.detach().half().contiguous() for name, value in state.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".draft")
    save_file(kept, draft, metadata={"format": "pt", **facts})
    size_bytes = draft.stat().st_size
    draft.chmod(0o644)
    os.replace(draft, target)
    return size_bytes


def model_hash(model: Path) -> str:
    """SHA-256 of the UNet's file, which says whether an adapter was made for these weights."""
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _drawer(model: Path) -> Drawer:
    try:
        return Drawer.load(model)
    except (OSError, ValueError, KeyError) as error:
        raise Unusable(f"cannot load model {model}: {error}") from error
