"""Captions in a person's words: synonyms, word order and omissions, from a swatch's ground truth.

Refuses to lie: a caption may leave an attribute out, but never names one that is not in the
picture.
"""

from __future__ import annotations

import random
import re

from training import words
from training.ranges import FIRST, Range
from training.render import Swatch
from training.words import DIRECTIONS, ENDINGS, GROUNDS, LATTICES, LINKS, NOUNS, OPENINGS, SIZES

__all__ = ["NOUNS", "caption", "vocabulary"]


def caption(swatch: Swatch, dice: random.Random, of: Range = FIRST) -> str:
    """One way of asking for the swatch; never empty, and different dice give different words."""
    size = _maybe(dice, 0.7, SIZES[swatch.scale])
    way = _maybe(dice, 0.75, DIRECTIONS[swatch.direction])
    noun = _say(dice, of.nouns[swatch.motif])
    inks = _inks(swatch, dice, of) if dice.random() < 0.93 else ""
    ground = _say(dice, of.colour_words[swatch.ground]) if dice.random() < 0.92 else ""
    mood = _maybe(dice, 0.15, of.moods)
    finish = ""
    if of.finishes:
        noun, finish = _finished(swatch, dice, noun)
    plain = _order(dice, (mood, size, way, inks, noun), ground)
    tail = _maybe(dice, 0.65, LATTICES[swatch.lattice])
    end = _maybe(dice, 0.12, ENDINGS)
    comma = dice.choice((", ", ", ", " "))
    parts = (plain, finish, tail, end)
    return re.sub(r"\s+", " ", comma.join(part for part in parts if part)).strip()


def _finished(swatch: Swatch, dice: random.Random, noun: str) -> tuple[str, str]:
    """The noun with its style, layout and density before it, and the texture's words."""
    before = " ".join(
        _maybe(dice, 0.75, book[value])
        for book, value in (
            (words.DENSITY_WORDS, swatch.density),
            (words.LAYOUT_WORDS, swatch.layout),
            (words.STYLE_WORDS, swatch.style),
        )
    )
    return f"{before} {noun}", _maybe(dice, 0.75, words.TEXTURE_WORDS[swatch.texture])


def _order(dice: random.Random, parts: tuple[str, str, str, str, str], ground: str) -> str:
    mood, size, way, inks, noun = parts
    plain = f"{mood} {size} {inks} {way} {noun}"
    on = f"{dice.choice(('on', 'on', 'on', 'over', 'against'))} {dice.choice(('', '', 'a'))}"
    cloth = dice.choice(("", *GROUNDS))
    pick = dice.random()
    if pick < 0.4 or not ground:
        after = f"{on} {ground} {cloth}" if ground else ""
        return f"{_maybe(dice, 0.25, OPENINGS)} {plain} {after}"
    if pick < 0.55:
        return f"{ground} {dice.choice(GROUNDS)} with {plain}"
    if pick < 0.7:
        return f"{mood} {size} {way} {noun} {f'in {inks}' if inks else ''} {on} {ground} {cloth}"
    if pick < 0.8:
        return f"{mood} {inks} {size} {way} {noun} {on} {ground} {cloth}"
    if pick < 0.9:
        return f"{mood} {inks} {way} {noun} {on} {ground} {cloth}, {size}"
    return f"{plain}, {ground} {dice.choice(GROUNDS)}"


def _inks(swatch: Swatch, dice: random.Random, of: Range) -> str:
    """The inks in their order, main one first; the accent may stay unsaid."""
    names = [_say(dice, of.colour_words[name]) for name in swatch.inks]
    if len(names) > 1 and dice.random() < 0.12:
        names = names[:1]
    if len(names) == 1:
        return names[0]
    return ", ".join(names[:-1]) + dice.choice((" and ", " and ", " & ")) + names[-1]


def _say(dice: random.Random, choices: tuple[str, ...]) -> str:
    """The plain word half of the time, any of the words otherwise."""
    return choices[0] if dice.random() < 0.5 else dice.choice(choices)


def _maybe(dice: random.Random, chance: float, choices: tuple[str, ...]) -> str:
    return _say(dice, choices) if choices and dice.random() < chance else ""


def vocabulary(of: Range = FIRST) -> tuple[str, ...]:
    """Every word a caption can hold, lower case, longest first, without punctuation."""
    phrases = [*OPENINGS, *of.moods, *GROUNDS, *ENDINGS, *LINKS]
    books = [of.nouns, SIZES, LATTICES, DIRECTIONS, of.colour_words]
    if of.finishes:
        books += [words.DENSITY_WORDS, words.LAYOUT_WORDS, words.STYLE_WORDS, words.TEXTURE_WORDS]
    for book in books:
        for entry in book.values():
            phrases.extend(entry)
    found = {word for phrase in phrases for word in re.findall(r"[a-z]+", phrase.lower())}
    return tuple(sorted(found, key=lambda word: (-len(word), word)))
