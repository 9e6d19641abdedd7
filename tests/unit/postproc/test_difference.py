"""Colour differences are the published ones, to the last published decimal."""

from __future__ import annotations

import numpy as np
import pytest
import pyvips

from postproc.cie import WHITES, Viewing, lab_of_xyz, parse_viewing, srgb8_of_lab_d50, to_d50
from postproc.colour import lab_d50_from_srgb8
from postproc.difference import ciede2000, cmc
from schemas.errors import Rejected

# Sharma, Wu and Dalal 2005, table 1: two colours and their CIEDE2000.
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
PAIRS = np.array([line.split() for line in SHARMA.split("\n") if line], dtype=float)

# CMC(2:1) and CMC(1:1) as the colour-science package's own tests have them.
CMC = [
    ((100, 21.57210357, 272.22819350), (100, 426.67945353, 72.39590835), 2, 172.70477129),
    ((100, 21.57210357, 272.22819350), (100, 74.05216981, 276.45318193), 2, 20.59732717),
    ((100, 21.57210357, 272.22819350), (100, 8.32281957, -73.58297716), 2, 121.71841479),
    ((48.99183622, -0.10561667, 400.65619925), (50.65907324, -0.1167191, 402.82235718), 2, 0.8997),
    ((50, 20, 0), (50, 0, 20), 1, 24.875171696352),
    ((50, 0, 20), (50, 20, 0), 1, 28.979466483172),
    ((15.9999, 0, 0), (17, 0, 0), 1, 1.957142857143),
]


def test_ciede2000_is_the_published_one() -> None:
    """All 34 pairs of the implementation notes, those at the jumps of the formula included."""
    assert len(PAIRS) == 34
    found = ciede2000(PAIRS[:, :3], PAIRS[:, 3:6])
    assert np.abs(found - PAIRS[:, 6]).max() < 5.1e-5
    assert np.abs(ciede2000(PAIRS[:, 3:6], PAIRS[:, :3]) - PAIRS[:, 6]).max() < 5.1e-5


def test_ciede2000_agrees_with_libvips() -> None:
    """A second implementation finds the same, where it does not lose the turn of the mean hue."""
    generator = np.random.default_rng(1)
    one, other = (generator.uniform([0, -90, -90], [100, 90, 90], (800, 3)) for _ in "ab")
    # libvips 8.18 takes the mean of 321 and 2 degrees for 18; the published pairs say 342.
    hues = [np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360 for lab in (one, other)]
    near = np.abs(hues[0] - hues[1]) < 170
    one, other = one[near], other[near]
    first, second = (
        pyvips.Image.new_from_array(lab[None].astype(np.float32)).copy(interpretation="lab")
        for lab in (one, other)
    )
    theirs = first.dE00(second).numpy().reshape(-1)
    assert len(theirs) > 500
    assert np.abs(ciede2000(one, other) - theirs).max() < 0.01


@pytest.mark.parametrize(("standard", "sample", "lightness", "wanted"), CMC)
def test_cmc_is_the_published_one(
    standard: tuple[float, ...], sample: tuple[float, ...], lightness: float, wanted: float
) -> None:
    """Textile tolerance by reference values, and the standard is not the sample."""
    assert float(cmc(standard, sample, l=lightness)) == pytest.approx(wanted, abs=1e-6)


def test_cmc_has_no_jump_round_the_circle_of_hues() -> None:
    """Its two formulas for hue meet at 164 and 345 degrees, to a hundredth."""
    hues = np.radians(np.arange(0, 360, 0.5))
    standard = np.stack([np.full_like(hues, 50), 40 * np.cos(hues), 40 * np.sin(hues)], axis=-1)
    turned = hues + np.radians(3)
    sample = np.stack([np.full_like(hues, 50), 40 * np.cos(turned), 40 * np.sin(turned)], axis=-1)
    found = cmc(standard, sample)
    assert np.abs(np.diff(found) / found[:-1]).max() < 0.01


def test_greys_do_not_move_between_illuminants() -> None:
    """Adaptation keeps white white and grey grey, whatever light they were measured under."""
    for name in WHITES:
        assert np.allclose(to_d50([62, 0, 0], Viewing(name)), [62, 0, 0], atol=1e-6)


def test_a_known_adaptation() -> None:
    """The D65 white adapted to D50 by Bradford is D50's; sRGB red keeps its published Lab."""
    red = lab_d50_from_srgb8(np.array([255, 0, 0], dtype=np.uint8))
    assert np.allclose(red, [54.29, 80.81, 69.89], atol=0.02)
    # The same red as D65/2 counts it, brought to D50.
    seen = lab_of_xyz(np.array([0.4124564, 0.2126729, 0.0193339]), WHITES["D65/2"])
    assert np.allclose(to_d50(seen, Viewing("D65/2")), red, atol=0.05)


def test_srgb_survives_lab_and_back() -> None:
    """Every 8-bit colour comes back from Lab as itself."""
    rgb = np.random.default_rng(3).integers(0, 256, (4000, 3)).astype(np.uint8)
    assert np.array_equal(srgb8_of_lab_d50(lab_d50_from_srgb8(rgb)), rgb)


@pytest.mark.parametrize("text", ["D65/10", "d65-10", "D65 10", "D65/10°"])
def test_viewings_are_read_as_people_write_them(text: str) -> None:
    """Illuminant and observer in any usual spelling."""
    assert parse_viewing(text).name == "D65/10"


def test_an_unknown_viewing_is_refused() -> None:
    """Without a white point nothing can be adapted; the known ones are named."""
    with pytest.raises(Rejected) as caught:
        parse_viewing("D93/10", field="--lab")
    assert caught.value.field == "--lab"
    assert caught.value.limit.startswith("one of D65/10, ")
