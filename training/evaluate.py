"""Measures a model: what the probe sees in its tiles, their seams, their colours, their cost.

Refuses to flatter: tiles are judged as they came out, with no second attempt and no repair, and
the probe's own accuracy on held-out renders is reported beside every figure that rests on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch
from torch import Tensor

from inference.seamless import Wrap
from postproc.colour import lab_d50_from_srgb8
from postproc.difference import ciede2000
from postproc.lattice import LATTICES
from postproc.seams import seam_figures
from training import motifs, palette, probe, render, wishes
from training.autoencode import encode, psnr_db
from training.draw import Drawer
from training.lattice import Lattice
from training.wishes import Wish

COLOUR_SHARE_MIN = 0.02
"""A colour's tone is measured from this share of the tile's pixels."""
SEED = 11
DIVERSITY_PROMPTS = 8
DIVERSITY_SEEDS = 4
SHARDS = 48
"""So many shards of every tile size are asked whether they hold a caption's swatch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to draw, and how; `held_out` should be a multiple of the number of motifs."""

    held_out: int = 96
    steps: int = 8
    guidance: float = 1.5
    batch: int = 4
    psnr_tiles: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """One tile beside its wish; None where the prompt, or the tile alone, cannot tell."""

    wish: Wish
    motif: bool
    seam: bool
    colours: bool | None
    scale: bool | None
    lattice: bool | None
    delta_e: tuple[float, ...]


@dataclass(slots=True, kw_only=True)
class Report:
    """All figures, ready for JSON, and the tiles of the grid (48, 3, H, W) for looking at."""

    figures: dict[str, object] = field(default_factory=dict)
    grid: Tensor = field(default_factory=lambda: torch.empty(0))


def evaluate(drawer: Drawer, judge: probe.Probe, plan: Plan) -> Report:
    """Draw every set of wishes and grade it. Shares are 0..1, a share of nothing is nan."""
    sets = {
        "captions": wishes.held_out(plan.held_out, shards=SHARDS),
        "people": wishes.people(),
        "grid": wishes.grid(),
    }
    report = Report()
    graded: dict[str, dict[str, object]] = {}
    seconds = 0.0
    for name, asked in sets.items():
        began = time.monotonic()
        tiles = draw(drawer, asked, plan)
        seconds += time.monotonic() - began
        graded[name] = figures([grade(*pair, judge) for pair in zip(asked, tiles, strict=True)])
        if name == "grid":
            report.grid = tiles
    count = sum(len(asked) for asked in sets.values())
    report.figures = {
        **graded["captions"],
        "seconds_per_tile": seconds / count,
        "autoencoder_psnr_db": autoencoder_db(drawer, plan.psnr_tiles),
        "diversity": diversity(drawer, judge, plan),
        "prompts": count,
        "people": graded["people"],
        "grid": graded["grid"],
        "probe_on_held_out_renders": probe.held_out(judge, probe.SEED + 1),
        "steps": plan.steps,
        "guidance": plan.guidance,
        "threads": torch.get_num_threads(),
    }
    return report


def draw(drawer: Drawer, asked: Sequence[Wish], plan: Plan) -> Tensor:
    """Tiles (N, 3, H, W) in the order of the wishes, `plan.batch` of one lattice at a time."""
    made: dict[int, Tensor] = {}
    for lattice in Lattice:
        places = [place for place, wish in enumerate(asked) if wish.lattice is lattice]
        for start in range(0, len(places), plan.batch):
            some = places[start : start + plan.batch]
            tiles = drawer.draw(
                [asked[place].prompt for place in some],
                lattice,
                seed=SEED + start,
                steps=plan.steps,
                guidance=plan.guidance,
            )
            made.update(zip(some, tiles.float(), strict=True))
    return torch.stack([made[place] for place in range(len(asked))])


def grade(wish: Wish, tile: Tensor, judge: probe.Probe) -> Graded:
    """Hold one tile (3, H, W) in 0..1 against its wish."""
    seen = judge.look(tile[None])
    scale = motifs.SCALES[int(seen.scale)]
    shown = probe.shows_lattice(wish.motif, wish.scale or scale)
    found = [float(seen.colours[0, palette.NAMES.index(name)]) > 0.5 for name in wish.colours]
    rgb = (tile.permute(1, 2, 0) * 255).round().byte().numpy()
    seams = seam_figures(rgb, LATTICES[wish.lattice.value])
    return Graded(
        wish=wish,
        motif=motifs.NAMES[int(seen.motif)] == wish.motif,
        seam=all(figure.passed for figure in seams),
        colours=all(found) if wish.colours else None,
        scale=scale == wish.scale if wish.scale else None,
        lattice=tuple(Lattice)[int(seen.lattice)] is wish.lattice if shown else None,
        delta_e=tuple(_delta_e(rgb, wish.colours)),
    )


