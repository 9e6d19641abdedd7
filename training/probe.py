"""A small network that names what a tile shows: motif, scale, lattice, and which colours.

Trained on fresh renders alone, half of them bent, blurred and made uneven so that a ragged edge
counts for nothing; never on anything a model drew. Refuses to judge beauty.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import motifs, palette, render
from training.lattice import Lattice
from training.state import facts_of, load_half, save_half

LOG = logging.getLogger(__name__)

SIDE_PX = 128
"""Tiles are reduced to this side before the probe looks at them."""
SEED = 7_000_000
"""Where the probe's renders begin; the model's shards and its autoencoder use seeds far below."""
GROUP_TILES = 2
BEND_PX_MAX = 6
UNEVEN = 0.03
DEFAULT_FILE = Path(__file__).with_name("probe.safetensors")
BYTES_MAX = 4_000_000
# Motifs whose lattice shows inside one tile: single shapes in cells, more than one cell a side.
_MANY_CELLS = ("tiny", "small", "medium")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to look; the wall time is a bound."""

    steps: int = 2000
    groups: int = 20
    rate: float = 2e-3
    seed: int = SEED
    wall_s_max: float = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the probe names in B tiles: indices (B,), and colours (B, palette) as probabilities."""

    motif: Tensor
    scale: Tensor
    lattice: Tensor
    colours: Tensor
    features: Tensor


class Probe(nn.Module):
    """Shapes from one channel by wrapped convolutions, colours from their shares of the pixels.

    The channel is each tile's own main axis of colour, so that a red heart on white and a navy one
    on cream are the same heart.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 24, 48, 72, 96, 128)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1, padding_mode="circular")
            for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        sizes = {
            "motif": len(motifs.NAMES),
            "scale": len(motifs.SCALES),
            "lattice": len(Lattice),
        }
        self.heads = nn.ModuleDict(
            {name: nn.Linear(2 * widths[-1], size) for name, size in sizes.items()}
        )
        tones = len(palette.NAMES)
        self.colours = nn.Sequential(nn.Linear(tones, 64), nn.ReLU(), nn.Linear(64, tones))

    def features(self, tiles: Tensor) -> Tensor:
        """(B, 3, H, W) in 0..1 of any size -> (B, 256): the mean and the maximum over the tile."""
        x = main_axis(functional.interpolate(tiles, size=(SIDE_PX, SIDE_PX), mode="area"))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.relu(norm(conv(x)))
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)

    def forward(self, tiles: Tensor) -> dict[str, Tensor]:
        """Logits of every head."""
        features = self.features(tiles)
        said = {name: head(features) for name, head in self.heads.items()}
        said["colours"] = self.colours(tones(tiles))
        return said

    @torch.no_grad()
    def look(self, tiles: Tensor) -> Sight:
        """Name what the tiles show; the module must be in evaluation mode."""
        said = self(tiles.float())
        return Sight(
            motif=said["motif"].argmax(1),
            scale=said["scale"].argmax(1),
            lattice=said["lattice"].argmax(1),
            colours=said["colours"].sigmoid(),
            features=self.features(tiles.float()),
        )


