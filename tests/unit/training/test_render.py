"""The renderer: periodic in every lattice, true to its labels, and never without words."""

from __future__ import annotations

import random

import pytest
import torch

from training import captions, labels, motifs, palette, ranges, render
from training.lattice import Lattice, lower_neighbour, right_neighbour

# Coordinates beyond the first tile lose a little precision; 1/500 of the range is float error
# times the slope of an edge (43 per pixel at 64 px).
TOLERANCE = 2e-3
INKS = ("navy", "red", "gold", "green", "magenta")
FINISHES = (
    ("star", {"toss": 1.0}),
    ("heart", {"toss": 0.6, "style": "line"}),
    ("rose", {"density": "sparse", "texture": "watercolour"}),
    ("leaf", {"style": "line", "texture": "watercolour", "toss": 0.8}),
    ("dot", {"texture": "linen", "toss": 1.0}),
    ("stripe", {"texture": "linen"}),
    ("bird", {"density": "sparse", "texture": "grain"}),
    ("memphis", {"density": "dense", "texture": "grain"}),
    ("ditsy-floral", {"density": "sparse"}),
)
CASES = [
    (motif, scale, lattice)
    for motif in motifs.NAMES
    for scale in motifs.SCALES
    for lattice in Lattice
]


def members(group: render.Group, count: int, seed: int = 5) -> list[render.Swatch]:
    generator = torch.Generator().manual_seed(seed)
    return [render.draw_swatch(group, generator) for _ in range(count)]


def wraps(drawn: list[render.Swatch], lattice: Lattice, size_px: int = 64) -> None:
    """Assert that the neighbouring windows show the tile, rolled by half where it drops."""
    tile = render.render(drawn, size_px)
    right = render.render(drawn, size_px, shift=(1, 0))
    below = render.render(drawn, size_px, shift=(0, 1))
    assert (right - right_neighbour(tile, lattice)).abs().max() < TOLERANCE
    assert (below - lower_neighbour(tile, lattice)).abs().max() < TOLERANCE


@pytest.mark.parametrize("lattice", list(Lattice))
@pytest.mark.parametrize("motif", motifs.ALL)
def test_the_next_tile_is_the_wrapped_one(motif: str, lattice: Lattice) -> None:
    """Drawing the neighbouring window gives the tile, rolled by half where it drops."""
    bounds = motifs.MOTIFS[motif]
    for place, scale in enumerate(motifs.SCALES):
        most = bounds.inks_large_max if scale == "large" else bounds.inks_max
        # All inks at two scales, the fewest at the others; both ends of every shape's range.
        inks = min(most, bounds.inks_max) if place % 2 else bounds.inks_min
        end = 0.1 + 0.8 * (place % 2)
        swatch = render.Swatch(
            motif=motif,
            scale=scale,
            lattice=lattice,
            inks=INKS[:inks],
            ground="cream",
            fill=end,
            turn=1 - end,
            seed=place,
        )
        wraps([swatch], lattice)


@pytest.mark.parametrize("lattice", list(Lattice))
def test_finishes_wrap_too(lattice: Lattice) -> None:
    """Tossed, thinned, outlined and textured pictures meet their neighbours as plain ones do."""
    for motif, more in FINISHES:
        bounds = motifs.MOTIFS[motif]
        swatch = render.Swatch(
            motif=motif,
            scale="small",
            lattice=lattice,
            inks=INKS[: bounds.inks_min],
            ground="cream",
            seed=9,
            **more,
        )
        wraps([swatch], lattice, 96)


def test_half_drop_is_not_straight() -> None:
    """A large motif on a half-drop meets its neighbour half a tile lower, not level."""
    drawn = members(("heart", "large", Lattice.HALF_DROP), 1)
    tile = render.render(drawn, 64)
    right = render.render(drawn, 64, shift=(1, 0))
    assert (right - tile).abs().max() > 0.1


@pytest.mark.parametrize("motif", motifs.NAMES)
def test_named_colours_are_in_the_picture(motif: str) -> None:
    """Every named ink and the ground cover at least one pixel in a hundred, nearest-colour wise."""
    for scale in ("medium", "large"):
        drawn = members((motif, scale, Lattice.BRICK), 6)
        nearest = palette.nearest(render.render(drawn, 128).permute(0, 2, 3, 1))
        for swatch, picture in zip(drawn, nearest, strict=True):
            for name in (swatch.ground, *swatch.inks):
                if motif == "gingham" and name != swatch.ground and name != swatch.inks[0]:
                    continue  # Two inks of gingham cross and mix; only the first one is ever pure.
                if motif == "terrazzo" and name != swatch.ground:
                    continue  # Four chips may all draw the same ink.
                share = (picture == palette.NAMES.index(name)).float().mean()
                assert share > 0.01, (swatch, name)


def test_same_swatch_same_picture() -> None:
    """A swatch holds all there is to know: alone or among others it gives the same pixels."""
    generator = torch.Generator().manual_seed(8)
    drawn = [
        render.draw_swatch((motif, "small", Lattice.HALF_DROP), generator, ranges.WHOLE)
        for motif in ("terrazzo", "memphis", "memphis", "animal-spot", "ikat", "rose", "rose")
    ]
    together = render.render(drawn, 64)
    for place in range(len(drawn)):
        assert torch.equal(together[place : place + 1], render.render([drawn[place]], 64))


def test_odd_sizes_are_refused() -> None:
    """Half a unit must exist, so an odd size is an error that names the value."""
    with pytest.raises(ValueError, match="63"):
        render.render(members(("dot", "small", Lattice.STRAIGHT), 1), 63)


def test_captions_are_never_empty_and_never_lie() -> None:
    """A caption has words, and none of them belongs to a colour that is not in the picture."""
    generator, dice = torch.Generator().manual_seed(1), random.Random(1)
    plain = {name: words[0].split()[0] for name, words in palette.WORDS.items()}
    plain.pop("sky")  # "sky blue" contains the plain word of another colour.
    plain.pop("blue")
    plain.pop("green")
    for motif, scale, lattice in CASES:
        swatch = render.draw_swatch((motif, scale, lattice), generator)
        text = captions.caption(swatch, dice)
        words = text.replace(",", " ").split()
        assert words
        said = {name for name, word in plain.items() if word in words}
        allowed = {swatch.ground, *swatch.inks}
        shared = {"navy", "sage", "pink", "white"}  # "navy blue", "sage green", "rose", ...
        assert said <= allowed | shared, text


def test_captions_vary() -> None:
    """The same swatch is asked for in many ways."""
    swatch = members(("daisy", "small", Lattice.HALF_DROP), 1)[0]
    dice = random.Random(2)
    assert len({captions.caption(swatch, dice) for _ in range(100)}) > 60


def test_labels_return_the_attributes() -> None:
    """Labels keep everything that a caption may say."""
    generator = torch.Generator().manual_seed(3)
    for motif, scale, lattice in CASES:
        swatch = render.draw_swatch((motif, scale, lattice), generator)
        back = labels.swatch(labels.label(swatch))
        assert (back.motif, back.scale, back.lattice) == (motif, scale, lattice)
        assert (back.inks, back.ground, back.direction) == (
            swatch.inks,
            swatch.ground,
            swatch.direction,
        )


def test_there_is_enough_to_choose_from() -> None:
    """At least 12 motifs, 16 colours, 4 scales and 3 lattices."""
    assert len(motifs.NAMES) >= 12
    assert len(palette.NAMES) >= 16
    assert len(motifs.SCALES) == 4
    assert len(Lattice) == 3
