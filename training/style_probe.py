"""A small network that says in which house style a tile is, or in none: the judge of adapters.

Trained on fresh renders with and without the styles, half of them softened and made uneven as a
model's tiles are; never on anything a model drew. Refuses to say what is on the tile.
"""

from __future__ import annotations

import json
import logging
import math
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import motifs, render, styles
from training.state import facts_of, load_half, save_half

LOG = logging.getLogger(__name__)

NAMES: Final = ("plain", *styles.STYLES)
SIDE_PX: Final = 128
SEED: Final = 8_000_000
"""Where this probe's renders begin; house tiles, shards and the other probe use other seeds."""
DEFAULT_FILE: Final = Path(__file__).with_name("style_probe.safetensors")
BYTES_MAX: Final = 200_000
_WIDTHS: Final = (3, 16, 32, 48, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to look at: `swatches` are rendered once in every style, `held_out` afterwards."""

    swatches: int = 384
    steps: int = 900
    batch: int = 24
    rate: float = 3e-3
    held_out: int = 160
    seed: int = SEED


class StyleProbe(nn.Module):
    """Wrapped convolutions over a tile's colours; the mean and the maximum of what they find."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 5 if before == 3 else 3, 2, 2 if before == 3 else 1,
                      padding_mode="circular")
            for before, after in pairwise(_WIDTHS)
        )  # fmt: skip
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in _WIDTHS[1:])
        self.head = nn.Linear(2 * _WIDTHS[-1], len(NAMES))

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits (B, styles) of tiles (B, 3, H, W) in 0..1."""
        x = functional.interpolate(tiles, size=(SIDE_PX, SIDE_PX), mode="area") * 2 - 1
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.relu(norm(conv(x)))
        said: Tensor = self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))
        return said

    @torch.no_grad()
    def look(self, tiles: Tensor) -> list[str]:
        """The style of each tile, one of NAMES; the module must be in evaluation mode."""
        return [NAMES[int(place)] for place in self(tiles.float()).argmax(1)]


def renders(generator: torch.Generator, count: int) -> Tensor:
    """`count` swatches in every style, those in which no style hides: (styles, count, 3, 128, 128).

    Bytes, because all of them are kept.
    """
    swatches = [visible_swatch(generator, place) for place in range(count)]
    rows: list[list[Tensor]] = [[] for _ in NAMES]
    for start in range(0, count, 16):
        some = swatches[start : start + 16]
        plain = styles.draw("plain", some)
        for row, name in zip(rows, NAMES, strict=True):
            made = styles.finished(name, plain, some)
            small = functional.interpolate(made, size=(SIDE_PX, SIDE_PX), mode="area")
            row.append((small * 255).round().byte())
    return torch.stack([torch.cat(row) for row in rows])


def visible_swatch(generator: torch.Generator, place: int) -> render.Swatch:
    """A swatch with shapes broad enough, and colours apart enough, for every style to show.

    Motifs take turns by `place`.
    """
    while True:
        _, scale, lattice = render.draw_group(generator)
        motif = motifs.NAMES[place % len(motifs.NAMES)]
        swatch = render.draw_swatch((motif, scale, lattice), generator)
        if scale != "tiny" and styles.shows(swatch):
            return swatch


def train(plan: Plan, target: Path = DEFAULT_FILE) -> dict[str, float]:
    """Train, write `target` in half precision, and answer the figures of `held_out`."""
    torch.manual_seed(plan.seed)
    generator = torch.Generator().manual_seed(plan.seed)
    pool = renders(generator, plan.swatches)
    LOG.info("style probe: %d renders", pool.shape[0] * pool.shape[1])
    probe = StyleProbe()
    optimiser = torch.optim.AdamW(probe.parameters(), lr=plan.rate, weight_decay=1e-2)
    for step in range(plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * 0.5 * (1 + math.cos(math.pi * step / plan.steps))
        style = torch.randint(len(NAMES), (plan.batch,), generator=generator)
        which = torch.randint(pool.shape[1], (plan.batch,), generator=generator)
        value = functional.cross_entropy(probe(_worn(pool[style, which], generator)), style)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        if step % 100 == 0:
            LOG.info("style probe step %d loss %.3f", step, float(value.detach()))
    save(probe, target)
    return held_out(load(target), plan)


def held_out(probe: StyleProbe, plan: Plan) -> dict[str, float]:
    """Shares of held-out renders rightly named: `all`, and each style by its name."""
    generator = torch.Generator().manual_seed(plan.seed + 1)
    found = {}
    for name, tiles in zip(NAMES, renders(generator, plan.held_out), strict=True):
        said = [one for part in tiles.split(32) for one in probe.look(part / 255)]
        found[name] = sum(one == name for one in said) / len(said)
    return {"all": sum(found.values()) / len(found), **found}


def _worn(tiles: Tensor, generator: torch.Generator) -> Tensor:
    """Bytes to 0..1, moved about; every second tile softened and uneven in tone."""
    sharp = tiles.float() / 255
    dice = random.Random(int(torch.randint(1 << 30, (1,), generator=generator)))  # noqa: S311
    sharp = sharp.roll((dice.randrange(SIDE_PX), dice.randrange(SIDE_PX)), (2, 3))
    soft = functional.avg_pool2d(functional.pad(sharp, (1, 1, 1, 1), mode="circular"), 3, stride=1)
    coarse = torch.randn(len(tiles), 3, 16, 16, generator=generator) * 0.04
    soft = soft + functional.interpolate(coarse, size=(SIDE_PX, SIDE_PX), mode="bilinear")
    chosen = torch.rand(len(tiles), 1, 1, 1, generator=generator) < 0.5
    return torch.where(chosen, soft.clamp(0, 1), sharp)


def save(probe: StyleProbe, path: Path) -> int:
    """Write the weights in half precision with the styles they know; answers the bytes."""
    return save_half(path, probe, bytes_max=BYTES_MAX, styles=json.dumps(NAMES))


def load(path: Path = DEFAULT_FILE) -> StyleProbe:
    """The trained probe, ready to look.

    Raises ValueError if it was trained on other styles than those of today.
    """
    names = json.loads(facts_of(path).get("styles", "[]"))
    if tuple(names) != NAMES:
        raise ValueError(f"{path.name} knows other styles; train it again")
    probe = StyleProbe()
    load_half(path, probe)
    return probe.eval()