def _delta_e(rgb: np.ndarray, names: Iterable[str]) -> Iterable[float]:
    """CIEDE2000 of each named colour to the median of the pixels that are nearest to it."""
    pixels = rgb.reshape(-1, 3)
    nearest = palette.nearest(torch.from_numpy(pixels).float() / 255).numpy()
    for name in names:
        mine = pixels[nearest == palette.NAMES.index(name)]
        if len(mine) >= COLOUR_SHARE_MIN * len(pixels):
            drawn = np.median(mine, axis=0).round().astype(np.uint8)
            wanted = np.array(palette.COLOURS[name], dtype=np.uint8)
            yield float(ciede2000(lab_d50_from_srgb8(wanted), lab_d50_from_srgb8(drawn)))


def figures(graded: Sequence[Graded]) -> dict[str, object]:
    """Shares over the tiles that could tell, and the motifs that were missed most."""
    missed: dict[str, int] = {}
    for one in graded:
        if not one.motif:
            missed[one.wish.motif] = missed.get(one.wish.motif, 0) + 1
    tones = [tone for one in graded for tone in one.delta_e]
    return {
        "tiles": len(graded),
        "motif_accuracy": _share(one.motif for one in graded),
        "colour_accuracy": _share(one.colours for one in graded),
        "lattice_accuracy": _share(one.lattice for one in graded),
        "scale_accuracy": _share(one.scale for one in graded),
        "seam_pass": _share(one.seam for one in graded),
        "palette_delta_e_median": median(tones) if tones else float("nan"),
        "motifs_missed": dict(sorted(missed.items(), key=lambda pair: -pair[1])),
    }


def _share(answers: Iterable[bool | None]) -> float:
    told = [answer for answer in answers if answer is not None]
    return sum(told) / len(told) if told else float("nan")


def diversity(drawer: Drawer, judge: probe.Probe, plan: Plan) -> float:
    """Mean distance of the probe's features between seeds of one prompt, over that of renders.

    1 is as diverse as renders that share motif, scale and colours, 0 the same tile every time.
    """
    generator = torch.Generator().manual_seed(SEED)
    drawn, real = [], []
    for wish in wishes.grid()[:: 48 // DIVERSITY_PROMPTS]:
        tiles = draw(drawer, [wish] * DIVERSITY_SEEDS, plan)
        drawn.append(_spread(judge.look(tiles).features))
        swatch = render.draw_swatch((wish.motif, wish.scale or "medium", wish.lattice), generator)
        members = [_again(swatch, generator) for _ in range(DIVERSITY_SEEDS)]
        moved = torch.cat([render.render([one], shift=_anywhere(generator)) for one in members])
        real.append(_spread(judge.look(moved).features))
    return sum(drawn) / sum(real)


def _again(swatch: render.Swatch, generator: torch.Generator) -> render.Swatch:
    """The same attributes with fresh shape parameters."""
    other = render.draw_swatch((swatch.motif, swatch.scale, swatch.lattice), generator)
    turn = swatch.turn if swatch.direction else other.turn
    return render.Swatch(
        motif=swatch.motif,
        scale=swatch.scale,
        lattice=swatch.lattice,
        inks=swatch.inks,
        ground=swatch.ground,
        fill=other.fill,
        turn=turn,
        seed=other.seed,
    )


def _anywhere(generator: torch.Generator) -> tuple[float, float]:
    across, down = torch.rand(2, generator=generator).tolist()
    return across, down


def _spread(features: Tensor) -> float:
    return float(torch.pdist(features).mean())


@torch.no_grad()
def autoencoder_db(drawer: Drawer, count: int) -> float:
    """PSNR of renders that passed through the autoencoder, wrapped, over all of them together."""
    generator = torch.Generator().manual_seed(wishes.SEED + 2)
    vae, wrap = drawer.pipe.vae, drawer.wrap
    errors = [_round_trip_db(vae, wrap, generator) for _ in range(max(1, count // 4))]
    return float(-10 * np.log10(np.mean([10 ** (-value / 10) for value in errors])))


def _round_trip_db(vae: torch.nn.Module, wrap: Wrap, generator: torch.Generator) -> float:
    group = render.draw_group(generator)
    tiles = render.render([render.draw_swatch(group, generator) for _ in range(4)])
    latents = encode(vae, wrap, tiles, group[2])
    return psnr_db(vae.decode(latents).sample, tiles * 2 - 1)
