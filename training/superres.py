"""`python -m training superres`: trains the enlarging network and writes it for the table.

First pixels and edges, which settle where an edge is; then for a short while also a critic, which
settles how sharp it looks. Goes on from the last checkpoint: of the second phase as soon as there
is one. Refuses to judge: what the network is worth beside Lanczos, `superres_compare` measures.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.errors import Unusable
from training import superres_pool
from training.state import Average, load_state, save_state
from training.superres_net import SCALE, Compact, plant, write_onnx
from training.superres_pool import CROP_PX

LOG = logging.getLogger(__name__)

SHIPPED_BYTES_MAX = 3_000_000
Pairs = tuple[Tensor, Tensor]
"""Small and large pictures (B, 3, H, W), the large ones SCALE times the side."""
_SEEN_PX = 32
"""Of a small crop in one step: on a CPU, more and smaller steps teach more."""
_BORDER_PX = 4
"""Of the small crop: there the network sees the crop's end, which no tile has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how to train; a phase ends at its steps, a sitting of it at its minutes."""

    tiles: int = 384
    batch: int = 6
    steps: int = 12_000
    minutes: float = 20.0
    rate: float = 2e-3
    sharp_steps: int = 2000
    sharp_minutes: float = 5.0
    sharp_rate: float = 3e-4
    critic_weight: float = 0.004
    critic_alone: int = 60
    """Steps in which only the critic learns, lest the network follow a blind one."""
    seed: int = 1


