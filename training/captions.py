"""Captions in a person's words: synonyms, word order and omissions, from a swatch's ground truth.

Refuses to lie: a caption may leave an attribute out, but never names one that is not in the
picture.
"""

from __future__ import annotations

import random
import re

from training.lattice import Lattice
from training.palette import WORDS
from training.render import Swatch

NOUNS: dict[str, tuple[str, ...]] = {
    "dot": ("polka dots", "dots", "spots", "polka dot", "dotted", "polka"),
    "ring": ("rings", "hoops", "circles", "ring", "open circles"),
    "stripe": ("stripes", "stripe", "striped", "lines"),
    "gingham": ("gingham", "gingham check", "vichy", "gingham plaid", "plaid"),
    "check": ("checks", "checkerboard", "chequerboard", "check", "checkered squares", "squares"),
    "chevron": ("chevrons", "chevron", "zigzag", "zigzags", "zig zag", "herringbone zigzag"),
    "wave": ("waves", "wave", "wavy lines", "ripples", "wavy"),
    "scallop": ("scallops", "scallop", "fish scales", "mermaid scales", "scales", "seigaiha"),
    "diamond": ("diamonds", "diamond", "argyle", "harlequin diamonds", "lozenges"),
    "trellis": ("trellis", "lattice", "diagonal grid", "crosshatch", "trellis lines"),
    "heart": ("hearts", "heart", "love hearts"),
    "star": ("stars", "star", "five pointed stars"),
    "moon": ("moons", "moon", "crescents", "crescent moons", "crescent"),
    "leaf": ("leaves", "leaf", "botanical leaves", "foliage", "leafy"),
    "daisy": ("daisies", "daisy", "flowers", "floral", "flower", "blossoms"),
    "terrazzo": ("terrazzo", "stone chips", "chips", "terrazzo chips", "confetti"),
}
SIZES: dict[str, tuple[str, ...]] = {
    "tiny": ("tiny", "ditsy", "micro", "very small", "minute"),
    "small": ("small", "little", "small scale"),
    "medium": ("medium", "mid size", "medium scale", "medium sized"),
    "large": ("large", "big", "oversized", "huge", "large scale", "giant"),
}
LATTICES: dict[Lattice, tuple[str, ...]] = {
    Lattice.STRAIGHT: ("straight repeat", "straight", "grid repeat", "block repeat"),
    Lattice.HALF_DROP: ("half drop", "half-drop", "half drop repeat", "half-drop repeat"),
    Lattice.BRICK: ("brick", "brick repeat", "brick layout", "half brick"),
}
DIRECTIONS: dict[str, tuple[str, ...]] = {
    "vertical": ("vertical", "upright"),
    "horizontal": ("horizontal", "sideways"),
    "diagonal": ("diagonal", "slanted"),
    "": (),
}
OPENINGS = (
    "a pattern of", "pattern of", "seamless pattern of", "a repeat pattern with", "textile with",
    "fabric with", "wallpaper with", "a print of", "seamless tile with", "design with", "a tile of",
    "something like",
)  # fmt: skip
MOODS = (
    "modern", "vintage", "retro", "bold", "playful", "elegant", "classic", "simple", "pretty",
    "bright", "fresh", "soft", "graphic", "cute", "scandinavian", "summer", "nursery", "kitchen",
    "cotton", "geometric", "flat", "clean", "art deco", "folk", "tossed", "calm", "warm", "cool",
)  # fmt: skip
GROUNDS = ("ground", "background", "base", "backdrop", "cloth")
ENDINGS = ("wallpaper", "fabric", "textile", "print", "pattern", "repeat", "seamless", "tile")
LINKS = (
    "on", "a", "an", "with", "in", "and", "over", "of", "upon", "against", "colours", "colors",
    "the", "for", "by", "to", "is", "are", "but", "no", "not", "all", "some", "two", "three",
    "colour", "color", "from", "at", "my", "i", "want", "would", "like", "please", "make", "me",
    "very", "more", "calmer", "style", "motif", "motifs", "design", "designs", "tone", "toned",
    "accents", "accent", "details", "centres", "centers",
)  # fmt: skip


def caption(swatch: Swatch, dice: random.Random) -> str:
    """One way of asking for the swatch; never empty, and different dice give different words."""
    size = _maybe(dice, 0.7, SIZES[swatch.scale])
    way = _maybe(dice, 0.75, DIRECTIONS[swatch.direction])
    noun = _say(dice, NOUNS[swatch.motif])
    inks = _inks(swatch, dice) if dice.random() < 0.93 else ""
    ground = _say(dice, WORDS[swatch.ground]) if dice.random() < 0.92 else ""
    mood = _maybe(dice, 0.15, MOODS)
    words = _order(dice, (mood, size, way, inks, noun), ground)
    tail = _maybe(dice, 0.65, LATTICES[swatch.lattice])
    end = _maybe(dice, 0.12, ENDINGS)
    comma = dice.choice((", ", ", ", " "))
    return re.sub(r"\s+", " ", comma.join(part for part in (words, tail, end) if part)).strip()


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


def _inks(swatch: Swatch, dice: random.Random) -> str:
    """The inks in their order, main one first; the accent may stay unsaid."""
    names = [_say(dice, WORDS[name]) for name in swatch.inks]
    if len(names) > 1 and dice.random() < 0.12:
        names = names[:1]
    if len(names) == 1:
        return names[0]
    return ", ".join(names[:-1]) + dice.choice((" and ", " and ", " & ")) + names[-1]


def _say(dice: random.Random, words: tuple[str, ...]) -> str:
    """The plain word half of the time, any of the words otherwise."""
    return words[0] if dice.random() < 0.5 else dice.choice(words)


def _maybe(dice: random.Random, chance: float, words: tuple[str, ...]) -> str:
    return _say(dice, words) if words and dice.random() < chance else ""


def vocabulary() -> tuple[str, ...]:
    """Every word a caption can hold, lower case, longest first, without punctuation."""
    phrases = [*OPENINGS, *MOODS, *GROUNDS, *ENDINGS, *LINKS]
    for book in (NOUNS, SIZES, LATTICES, DIRECTIONS, WORDS):
        for entry in book.values():
            phrases.extend(entry)
    words = {word for phrase in phrases for word in re.findall(r"[a-z]+", phrase.lower())}
    return tuple(sorted(words, key=lambda word: (-len(word), word)))
