"""Scenes show the cloth at its true scale; shops' limits are reported, or decide when named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from postproc.decode import decode_picture
from postproc.finish import Order, finish, repeat_of
from postproc.lattice import HALF_DROP, STRAIGHT
from postproc.mockups import SCENES, mock_up
from postproc.recipe import parse_recipe, shipped_recipe
from postproc.vendors import VENDORS, Upload, any_vendor_figures, vendor_figures
from schemas.errors import Rejected

RED, WHITE = (200, 20, 20), (250, 250, 250)


def stripes(period_px: int = 32) -> Any:
    """A straight tile: one red half, one white."""
    tile = np.empty((period_px, period_px, 3), np.uint8)
    tile[:, : period_px // 2], tile[:, period_px // 2 :] = RED, WHITE
    return tile


def crossings(row: Any) -> int:
    """How often a row of pixels turns from reddish to whitish or back."""
    red = row[:, 0].astype(int) - row[:, 1] > 60
    return int(np.count_nonzero(np.diff(red)))


@pytest.mark.parametrize("repeat_mm", [40, 80, 160])
def test_the_wall_is_hung_at_true_scale(repeat_mm: int) -> None:
    """On 3.2 m of wall a repeat of n mm turns colour 2 x 3200 / n times."""
    size_um = (repeat_mm * 1000, repeat_mm * 1000)
    picture = mock_up(stripes(), STRAIGHT, size_um=size_um, scene="wall", side_px_max=800)
    assert picture.shape == (625, 800, 3)
    assert crossings(picture[40]) == pytest.approx(2 * 3200 / repeat_mm, abs=2)


def test_the_cushion_is_forty_five_centimetres() -> None:
    """Its middle shows 45 cm of cloth, less what the seam takes, on 60 cm of picture."""
    picture = mock_up(stripes(), STRAIGHT, size_um=(50_000,) * 2, scene="cushion", side_px_max=600)
    assert crossings(picture[290]) == pytest.approx(2 * 450 / 50, abs=2)


@pytest.mark.parametrize("scene", SCENES)
def test_scenes_follow_the_lattice_and_repeat_themselves(periodic: Any, scene: str) -> None:
    """The same tile gives the same picture; another lattice gives another one."""
    tile = periodic(HALF_DROP, seed=3)
    shapes = {"size_um": (90_000, 90_000), "scene": scene, "side_px_max": 300}
    dropped = mock_up(tile, HALF_DROP, **shapes)
    assert np.array_equal(dropped, mock_up(tile, HALF_DROP, **shapes))
    assert not np.array_equal(dropped, mock_up(tile, STRAIGHT, **shapes))
    assert dropped.std() > 20


def test_a_recipe_writes_its_scene(periodic: Any) -> None:
    """The product's scene is a PNG without a size in mm: nobody prints it."""
    done = finish(
        periodic(HALF_DROP, seed=3),
        shipped_recipe("wallpaper"),
        Order(repeat=repeat_of("half-drop", 80_000, 80_000)),
    )
    scene = next(a for a in done.artefacts if a.role == "mock-up-wall")
    assert decode_picture(scene.data).shape == (625, 800, 3)
    assert (scene.repeat_width_um, scene.resolution_um) == (0, 0)
    assert scene.display_name == "pattern-original-half-drop-80x80mm-wallpaper-wall.png"


SMALL = Upload(
    media_type="image/png", size_bytes=4_000_000, width_px=2000, height_px=2000, dpi=150.0
)
BROKEN = [
    ("spod", replace(SMALL, width_px=4001), "vendor_side_max"),
    ("spod", replace(SMALL, size_bytes=10_000_001), "vendor_size"),
    ("spod", SMALL, "vendor_resolution"),
    ("society6", SMALL, "vendor_side_min"),
    ("printful", replace(SMALL, media_type="application/pdf"), "vendor_format"),
]


@pytest.mark.parametrize(("vendor", "upload", "gate"), BROKEN)
def test_each_published_limit_is_held(vendor: str, upload: Upload, gate: str) -> None:
    """What a shop says it refuses is the figure that fails, with its limit."""
    failed = [figure.name for figure in vendor_figures(vendor, upload) if not figure.passed]
    assert gate in failed


def test_shops_are_reported_and_not_gated() -> None:
    """Each shop has one figure; its place names the first limit the file breaks."""
    told = any_vendor_figures(SMALL)
    assert len(told) == len(VENDORS)
    assert all(figure.passed and figure.limit is None for figure in told)
    assert "printful" in {figure.where for figure in told}
    assert "society6: vendor_side_min" in {figure.where for figure in told}


def test_a_named_shop_decides(periodic: Any) -> None:
    """A recipe for one shop refuses what that shop would, with figure and limit."""
    text = """
name = "shop"
version = 1
[[step]]
do = "enlarge"
dpi = 150
[[step]]
do = "write"
from = "painted"
role = "print"
[[step]]
do = "check-vendor"
vendor = "society6"
"""
    order = Order(repeat=repeat_of("half-drop", 80_000, 80_000))
    with pytest.raises(Rejected) as caught:
        finish(periodic(HALF_DROP, seed=3), parse_recipe(text, source="shop.toml"), order)
    assert (caught.value.field, caught.value.limit) == ("vendor_side_min", ">= 6500 px")
    assert caught.value.outcome == "failed"