def make(plan: Plan, folder: Path, model: Path, target: Path) -> int:
    """Fill the pool, train both phases, write the network to `target`; answers its bytes.

    Raises Unusable where the file would be larger than what may ship.
    """
    superres_pool.fill(folder, superres_pool.Painted(model), tiles=plan.tiles)
    net = train(plan, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    size_bytes = write_onnx(net, target)
    if size_bytes > SHIPPED_BYTES_MAX:
        target.unlink()
        raise Unusable(f"the network has {size_bytes} bytes, limit: {SHIPPED_BYTES_MAX}")
    return size_bytes


def train(plan: Plan, folder: Path) -> Compact:
    """Both phases on the pool in `folder`; their checkpoints lie beside it."""
    torch.manual_seed(plan.seed)
    crops = superres_pool.load(folder)
    net = Compact()
    plant(net)
    net = net.to(memory_format=torch.channels_last)
    pixels, sharpened = folder / "pixels.safetensors", folder / "sharp.safetensors"
    if not sharpened.exists():
        _phase(net, plan, crops, checkpoint=pixels)
    sharp = replace(plan, steps=plan.sharp_steps, minutes=plan.sharp_minutes, rate=plan.sharp_rate)
    trial = Trial(plan, folder / "critic.safetensors")
    _phase(net, sharp, crops, checkpoint=sharpened, trial=trial)
    return net.eval()


class Critic(nn.Module):
    """Scores patches of the large picture: higher where they look drawn. (B, 3, H, W) to maps."""

    def __init__(self, features: int = 24) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        sides = (3, features, 2 * features, 2 * features)
        self.body = nn.Sequential(
            *(
                part
                for before, after in pairwise(sides)
                for part in (norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2))
            ),
            norm(nn.Conv2d(sides[-1], 1, 3, 1, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scores, not bounded."""
        scores: Tensor = self.body(x)
        return scores


class Trial:
    """The critic at work: what the network loses by it, and what it learns itself."""

    def __init__(self, plan: Plan, checkpoint: Path) -> None:
        self._weight, self._alone = plan.critic_weight, plan.critic_alone
        self._critic, self._checkpoint = Critic(), checkpoint
        self._learnt = load_state(checkpoint, self._critic)
        self._optimiser = torch.optim.AdamW(self._critic.parameters(), lr=2e-4, betas=(0.5, 0.99))

    def loss(self, made: Tensor) -> Tensor:
        """Lower where the critic takes what was made for drawn; nothing while it learns alone."""
        if self._learnt < self._alone:
            return made.new_zeros(())
        return -self._weight * self._critic(_inner(made)).mean()

    def learn(self, made: Tensor, large: Tensor) -> None:
        """One step: drawn patches above 1, made ones below -1 (the hinge loss)."""
        above = functional.relu(1 - self._critic(_inner(large))).mean()
        below = functional.relu(1 + self._critic(_inner(made.detach()))).mean()
        self._optimiser.zero_grad(set_to_none=True)
        (above + below).backward()
        self._optimiser.step()
        self._learnt += 1

    def save(self) -> None:
        """Write the critic's checkpoint."""
        save_state(self._checkpoint, self._critic, self._learnt)


def _phase(
    net: Compact, plan: Plan, crops: Pairs, *, checkpoint: Path, trial: Trial | None = None
) -> None:
    """Train until steps or minutes are over; the network ends with the averaged weights."""
    step = start = load_state(checkpoint, net)
    average = Average(net, 0.995)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, betas=(0.9, 0.98))
    generator = torch.Generator().manual_seed(plan.seed + start)
    began, seen_db = time.monotonic(), 0.0
    while step < plan.steps:
        spent = (time.monotonic() - began) / (plan.minutes * 60) if plan.minutes > 0 else 1.0
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = _rate(plan.rate, max(step / plan.steps, spent), step - start)
        batch_db = _step(net, optimiser, _batch(crops, plan.batch, generator), trial)
        seen_db += (batch_db - seen_db) / min(step - start + 1, 100)
        average.follow(net)
        step += 1
        if step % 100 == 0:
            LOG.info("%s step %d psnr_db %.2f", checkpoint.stem, step, seen_db)
        if step % 200 == 0:
            _keep(checkpoint, average.model, step, trial)
    net.load_state_dict(average.model.state_dict())
    _keep(checkpoint, net, step, trial)


def _keep(checkpoint: Path, net: nn.Module, step: int, trial: Trial | None) -> None:
    save_state(checkpoint, net, step)
    if trial is not None:
        trial.save()


def _step(
    net: Compact, optimiser: torch.optim.Optimizer, batch: Pairs, trial: Trial | None
) -> float:
    small, large = batch
    made = net(small)
    value = _pixel_loss(made, large)
    if trial is not None:
        value = value + trial.loss(made)
    optimiser.zero_grad(set_to_none=True)
    value.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    if trial is not None:
        trial.learn(made, large)
    return _psnr_db(made, large)


def _batch(crops: Pairs, batch: int, generator: torch.Generator) -> Pairs:
    """Random pairs in 0..1: turned and mirrored alike, the small one with what files do to it."""
    rows = torch.randint(len(crops[0]), (batch,), generator=generator)
    top, left = torch.randint(CROP_PX - _SEEN_PX + 1, (2,), generator=generator).tolist()
    small = _cut(crops[0][rows], top, left, _SEEN_PX)
    large = _cut(crops[1][rows], SCALE * top, SCALE * left, SCALE * _SEEN_PX)
    turns = int(torch.randint(4, (1,), generator=generator))
    small, large = torch.rot90(small, turns, (2, 3)), torch.rot90(large, turns, (2, 3))
    if torch.rand(1, generator=generator) < 0.5:
        small, large = small.flip(3), large.flip(3)
    dyes = torch.randperm(3, generator=generator)
    small, large = small[:, dyes], large[:, dyes]
    return _worn(small, generator).contiguous(), large.contiguous()


def _cut(bytes_: Tensor, top: int, left: int, side: int) -> Tensor:
    return bytes_[:, :, top : top + side, left : left + side].float() / 255


def _worn(small: Tensor, generator: torch.Generator) -> Tensor:
    """A quarter each: as it is, with grain, softer, with ringing; as other models may paint."""
    kind = int(torch.randint(4, (1,), generator=generator))
    amount = float(torch.rand(1, generator=generator))
    if kind == 0:
        return small
    if kind == 1:
        grain = torch.randn(small.shape, generator=generator)
        return (small + 0.012 * amount * grain).clamp(0, 1)
    blurred = functional.avg_pool2d(functional.pad(small, (1, 1, 1, 1), "replicate"), 3, 1)
    share = 0.8 * amount if kind == 2 else -0.4 * amount
    return torch.lerp(small, blurred, share).clamp(0, 1)


def _inner(picture: Tensor) -> Tensor:
    border = SCALE * _BORDER_PX
    return picture[..., border:-border, border:-border]


def _pixel_loss(made: Tensor, large: Tensor) -> Tensor:
    """Absolute error, and that of the differences between neighbours, away from the border."""
    error = _inner(made) - _inner(large)
    across, down = error.diff(dim=-1), error.diff(dim=-2)
    return error.abs().mean() + 0.5 * (across.abs().mean() + down.abs().mean())


def _psnr_db(made: Tensor, large: Tensor) -> float:
    error = functional.mse_loss(_inner(made.detach()).clamp(0, 1), _inner(large))
    return float(-10 * torch.log10(error.clamp(min=1e-12)))


def _rate(rate: float, share: float, step: int) -> float:
    """Cosine from `rate` to a fiftieth of it, after forty steps of warming."""
    warm = min(1.0, (step + 1) / 40)
    return warm * rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))
