"""Ranges: what a model is taught to draw. The first one ships; the whole one is all we can render.

A range fixes the families, the colours, the words and so the labels and the tokenizer. The first
range is frozen: shards, checkpoints and the shipped tokenizer hold its indices. Refuses to mix: a
swatch of one range has no label in a smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from training import motifs, palette, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Families and colours, with their words; `finishes` says that density, layout, style and
    texture vary too. `inks_max` counts the inks besides the ground."""

    name: str
    motifs: tuple[str, ...]
    colours: tuple[str, ...]
    nouns: Mapping[str, tuple[str, ...]]
    colour_words: Mapping[str, tuple[str, ...]]
    moods: tuple[str, ...]
    inks_max: int
    finishes: bool


FIRST = Range(
    name="first",
    motifs=motifs.NAMES,
    colours=palette.NAMES,
    nouns=words.NOUNS,
    colour_words=words.COLOUR_WORDS,
    moods=words.MOODS,
    inks_max=3,
    finishes=False,
)
WHOLE = Range(
    name="whole",
    motifs=motifs.ALL,
    colours=palette.ALL,
    nouns=words.WHOLE_NOUNS,
    colour_words=words.WHOLE_COLOUR_WORDS,
    moods=words.WHOLE_MOODS,
    inks_max=5,
    finishes=True,
)
RANGES: dict[str, Range] = {one.name: one for one in (FIRST, WHOLE)}
