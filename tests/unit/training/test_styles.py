"""House styles: they keep the repeat and what is drawn, and the judge's tiles show each of them."""

from __future__ import annotations

import pytest
import torch

from training import palette, render, style_probe, styles
from training.lattice import Lattice, lower_neighbour, right_neighbour

SIZE_PX = 64


def swatch(motif: str, lattice: Lattice) -> render.Swatch:
    """One that every style shows on."""
    return render.Swatch(
        motif=motif, scale="medium", lattice=lattice, inks=("red",), ground="cream", turn=0.2
    )


@pytest.mark.parametrize("lattice", list(Lattice))
def test_what_lies_around_is_the_endless_cloth(lattice: Lattice) -> None:
    """Every pixel of the margin, corners too, is what the renderer draws there."""
    one, margin_px = [swatch("leaf", lattice)], SIZE_PX // 2
    wide = styles.around(render.render(one, SIZE_PX), lattice, margin_px)
    assert wide.shape[-2:] == (2 * SIZE_PX, 2 * SIZE_PX)
    for top in (0, 1):
        for left in (0, 1):
            corner = wide[..., top * SIZE_PX :, left * SIZE_PX :][..., :SIZE_PX, :SIZE_PX]
            drawn = render.render(one, SIZE_PX, shift=(left - 0.5, top - 0.5))
            assert (corner - drawn).abs().max() < 5e-3, (top, left)


@pytest.mark.parametrize("lattice", list(Lattice))
@pytest.mark.parametrize("style", list(styles.STYLES))
def test_a_style_keeps_the_repeat(style: str, lattice: Lattice) -> None:
    """Finished on the next unit of the cloth, it is the finished tile's neighbour."""
    one = [swatch("heart", lattice)]
    tile = render.render(one, SIZE_PX)
    finish = styles.STYLES[style]
    for neighbour in (right_neighbour, lower_neighbour):
        moved = finish(neighbour(tile, lattice), one)
        assert (moved - neighbour(finish(tile, one), lattice)).abs().max() < 1e-5


def test_a_style_is_seen_and_stays_within_the_palette() -> None:
    """Each changes at least three pixels of a hundred; plain none; all stay colours."""
    ones = [swatch("leaf", lattice) for lattice in Lattice]
    plain = styles.draw("plain", ones, SIZE_PX)
    assert torch.equal(plain, render.render(ones, SIZE_PX))
    for style in styles.STYLES:
        made = styles.draw(style, ones, SIZE_PX)
        changed = ((made - plain).abs().amax(1) > 0.1).float().mean((1, 2))
        assert float(changed.min()) > 0.03, style
        assert 0 <= float(made.min()) <= float(made.max()) <= 1
    with pytest.raises(KeyError):
        styles.draw("tartan", ones)


def test_indigo_is_one_vat() -> None:
    """Whatever the colours were, every pixel lies between navy, sky and white."""
    tile = styles.draw("indigo", [swatch("leaf", Lattice.BRICK)], SIZE_PX)[0]
    red, green, blue = tile
    assert bool((blue >= green - 1e-3).all())
    assert bool((green >= red - 1e-3).all())
    ends = palette.table(names=("navy", "white"))
    assert float((tile.amin((1, 2)) - ends[0]).abs().max()) < 0.02
    assert float((tile.amax((1, 2)) - ends[1]).abs().max()) < 0.02


def test_verdigris_is_another() -> None:
    """Whatever the colours were, green is in every pixel as much as anything else, or nearly."""
    red, green, blue = styles.draw("verdigris", [swatch("leaf", Lattice.BRICK)], SIZE_PX)[0]
    ends = palette.table(names=("teal", "cream"))
    for channel, (deep, pale) in zip((red, green, blue), ends.T, strict=True):
        assert abs(float(channel.min()) - float(min(deep, pale))) < 0.02
        assert abs(float(channel.max()) - float(max(deep, pale))) < 0.02
    assert bool((green >= blue - 0.02).all())


def test_dark_grounds_take_light_lines() -> None:
    """On navy the keyline is cream: a line that nobody sees is no style."""
    dark = render.Swatch(
        motif="dot", scale="large", lattice=Lattice.STRAIGHT, inks=("orange",), ground="navy"
    )
    made = styles.draw("keyline", [dark], 256)
    cream = palette.table(names=("cream",))[0][:, None, None]
    assert float(((made[0] - cream).abs().amax(0) < 0.05).float().mean()) > 0.005


def test_the_judge_looks_at_swatches_on_which_every_style_shows() -> None:
    """No tiny shapes, no line of a shape's own colour, and lightness that a vat can tell."""
    generator = torch.Generator().manual_seed(1)
    for place in range(40):
        one = style_probe.visible_swatch(generator, place)
        assert one.scale != "tiny"
        assert styles.shows(one)
    hidden = render.Swatch(
        motif="dot", scale="large", lattice=Lattice.STRAIGHT, inks=("black",), ground="cream"
    )
    assert not styles.shows(hidden)