def main_axis(tiles: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 1, H, W): every tile along the axis on which its colours differ most.

    Of unit variance; the rarer side, which is mostly the motif, is positive.
    """
    pixels = tiles.flatten(2) - tiles.mean((2, 3))[:, :, None]
    spread = pixels @ pixels.transpose(1, 2)
    axis = torch.linalg.eigh(spread).eigenvectors[:, :, -1]
    along = (axis[:, None] @ pixels)[:, 0]
    along = along / along.std(1, keepdim=True).clamp(min=1e-3)
    along = along * torch.where((along**3).mean(1, keepdim=True) < 0, -1.0, 1.0)
    return along.reshape(len(tiles), 1, *tiles.shape[2:])


def tones(tiles: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, palette): logarithms of the shares of pixels nearest to each colour."""
    small = functional.interpolate(tiles, size=(SIDE_PX // 2, SIDE_PX // 2), mode="area")
    nearest = palette.nearest(small.permute(0, 2, 3, 1)).flatten(1)
    shares = functional.one_hot(nearest, len(palette.NAMES)).float().mean(1)
    return (shares + 1e-3).log() + 3


def shows_lattice(motif: str, scale: str) -> bool:
    """Whether one tile can tell its lattice to anybody who looks at it alone."""
    return motif in motifs.IN_CELLS and scale in _MANY_CELLS


def truth(swatches: list[render.Swatch]) -> dict[str, Tensor]:
    """What the heads should say; a lattice that does not show is -100, which the loss skips."""
    colours = torch.zeros(len(swatches), len(palette.NAMES))
    for row, swatch in zip(colours, swatches, strict=True):
        for name in (*swatch.inks, swatch.ground):
            row[palette.NAMES.index(name)] = 1.0
    lattices = [
        tuple(Lattice).index(swatch.lattice) if shows_lattice(swatch.motif, swatch.scale) else -100
        for swatch in swatches
    ]
    return {
        "motif": torch.tensor([motifs.NAMES.index(swatch.motif) for swatch in swatches]),
        "scale": torch.tensor([motifs.SCALES.index(swatch.scale) for swatch in swatches]),
        "lattice": torch.tensor(lattices),
        "colours": colours,
    }


def renders(
    generator: torch.Generator, *, groups: int, rough: bool
) -> tuple[Tensor, list[render.Swatch]]:
    """Tiles (2 * groups, 3, SIDE_PX, SIDE_PX) and their swatches; `rough` spoils half of them."""
    tiles: list[Tensor] = []
    swatches: list[render.Swatch] = []
    for place in range(groups):
        group = render.draw_group(generator)
        members = [render.draw_swatch(group, generator) for _ in range(GROUP_TILES)]
        across, down = torch.rand(2, generator=generator).tolist()
        made = render.render(members, 2 * SIDE_PX, shift=(across, down))
        if rough and place % 2 == 0:
            made = _spoiled(made, generator)
        tiles.append(functional.avg_pool2d(made, 2))
        swatches.extend(members)
    return torch.cat(tiles), swatches


def _spoiled(tiles: Tensor, generator: torch.Generator) -> Tensor:
    """Bent by a few pixels, softened, and with uneven tones, as tiles of a young model are."""
    count, side = len(tiles), tiles.shape[-1]
    bends = torch.randn(count, 2, 24, 24, generator=generator) * BEND_PX_MAX / 2 / side * 2
    bends = functional.interpolate(bends, size=(side, side), mode="bicubic", align_corners=False)
    still = torch.eye(2, 3).expand(count, 2, 3)
    grid = functional.affine_grid(still, [count, 3, side, side], align_corners=False)
    bent = functional.grid_sample(
        tiles, grid + bends.permute(0, 2, 3, 1), padding_mode="reflection", align_corners=False
    )
    soft = functional.avg_pool2d(functional.pad(bent, (2, 2, 2, 2), mode="circular"), 5, stride=1)
    tones = torch.randn(count, 3, 16, 16, generator=generator) * UNEVEN
    uneven = functional.interpolate(tones, size=(side, side), mode="bilinear")
    return (soft + uneven).clamp(0, 1)


def train(plan: Plan, target: Path = DEFAULT_FILE) -> dict[str, float]:
    """Train, write `target` in half precision, and answer the accuracy on held-out renders."""
    torch.manual_seed(plan.seed)
    generator = torch.Generator().manual_seed(plan.seed)
    probe = Probe()
    optimiser = torch.optim.AdamW(probe.parameters(), lr=plan.rate, weight_decay=1e-2)
    began = time.monotonic()
    for step in range(plan.steps):
        spent = max(step / plan.steps, (time.monotonic() - began) / plan.wall_s_max)
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * 0.5 * (1 + math.cos(math.pi * spent))
        tiles, swatches = renders(generator, groups=plan.groups, rough=True)
        value = _loss(probe(tiles), truth(swatches))
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        if step % 100 == 0:
            LOG.info("probe step %d loss %.3f", step, float(value.detach()))
    save(probe, target)
    return held_out(load(target), plan.seed + 1)


def _loss(said: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
    value = functional.binary_cross_entropy_with_logits(said["colours"], wanted["colours"]) * 4
    for name in ("motif", "scale"):
        value = value + functional.cross_entropy(said[name], wanted[name])
    if (wanted["lattice"] >= 0).any():
        value = value + functional.cross_entropy(said["lattice"], wanted["lattice"])
    return value


@torch.no_grad()
def held_out(probe: Probe, seed: int, *, groups: int = 192) -> dict[str, float]:
    """The probe's own accuracy on sharp renders that it never saw; its errors are not a model's."""
    generator = torch.Generator().manual_seed(seed)
    tiles, swatches = renders(generator, groups=groups, rough=False)
    seen, wanted = probe.look(tiles), truth(swatches)
    shows = wanted["lattice"] >= 0
    right = (seen.lattice == wanted["lattice"])[shows]
    return {
        "motif": float((seen.motif == wanted["motif"]).float().mean()),
        "scale": float((seen.scale == wanted["scale"]).float().mean()),
        "lattice": float(right.float().mean()),
        "colours": float(((seen.colours > 0.5) == (wanted["colours"] > 0.5)).all(1).float().mean()),
        "tiles": float(len(swatches)),
    }


def save(probe: Probe, path: Path) -> int:
    """Write the weights in half precision with the names they stand for; answers the bytes."""
    names = {"motifs": list(motifs.NAMES), "colours": list(palette.NAMES)}
    return save_half(path, probe, bytes_max=BYTES_MAX, names=json.dumps(names))


def load(path: Path = DEFAULT_FILE) -> Probe:
    """The trained probe, ready to look.

    Raises ValueError if it was trained on other motifs or colours than those of today.
    """
    names = json.loads(facts_of(path).get("names", "{}"))
    if names != {"motifs": list(motifs.NAMES), "colours": list(palette.NAMES)}:
        raise ValueError(f"{path.name} knows other motifs or colours; train the probe again")
    probe = Probe()
    load_half(path, probe)
    return probe.eval()
