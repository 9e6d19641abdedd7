"""Colour conversions go there and back; palettes find the inks that are there, every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from postproc.colour import (
    hex_of,
    linear_from_srgb,
    oklab_from_srgb8,
    srgb8_from_oklab,
    srgb_from_linear,
)
from postproc.lattice import STRAIGHT
from postproc.names import colour_name
from postproc.palette import find_palette, map_to_inks
from schemas.errors import Rejected

CUBE = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), axis=-1).astype(np.uint8).reshape(-1, 3)


def test_oklab_goes_there_and_back_exactly() -> None:
    """Every 8-bit colour tried survives the way through OKLab."""
    assert np.array_equal(srgb8_from_oklab(oklab_from_srgb8(CUBE)), CUBE)


def test_linear_light_goes_there_and_back() -> None:
    """The two sRGB curves are each other's inverse within float32."""
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(srgb_from_linear(linear_from_srgb(values)) - values).max() < 1e-6


def test_oklab_of_known_colours() -> None:
    """White, black and red agree with the figures published with the space."""
    lab = oklab_from_srgb8(np.array([(255, 255, 255), (0, 0, 0), (255, 0, 0)], dtype=np.uint8))
    expected = [(1, 0, 0), (0, 0, 0), (0.62796, 0.22486, 0.12585)]
    assert np.abs(lab - np.array(expected)).max() < 5e-4


def test_a_flat_tile_gives_exactly_its_colours() -> None:
    """Flat art of four colours yields these four, ground first, coverage as counted."""
    tile = np.full((64, 64, 3), (246, 238, 214), np.uint8)
    tile[8:40, 8:40] = (24, 36, 84)
    tile[44:60, 8:40] = (205, 32, 44)
    tile[44:60, 44:60] = (44, 150, 70)
    palette = find_palette(tile, STRAIGHT, colours_max=12)
    assert [hex_of(ink.rgb) for ink in palette.inks] == ["#f6eed6", "#182454", "#cd202c", "#2c9646"]
    assert [ink.coverage for ink in palette.inks] == [0.5625, 0.25, 0.125, 0.0625]
    assert np.array_equal(palette.paint(map_to_inks(tile, palette)), tile)


def test_the_same_tile_gives_the_same_palette(periodic: Any) -> None:
    """Nothing is drawn: two runs agree to the last digit."""
    tile = periodic(STRAIGHT, seed=7, colours=6, soft=0.2)
    assert find_palette(tile, STRAIGHT, colours_max=5) == find_palette(
        tile, STRAIGHT, colours_max=5
    )


def test_the_limit_holds_and_blurred_edges_do_not_vote(periodic: Any) -> None:
    """Never more inks than asked; soft edges between five colours do not add a sixth."""
    tile = periodic(STRAIGHT, seed=3, side_px=128, colours=5, soft=0.02)
    assert len(find_palette(tile, STRAIGHT, colours_max=3).inks) == 3
    found = {ink.hex for ink in find_palette(tile, STRAIGHT, colours_max=12).inks}
    assert len(found) == 5


def test_the_grain_of_an_ink_is_not_an_ink() -> None:
    """Soft mottling of one colour stays one ink; two near inks with an edge stay two."""
    noise = np.random.default_rng(0).normal(0, 1, (128, 128, 3))
    blurred = np.fft.ifft2(
        np.fft.fft2(noise, axes=(0, 1))
        * np.exp(
            -(np.fft.fftfreq(128)[:, None, None] ** 2 + np.fft.fftfreq(128)[:, None] ** 2) * 150
        ),
        axes=(0, 1),
    ).real
    mottled = np.full((128, 128, 3), (107, 66, 38)) + 14 * blurred / blurred.std()
    mottled[32:96, 32:96] += (139, 172, 176)
    tile = np.clip(mottled, 0, 255).astype(np.uint8)
    assert len(find_palette(tile, STRAIGHT, colours_max=12).inks) == 2
    two = np.full((64, 64, 3), (107, 66, 38), np.uint8)
    two[16:48, 16:48] = (130, 84, 52)
    assert len(find_palette(two, STRAIGHT, colours_max=12).inks) == 2


def test_near_colours_become_one_ink() -> None:
    """Two greens an eye can hardly tell apart are one screen."""
    tile = np.full((32, 32, 3), (44, 150, 70), np.uint8)
    tile[:16] = (46, 152, 71)
    tile[8:24, 8:24] = (246, 238, 214)
    assert len(find_palette(tile, STRAIGHT, colours_max=12).inks) == 2


@pytest.mark.parametrize("colours_max", [0, 257])
def test_impossible_palettes_are_refused(colours_max: int) -> None:
    """A palette of no colour or of too many names the limit."""
    with pytest.raises(Rejected) as caught:
        find_palette(np.zeros((8, 8, 3), np.uint8), STRAIGHT, colours_max=colours_max)
    assert (caught.value.field, caught.value.limit) == ("palette_max", "1 to 256")


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((163, 184, 153), "sage"),
        ((178, 190, 170), "sage"),
        ((188, 198, 180), "sage"),
        ((192, 192, 192), "silver"),
        ((130, 127, 124), "grey"),
        ((243, 241, 236), "white"),
        ((200, 170, 170), "rose"),
        ((24, 36, 84), "navy"),
        ((16, 16, 20), "black"),
    ],
)
def test_colours_are_named_as_people_see_them(rgb: tuple[int, int, int], name: str) -> None:
    """A soft colour keeps its hue's name and does not become the grey that is as light."""
    lightness, a, b = (float(value) for value in oklab_from_srgb8(np.array(rgb, np.uint8)))
    assert colour_name((lightness, a, b)) == name
