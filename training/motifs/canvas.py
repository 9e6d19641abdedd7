"""What every motif family is painted with: the canvas, coats of ink, and chance on the lattice.

Chance here is a hash of the picture's seed and a cell's own indices, folded onto the tile, so loose
parts repeat as exactly as drawn ones, on any device. Refuses to pick colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training import sdf
from training.lattice import Cells, Lattice, cells

SCALES: tuple[str, ...] = ("tiny", "small", "medium", "large")
DENSITIES: tuple[str, ...] = ("even", "sparse", "dense")

FAR = 9.0
"""A distance at which nothing covers, in any unit."""

# From a cell's middle to the middle of the gap between it and its neighbours, in cells.
_GAPS = {
    Lattice.STRAIGHT: (0.5, 0.5),
    Lattice.HALF_DROP: (0.375, 0.5),
    Lattice.BRICK: (0.5, 0.375),
}

Counts = tuple[int, int, int, int]
Pairs = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
CELLS: Counts = (8, 4, 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """What a motif may look at: the pixel grid, the lattice, and per-picture shape parameters.

    `fill` (B, 1, 1) in 0..1 chooses how big the shape is in its cell, `turn` (B, 1, 1) its
    rotation in 0..1 of the motif's own range, `chips` (B, n, n, 16) the loose parts' parameters,
    `seeds` (B, 1, 1) whole numbers for `table`, `share` (B, 1, 1) the part of loose places that
    are taken, and `toss` (B, 1, 1) in 0..1 how far shapes leave their order; None for not at all.
    """

    u: Tensor
    v: Tensor
    size_px: int
    scale: int
    lattice: Lattice
    fill: Tensor
    turn: Tensor
    chips: Tensor
    seeds: Tensor
    share: Tensor
    toss: Tensor | None = None

    def cells(self, counts: Counts = CELLS) -> Cells:
        """The cells of this scale, tossed if the picture is; counts go from tiny to large."""
        cell = self.bare(counts[self.scale])
        return cell if self.toss is None else self._tossed(cell, self.toss)

    def bare(self, count: int, *, gaps: bool = False) -> Cells:
        """Cells in order; with `gaps`, their middles lie as far as can be from those without."""
        right, down = _GAPS[self.lattice] if gaps else (0.0, 0.0)
        return cells(self.u - right / count, self.v - down / count, count, self.lattice)

    def _tossed(self, cell: Cells, toss: Tensor) -> Cells:
        """Every shape turned and moved at random, and so much smaller that it keeps its cell."""
        size = 1 - 0.28 * toss
        x = cell.x - (self.draw(cell, 90) - 0.5) * (0.3 * toss)
        y = cell.y - (self.draw(cell, 91) - 0.5) * (0.3 * toss)
        x, y = sdf.rotate(x / size, y / size, (self.draw(cell, 92) - 0.5) * (6.2832 * toss))
        return replace(cell, x=x, y=y)

    def between(self, low: float, high: float) -> Tensor:
        """A length chosen by `fill`, (B, 1, 1)."""
        return low + (high - low) * self.fill

    def px(self, distance: Tensor, count: float) -> Tensor:
        """From units of a cell to pixels."""
        return distance * (self.size_px / count)

    def table(self, columns: int, rows: int, channel: int) -> Tensor:
        """Uniform numbers (B, rows, columns) in 0..1 from the seeds and the channel alone."""
        row = torch.arange(rows, device=self.u.device)[:, None]
        column = torch.arange(columns, device=self.u.device)[None]
        mixed = self.seeds * 7919 + channel * 104729 + row * 15731 + column * 789221
        for _ in range(3):
            mixed = ((mixed ^ (mixed >> 16)) & 0xFFFFFFFF) * 0x45D9F3B & 0xFFFFFFFF
        return ((mixed ^ (mixed >> 16)) & 0xFFFFFF).float() / 0x1000000

    def draw(self, cell: Cells, channel: int) -> Tensor:
        """A number in 0..1 for every cell, (B, H, W); the same one in every unit of the repeat."""
        # Sheared cells meet themselves in the next unit at the same row and column.
        column = torch.remainder(cell.column, cell.count).long()
        row = torch.remainder(cell.row, cell.count).long()
        return self.table(cell.count, cell.count, channel)[:, row, column]

    def pick(self, cell: Cells, channel: int, choices: int) -> Tensor:
        """A whole number below `choices` for every cell, (B, H, W)."""
        return (self.draw(cell, channel) * choices).long().clamp(max=choices - 1)

    def deal(self, cell: Cells, channel: int) -> tuple[Tensor, Tensor]:
        """Every cell's place in a shuffled row, (B, H, W), and where a cell stays empty.

        The cells that are taken come first, so that `place % inks` gives every ink its turn.
        """
        shuffled = self.table(cell.count, cell.count, channel).flatten(1).argsort(1).argsort(1)
        column = torch.remainder(cell.column, cell.count).long()
        row = torch.remainder(cell.row, cell.count).long()
        place = shuffled[:, row * cell.count + column]
        return place, place >= torch.ceil(self.share * cell.count**2)

    def fold(self, column: Tensor, row: Tensor, columns: int, rows: int) -> tuple[Tensor, Tensor]:
        """Fold indices of an unsheared grid on the tile; even counts along the dropped side."""
        across, down = torch.floor(column / columns), torch.floor(row / rows)
        if self.lattice is Lattice.HALF_DROP:
            row = row - across * (rows // 2)
        elif self.lattice is Lattice.BRICK:
            column = column - down * (columns // 2)
        return torch.remainder(column, columns).long(), torch.remainder(row, rows).long()

    def noise(self, columns: int, rows: int, channel: int) -> Tensor:
        """Smooth noise (B, H, W) in 0..1 on an unsheared grid of even counts."""
        x, y = self.u * columns - 0.5, self.v * rows - 0.5
        column, row = torch.floor(x), torch.floor(y)
        across, down = x - column, y - row
        across = across * across * (3 - 2 * across)
        down = down * down * (3 - 2 * down)
        numbers = self.table(columns, rows, channel)
        corner = []
        for dr in (0, 1):
            for dc in (0, 1):
                c, r = self.fold(column + dc, row + dr, columns, rows)
                corner.append(numbers[:, r, c])
        upper = torch.lerp(corner[0], corner[1], across.expand_as(corner[0]))
        lower = torch.lerp(corner[2], corner[3], across.expand_as(corner[0]))
        return torch.lerp(upper, lower, down.expand_as(upper))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One coat of ink; `distance_px` is negative where it covers.

    The ink is `ink` (-1 is the ground), replaced by the third one where `turns`; or, where a coat
    has many inks, `dye` holds the ink of every pixel. A `vein` is a line already: outlined
    pictures keep it as it is, in the first ink if it was cut out of the ground.
    """

    distance_px: Tensor
    ink: int = 0
    opacity: float = 1.0
    turns: Tensor | None = None
    dye: Tensor | None = None
    vein: bool = False


