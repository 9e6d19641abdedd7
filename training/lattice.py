"""How units repeat: straight, half-drop and brick, as wraps of the tile and as cells inside it.

The tile is one unit. Its right neighbour under half-drop, and its lower neighbour under brick, is
the same tile rolled by half a unit. Anything drawn through `cells` or `owner` obeys that exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch


class Lattice(StrEnum):
    """The arrangement of units; the values are the words used in events and recipes."""

    STRAIGHT = "straight"
    HALF_DROP = "half-drop"
    BRICK = "brick"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Every pixel's place in a grid of cells; all tensors (H, W), in units of one cell."""

    x: torch.Tensor
    y: torch.Tensor
    column: torch.Tensor
    row: torch.Tensor
    count: int


def grid(size_px: int, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Pixel centres of one tile as (u, v), each (size_px, size_px), in 0..1, v downwards."""
    line = (torch.arange(size_px, device=device, dtype=torch.float32) + 0.5) / size_px
    v, u = torch.meshgrid(line, line, indexing="ij")
    return u, v


def cells(u: torch.Tensor, v: torch.Tensor, count: int, lattice: Lattice) -> Cells:
    """Cut the tile into count x count cells, columns (rows) of which drop by half a cell.

    Moving by the tile's own shear maps cells onto cells: count half-cell drops make half a tile.
    """
    x, y = u * count, v * count
    if lattice is Lattice.HALF_DROP:
        column = torch.floor(x)
        row = torch.floor(y - 0.5 * column)
        return Cells(
            x=x - column - 0.5, y=y - 0.5 * column - row - 0.5, column=column, row=row, count=count
        )
    row = torch.floor(y)
    shift = 0.5 * row if lattice is Lattice.BRICK else torch.zeros_like(row)
    column = torch.floor(x - shift)
    return Cells(x=x - shift - column - 0.5, y=y - row - 0.5, column=column, row=row, count=count)


def owner(
    column: torch.Tensor, row: torch.Tensor, count: int, lattice: Lattice
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fold unsheared cell indices of the plane onto the tile's own count x count cells.

    `count` must be even for the sheared lattices, because half a tile is count / 2 cells.
    """
    across = torch.floor(column / count)
    down = torch.floor(row / count)
    if lattice is Lattice.HALF_DROP:
        row = row - across * (count // 2)
    elif lattice is Lattice.BRICK:
        column = column - down * (count // 2)
    return torch.remainder(column, count).long(), torch.remainder(row, count).long()


def right_neighbour(tile: torch.Tensor, lattice: Lattice) -> torch.Tensor:
    """The unit to the right of (..., H, W); H must be even for half-drop."""
    shift = tile.shape[-2] // 2 if lattice is Lattice.HALF_DROP else 0
    return torch.roll(tile, shift, -2)


def lower_neighbour(tile: torch.Tensor, lattice: Lattice) -> torch.Tensor:
    """The unit below (..., H, W); W must be even for brick."""
    shift = tile.shape[-1] // 2 if lattice is Lattice.BRICK else 0
    return torch.roll(tile, shift, -1)


def straight_unit(tile: torch.Tensor, lattice: Lattice) -> torch.Tensor:
    """The straight rectangular unit of (..., H, W): two tiles side by side, or one on the other."""
    if lattice is Lattice.HALF_DROP:
        return torch.cat([tile, right_neighbour(tile, lattice)], -1)
    if lattice is Lattice.BRICK:
        return torch.cat([tile, lower_neighbour(tile, lattice)], -2)
    return tile


def window(tile: torch.Tensor, lattice: Lattice, right: int, down: int) -> torch.Tensor:
    """The window of the endless cloth that begins `right`, `down` (less than a side) in the tile.

    It is a unit of the same repeat: (..., H, W) -> (..., H, W).
    """
    height, width = tile.shape[-2:]
    below = lower_neighbour(tile, lattice)
    rows = torch.cat([tile, right_neighbour(tile, lattice)], -1)
    other = torch.cat([below, right_neighbour(below, lattice)], -1)
    cloth = torch.cat([rows, other], -2)
    return cloth[..., down : down + height, right : right + width]
