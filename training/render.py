"""Draws labelled swatches: one unit of a repeat per picture, anti-aliased, on any torch device.

Periodic by construction: every motif is a function of lattice coordinates, so the unit meets its
own (sheared) copies without a seam. Refuses sizes that are odd, because half a unit must exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training import finishes, palette
from training.lattice import Lattice, grid
from training.motifs import MOTIFS, SCALES, Canvas, Layer
from training.ranges import FIRST, Range

CHIPS_MAX = 10
"""The most loose cells along one side of a tile."""
_SHARES = {"sparse": 0.45, "even": 0.8, "dense": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Swatch:
    """The ground truth of one picture; drawing it twice gives the same picture.

    `toss` 0 keeps every shape in order, 1 turns and moves it as far as its cell allows; `style` is
    fill or line, `texture` plain, linen, watercolour or grain, `density` even, sparse or dense.
    """

    motif: str
    scale: str
    lattice: Lattice
    inks: tuple[str, ...]
    ground: str
    fill: float = 0.5
    turn: float = 0.5
    seed: int = 0
    toss: float = 0.0
    density: str = "even"
    style: str = "fill"
    texture: str = "plain"

    @property
    def direction(self) -> str:
        """The way lines run; empty for every motif whose lines cannot choose."""
        ways = MOTIFS[self.motif].ways
        return ways[min(int(self.turn * len(ways)), len(ways) - 1)] if ways else ""

    @property
    def rotation_deg(self) -> float:
        """How far the motif leans, clockwise; 0 for every motif that stands upright."""
        return (self.turn - 0.5) * MOTIFS[self.motif].swing_deg

    @property
    def layout(self) -> str:
        """ "tossed" where shapes left their order, "set" elsewhere."""
        return "tossed" if self.toss > 0 else "set"


Group = tuple[str, str, Lattice]


def draw_group(generator: torch.Generator, of: Range = FIRST) -> Group:
    """A random (motif, scale, lattice); pictures of one group are drawn together."""
    motif = of.motifs[_pick(generator, len(of.motifs))]
    return motif, SCALES[_pick(generator, 4)], tuple(Lattice)[_pick(generator, 3)]


def draw_swatch(group: Group, generator: torch.Generator, of: Range = FIRST) -> Swatch:
    """A random member of a group; every colour differs visibly from the ground it lies on."""
    motif, scale, lattice = group
    counts = (1, 1, 1, 2, 2, 3, 4, 5) if of.inks_max > 3 else (1, 1, 1, 2, 2, 3)
    inks = _inks_allowed(motif, scale, counts[_pick(generator, len(counts))])
    ground = of.colours[_pick(generator, len(of.colours))]
    chosen: list[str] = []
    while len(chosen) < inks:
        name = of.colours[_pick(generator, len(of.colours))]
        if all(palette.contrast(name, other) > 0.3 for other in [ground, *chosen]):
            chosen.append(name)
    fill, turn = torch.rand(2, generator=generator).tolist()
    swatch = Swatch(
        motif=motif,
        scale=scale,
        lattice=lattice,
        inks=tuple(chosen),
        ground=ground,
        fill=fill,
        turn=turn,
        seed=_pick(generator, 2**31),
    )
    return _finished(swatch, generator) if of.finishes else swatch


def _inks_allowed(motif: str, scale: str, wanted: int) -> int:
    """What the family carries at this scale, nearest to the number wanted."""
    bounds = MOTIFS[motif]
    most = bounds.inks_max
    if scale == "large":
        most = min(most, bounds.inks_large_max)
    return max(bounds.inks_min, min(wanted, most))


def _finished(swatch: Swatch, generator: torch.Generator) -> Swatch:
    """The swatch with a random density, layout, style and texture that its family can show."""
    motif = MOTIFS[swatch.motif]
    # One whole cell per tile has no neighbours to be sparse or tossed among.
    many = swatch.scale != "large" or motif.repeats[3] == (1, 1) == motif.repeats[0]
    toss, lined, textured = torch.rand(3, generator=generator).tolist()
    choices = ("even", "even", *motif.densities)
    density = choices[_pick(generator, len(choices))]
    if len(swatch.inks) > 2 and "dense" not in motif.densities:
        density = "even"  # The third ink dyes the very cells that would be left empty.
    amount = 0.5 + 0.5 * float(torch.rand(1, generator=generator))
    textures = ("plain", "plain", "plain", *finishes.TEXTURES)
    return replace(
        swatch,
        toss=amount if motif.tosses and many and toss < 0.3 else 0.0,
        density=density if many else "even",
        style="line" if motif.lines and swatch.scale != "tiny" and lined < 0.2 else "fill",
        texture=textures[int(textured * len(textures))],
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
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, swatch in enumerate(swatches):
        look = (swatch.toss > 0, swatch.density, swatch.style, swatch.texture)
        key = (swatch.motif, swatch.scale, swatch.lattice, len(swatch.inks), *look)
        groups.setdefault(key, []).append(place)
    u, v = grid(size_px, device)
    for places in groups.values():
        members = [swatches[place] for place in places]
        out[places] = _draw(members, (u + shift[0], v + shift[1]), size_px)
    return out


def _draw(members: list[Swatch], window: tuple[Tensor, Tensor], size_px: int) -> Tensor:
    """Pictures of one group, (B, 3, size_px, size_px)."""
    one, device = members[0], window[0].device
    motif = MOTIFS[one.motif]
    canvas = Canvas(
        u=window[0],
        v=window[1],
        size_px=size_px,
        scale=SCALES.index(one.scale),
        lattice=one.lattice,
        fill=_column([member.fill for member in members], device),
        turn=_column([member.turn for member in members], device),
        chips=_chips(members, device),
        seeds=torch.tensor([member.seed for member in members], device=device)[:, None, None],
        share=_column([_SHARES[member.density] for member in members], device),
        toss=_column([member.toss for member in members], device) if one.toss > 0 else None,
    )
    layers = motif.paint(canvas, len(one.inks))
    if one.density == "sparse" and "dense" not in motif.densities:
        layers = finishes.thinned(canvas, motif, layers)
    if one.texture == "watercolour":
        layers = finishes.bled(canvas, layers)
    if one.style == "line":
        layers = finishes.outlined(canvas, layers)
    picture = _compose(members, layers, size_px)
    return finishes.woven(canvas, picture, one.texture)


def _compose(members: list[Swatch], layers: list[Layer], size_px: int) -> Tensor:
    """Lay the coats over the ground, bottom first, with an edge one and a half pixels soft."""
    device = layers[0].distance_px.device
    names = [[member.ground, *member.inks] for member in members]
    rows = torch.tensor([[palette.ALL.index(name) for name in row] for row in names], device=device)
    # Row 0 is the ground, row 1 + k the ink k: (B, inks + 1, 3).
    colours = palette.table(device, palette.ALL)[rows]
    shape = (len(members), size_px, size_px)
    picture = colours[:, 0, :, None, None].expand(-1, -1, size_px, size_px)
    for layer in layers:
        cover = (0.5 - layer.distance_px / 1.5).clamp(0, 1) * layer.opacity
        ink = _ink(colours, layer, shape)
        picture = picture + (ink - picture) * cover.expand(shape)[:, None]
    return picture


def _ink(colours: Tensor, layer: Layer, shape: tuple[int, int, int]) -> Tensor:
    """The colour of a coat, (B, 3, 1, 1), or of every pixel of it, (B, 3, H, W)."""
    if layer.dye is not None:
        dye = layer.dye.expand(shape).reshape(shape[0], -1, 1).expand(-1, -1, 3) + 1
        return colours.gather(1, dye).transpose(1, 2).reshape(shape[0], 3, *shape[1:])
    ink = colours[:, layer.ink + 1, :, None, None]
    if layer.turns is not None and colours.shape[1] == 4:
        ink = torch.where(layer.turns.expand(shape)[:, None], colours[:, 3, :, None, None], ink)
    return ink


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
