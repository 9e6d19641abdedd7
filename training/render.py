"""Draws labelled swatches: one unit of a repeat per picture, anti-aliased, on any torch device.

Periodic by construction: every motif is a function of lattice coordinates, so the unit meets its
own (sheared) copies without a seam. Refuses sizes that are odd, because half a unit must exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training import motifs, palette
from training.lattice import Lattice, grid
from training.motifs import MOTIFS, SCALES, Canvas, Layer

CHIPS_MAX = 10
"""The most loose cells along one side of a tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swatch:
    """The ground truth of one picture; drawing it twice gives the same picture."""

    motif: str
    scale: str
    lattice: Lattice
    inks: tuple[str, ...]
    ground: str
    fill: float = 0.5
    turn: float = 0.5
    seed: int = 0

    @property
    def direction(self) -> str:
        """The way stripes run; empty for every other motif."""
        ways = ("vertical", "horizontal", "diagonal")
        return ways[min(int(self.turn * 3), 2)] if self.motif == "stripe" else ""


Group = tuple[str, str, Lattice]


def draw_group(generator: torch.Generator) -> Group:
    """A random (motif, scale, lattice); pictures of one group are drawn together."""
    motif = motifs.NAMES[_pick(generator, len(motifs.NAMES))]
    return motif, SCALES[_pick(generator, 4)], tuple(Lattice)[_pick(generator, 3)]


def draw_swatch(group: Group, generator: torch.Generator) -> Swatch:
    """A random member of a group; every colour differs visibly from the ground it lies on."""
    motif, scale, lattice = group
    most = min(MOTIFS[motif].inks_max, 2 if scale == "large" else 3)
    inks = min((1, 1, 1, 2, 2, 3)[_pick(generator, 6)], most)
    ground = palette.NAMES[_pick(generator, len(palette.NAMES))]
    chosen: list[str] = []
    while len(chosen) < inks:
        name = palette.NAMES[_pick(generator, len(palette.NAMES))]
        if all(palette.contrast(name, other) > 0.3 for other in [ground, *chosen]):
            chosen.append(name)
    fill, turn = torch.rand(2, generator=generator).tolist()
    return Swatch(
        motif=motif,
        scale=scale,
        lattice=lattice,
        inks=tuple(chosen),
        ground=ground,
        fill=fill,
        turn=turn,
        seed=_pick(generator, 2**31),
    )


def render(
    swatches: Sequence[Swatch],
    size_px: int = 256,
    *,
    device: torch.device | str = "cpu",
    shift: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Draw swatches of any kind: (B, 3, size_px, size_px) float32 in 0..1, in the order given.

    `shift` moves the window over the infinite pattern, in tiles to the right and downwards.
    """
    if size_px % 2 or size_px < 2:
        raise ValueError(f"size_px must be even and at least 2, not {size_px}")
    out = torch.empty(len(swatches), 3, size_px, size_px, device=device)
    groups: dict[tuple[str, str, Lattice, int], list[int]] = {}
    for place, swatch in enumerate(swatches):
        key = (swatch.motif, swatch.scale, swatch.lattice, len(swatch.inks))
        groups.setdefault(key, []).append(place)
    u, v = grid(size_px, device)
    for (motif, scale, lattice, inks), places in groups.items():
        members = [swatches[place] for place in places]
        canvas = Canvas(
            u=u + shift[0],
            v=v + shift[1],
            size_px=size_px,
            scale=SCALES.index(scale),
            lattice=lattice,
            fill=_column([member.fill for member in members], device),
            turn=_column([member.turn for member in members], device),
            chips=_chips(members, device),
        )
        out[places] = _compose(members, MOTIFS[motif].paint(canvas, inks), size_px)
    return out


def _compose(members: list[Swatch], layers: list[Layer], size_px: int) -> Tensor:
    """Lay the coats over the ground, bottom first, with an edge one and a half pixels soft."""
    colours = palette.table(layers[0].distance_px.device)
    ground = _inks(members, -1, colours)
    picture = ground.expand(-1, -1, size_px, size_px)
    for layer in layers:
        cover = (0.5 - layer.distance_px / 1.5).clamp(0, 1) * layer.opacity
        cover = cover.expand(len(members), size_px, size_px)[:, None]
        ink = _inks(members, layer.ink, colours)
        if layer.turns is not None and len(members[0].inks) == 3:
            turns = layer.turns.expand(len(members), size_px, size_px)[:, None]
            ink = torch.where(turns, _inks(members, 2, colours), ink)
        picture = picture + (ink - picture) * cover
    return picture


def _inks(members: list[Swatch], which: int, colours: Tensor) -> Tensor:
    """Colours (B, 3, 1, 1) of every member's ink; -1 is its ground."""
    names = [member.ground if which < 0 else member.inks[which] for member in members]
    rows = torch.tensor([palette.NAMES.index(name) for name in names], device=colours.device)
    return colours[rows][:, :, None, None]


def _column(values: list[float], device: torch.device | str) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]


def _chips(members: list[Swatch], device: torch.device | str) -> Tensor:
    """Per-picture parameters of the loose parts, from the swatch's own seed alone."""
    drawn = []
    for member in members:
        generator = torch.Generator().manual_seed(member.seed)
        drawn.append(torch.rand(CHIPS_MAX, CHIPS_MAX, 16, generator=generator))
    return torch.stack(drawn).to(device)


def _pick(generator: torch.Generator, below: int) -> int:
    return int(torch.randint(below, (1,), generator=generator))
