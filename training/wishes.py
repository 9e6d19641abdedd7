"""What the model is asked when it is measured: prompts, and what a person would expect to see.

Three sets: captions of swatches that no shard holds, sixty prompts as people write them, and a
grid of forty-eight plain ones for looking at. Refuses to serve as training data.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import torch

from training import captions, motifs, palette, render
from training.labels import label
from training.latents import ShardPlan, shard_labels
from training.lattice import Lattice
from training.model import TILE_PX
from training.people import PROMPTS

SEED = 9_000_000
GRID_COLUMNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A prompt with its expected attributes; what was not said is None or left out."""

    prompt: str
    motif: str
    colours: tuple[str, ...]
    scale: str | None
    lattice: Lattice


def held_out(count: int, *, shards: int) -> tuple[Wish, ...]:
    """Captions of fresh swatches whose attributes occur in none of the first `shards` shards."""
    plans = [ShardPlan(tile_px=TILE_PX // share) for share in (1, 2, 4)]
    seen = {
        tuple(row) for plan in plans for index in range(shards) for row in shard_labels(index, plan)
    }
    generator = torch.Generator().manual_seed(SEED)
    dice = random.Random(SEED)  # noqa: S311  (words, not secrets)
    wishes: list[Wish] = []
    while len(wishes) < count:
        group = render.draw_group(generator)
        # The motifs take turns, so that each has the same weight in the figures.
        group = (motifs.NAMES[len(wishes) % len(motifs.NAMES)], *group[1:])
        swatch = render.draw_swatch(group, generator)
        if tuple(label(swatch)) not in seen:
            wishes.append(_of_caption(captions.caption(swatch, dice), swatch))
    return tuple(wishes)


def people(range_name: str = "first") -> tuple[Wish, ...]:
    """The people's prompts that can be asked of a range of motifs and colours."""
    return tuple(
        Wish(
            prompt=prompt.prompt,
            motif=prompt.motif,
            colours=(*prompt.inks, *((prompt.ground,) if prompt.ground else ())),
            scale=prompt.scale,
            lattice=prompt.lattice,
        )
        for prompt in PROMPTS
        if prompt.range == range_name
    )


def grid() -> tuple[Wish, ...]:
    """Three plain prompts for every motif: another size, colours and lattice in each."""
    generator = torch.Generator().manual_seed(SEED + 1)
    wishes: list[Wish] = []
    for motif in motifs.NAMES:
        for scale, lattice in zip(("small", "medium", "large"), Lattice, strict=True):
            swatch = render.draw_swatch((motif, scale, lattice), generator)
            ink, ground = swatch.inks[0], swatch.ground
            words = f"{scale} {palette.WORDS[ink][0]} {captions.NOUNS[motif][0]}"
            prompt = f"{words} on {palette.WORDS[ground][0]}"
            if lattice is not Lattice.STRAIGHT:
                prompt += f", {captions.LATTICES[lattice][0]}"
            wishes.append(
                Wish(
                    prompt=prompt,
                    motif=motif,
                    colours=(ink, ground),
                    scale=scale,
                    lattice=lattice,
                )
            )
    return tuple(wishes)


def _of_caption(caption: str, swatch: render.Swatch) -> Wish:
    words = {word: name for name, said in palette.WORDS.items() for word in said}
    sizes = {word for said in captions.SIZES.values() for word in said}
    held = (swatch.ground, *swatch.inks)
    return Wish(
        prompt=caption,
        motif=swatch.motif,
        colours=tuple(sorted({words[word] for word in _said(caption, set(words))} & set(held))),
        scale=swatch.scale if _said(caption, sizes) else None,
        lattice=swatch.lattice,
    )


def _said(text: str, phrases: set[str]) -> list[str]:
    """The phrases in the text, the longest first, none of them inside another one."""
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    pattern = "|".join(rf"\b{re.escape(phrase)}\b" for phrase in longest_first)
    return re.findall(pattern, text.lower())
