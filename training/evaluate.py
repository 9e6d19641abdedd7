"""Thirty-two plain prompts, their expected attributes, and a colour probe for what was drawn.

Refuses to judge motifs: a person looks at the sheet for those. Colours are counted by the nearest
palette colour of every pixel, on the tile as it came out, with no repair.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from training import palette
from training.draw import Drawer
from training.lattice import Lattice

SHARE_MIN = 0.02
"""A colour counts as present from this share of the tile's pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A prompt, and what a person would expect to see."""

    prompt: str
    ink: str
    ground: str
    lattice: Lattice = Lattice.STRAIGHT


def _wish(prompt: str, ink: str, ground: str, lattice: str = "straight") -> Wish:
    return Wish(prompt=prompt, ink=ink, ground=ground, lattice=Lattice(lattice))


WISHES: tuple[Wish, ...] = (
    _wish("red hearts on white", "red", "white"),
    _wish("large pink heart on a navy ground, half drop", "pink", "navy", "half-drop"),
    _wish("small navy polka dots on cream", "navy", "cream"),
    _wish("white dots on teal, brick repeat", "white", "teal", "brick"),
    _wish("gold stars on midnight blue", "yellow", "navy"),
    _wish("tiny white stars on black, half drop", "white", "black", "half-drop"),
    _wish("yellow moons on purple", "yellow", "purple"),
    _wish("white crescent moons on navy, half-drop repeat", "white", "navy", "half-drop"),
    _wish("blue and white gingham", "blue", "white"),
    _wish("red gingham on cream", "red", "cream"),
    _wish("vertical navy stripes on white", "navy", "white"),
    _wish("horizontal green stripes on cream", "green", "cream"),
    _wish("diagonal orange stripes on black", "orange", "black"),
    _wish("teal chevron on white", "teal", "white"),
    _wish("large brown zigzag on cream", "brown", "cream"),
    _wish("medium blue waves on white", "blue", "white"),
    _wish("small green leaves on cream, half drop", "green", "cream", "half-drop"),
    _wish("emerald leaves on pink", "green", "pink"),
    _wish("white daisies on sky blue", "white", "sky"),
    _wish("medium yellow daisies on green, brick", "yellow", "green", "brick"),
    _wish("large orange flower on brown", "orange", "brown"),
    _wish("grey rings on white", "grey", "white"),
    _wish("red rings on sage", "red", "sage"),
    _wish("black and white checkerboard", "black", "white"),
    _wish("purple checks on yellow", "purple", "yellow"),
    _wish("navy scallops on white", "navy", "white"),
    _wish("teal fish scales on cream", "teal", "cream"),
    _wish("pink diamonds on grey", "pink", "grey"),
    _wish("green argyle on navy", "green", "navy"),
    _wish("white trellis on green", "white", "green"),
    _wish("black terrazzo on white", "black", "white"),
    _wish("orange terrazzo chips on cream", "orange", "cream"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the probe saw; shares are of all wishes."""

    tiles: Tensor
    shares: Tensor
    both: float
    first_two: float
    seconds_per_tile: float


def evaluate(drawer: Drawer, *, seed: int, steps: int, guidance: float) -> Verdict:
    """Draw all wishes and count: both colours present, and both the two most frequent ones."""
    began = time.monotonic()
    made: dict[int, Tensor] = {}
    for lattice in Lattice:
        places = [place for place, wish in enumerate(WISHES) if wish.lattice is lattice]
        prompts = [WISHES[place].prompt for place in places]
        drawn = drawer.draw(prompts, lattice, seed=seed, steps=steps, guidance=guidance)
        made.update(zip(places, drawn, strict=True))
    seconds = (time.monotonic() - began) / len(WISHES)
    tiles = torch.stack([made[place] for place in range(len(WISHES))])
    nearest = palette.nearest(tiles.permute(0, 2, 3, 1).float()).flatten(1)
    shares = torch.nn.functional.one_hot(nearest, len(palette.NAMES)).float().mean(1)
    present, leading = 0, 0
    for row, wish in zip(shares, WISHES, strict=True):
        wanted = {palette.NAMES.index(wish.ink), palette.NAMES.index(wish.ground)}
        present += all(float(row[place]) >= SHARE_MIN for place in wanted)
        leading += set(row.topk(2).indices.tolist()) == wanted
    return Verdict(
        tiles=tiles,
        shares=shares,
        both=present / len(WISHES),
        first_two=leading / len(WISHES),
        seconds_per_tile=seconds,
    )