Layers = list[Layer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motif:
    """A family: how it is painted, how many inks it carries besides the ground, what it can vary.

    `repeats` (across, down) per scale: how often a plain picture of the family's fewest inks on a
    straight lattice repeats within the tile; 0 says that it never changes that way, and 1 all the
    way up that nothing repeats inside. `cells` are the counts of one-shape-to-a-cell families.
    `ways` are the directions that `turn` picks from;
    `swing_deg` is the range of rotation that it picks from instead. `densities` beyond "even" and
    `tosses`, `lines` say what else a swatch may ask for.
    """

    paint: Callable[[Canvas, int], Layers]
    repeats: Pairs
    cells: Counts = CELLS
    inks_min: int = 1
    inks_max: int = 3
    inks_large_max: int = 2
    ways: tuple[str, ...] = ()
    swing_deg: float = 0.0
    densities: tuple[str, ...] = ("even",)
    tosses: bool = False
    lines: bool = False


def square(counts: Counts = CELLS) -> Pairs:
    """Repeats of a family that does the same across and down."""
    tiny, small, medium, large = counts
    return (tiny, tiny), (small, small), (medium, medium), (large, large)


ONCE: Pairs = square((1, 1, 1, 1))
"""The repeats of loose parts: nothing repeats within the tile."""


def alternate(cell: Cells) -> Tensor | None:
    """Every second cell, checkerwise; None where one cell fills the tile."""
    if cell.count < 2:
        return None
    return torch.remainder(cell.column + cell.row, 2) > 0.5


def in_cells(canvas: Canvas, shape: Tensor, accent: Tensor, *, inks: int, cell: Cells) -> Layers:
    """A shape in every cell and, with two inks or more, an accent on top of it."""
    layers = [Layer(distance_px=canvas.px(shape, cell.count), turns=alternate(cell))]
    if inks > 1:
        layers.append(Layer(distance_px=canvas.px(accent, cell.count), ink=1))
    return layers


def away(distance: Tensor, empty: Tensor) -> Tensor:
    """The distance where a place is taken, far away where it is empty."""
    return torch.where(empty, torch.full_like(distance, FAR), distance)
