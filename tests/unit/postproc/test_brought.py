"""Pictures that people bring: colours are kept, what was changed is said, the rest is refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from postproc.brought import bring
from postproc.by_hand import check_file, finish_picture
from postproc.files import PrintSize, write_png, write_tiff
from postproc.finish import Order, repeat_of
from postproc.lattice import STRAIGHT
from postproc.press import write_cmyk_tiff
from postproc.recipe import shipped_recipe
from schemas.errors import Rejected

SIZE = PrintSize(width_px=64, height_px=64, width_um=6_400, height_um=6_400)
ORDER = Order(repeat=repeat_of("straight", 64_000, 64_000), refuse=False)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def tile(periodic: Any) -> Any:
    """Four colours, soft edges, straight."""
    return periodic(STRAIGHT, seed=2)


def test_other_rgb_is_turned_into_srgb(tile: Any) -> None:
    """Display P3 becomes sRGB as libvips' own conversion has it, within two levels, and is told."""
    profile = bytes(pyvips.Image.profile_load("p3"))
    brought = bring(saved(Image.fromarray(tile), "TIFF", icc_profile=profile), field="a.tif")
    image = pyvips.Image.new_from_array(tile).copy(interpretation="srgb")
    wanted = image.icc_transform("srgb", input_profile="p3", intent="relative").numpy()
    assert np.abs(brought.rgb.astype(int) - wanted).max() <= 2
    assert np.abs(brought.rgb.astype(int) - tile).max() > 4, "P3 is wider: numbers must change"
    assert len(brought.notes) == 1
    assert brought.notes[0].endswith("turned into sRGB")


def test_srgb_is_left_as_it_is(tile: Any) -> None:
    """Our own files come back pixel for pixel, with their size, and nothing to say."""
    for data in (write_png(tile, SIZE), write_tiff(tile, SIZE)):
        brought = bring(data, field="own")
        assert np.array_equal(brought.rgb, tile)
        assert (brought.width_um, brought.height_um) == (6_400, 6_400)
        assert brought.notes == ()


def test_cmyk_is_seen_through_its_profile(tile: Any) -> None:
    """A press file comes back near what went in; that it went through a profile is told."""
    brought = bring(write_cmyk_tiff(tile, SIZE)[0], field="press.tif")
    assert np.abs(brought.rgb.astype(int) - tile).mean() < 12
    assert brought.notes[0].startswith("CMYK seen through ")


def test_cmyk_without_a_profile_is_judged_and_never_printed(tile: Any) -> None:
    """Its edges can be checked; what colours it has only its maker knows."""
    data = saved(Image.fromarray(tile).convert("CMYK"), "TIFF")
    checked = check_file(data, STRAIGHT, name="bare.tif")
    assert checked.passed
    assert checked.notes == ("CMYK seen through a generic profile",)
    with pytest.raises(Rejected, match="CMYK without a profile"):
        finish_picture(data, shipped_recipe("web-preview"), ORDER)


def test_transparent_pixels_need_a_ground(tile: Any) -> None:
    """Without one the refusal says how to give one; with one the picture lies on it."""
    alpha = np.dstack([tile, np.full(tile.shape[:2], 255, np.uint8)])
    assert np.array_equal(bring(saved(Image.fromarray(alpha), "PNG"), field="a").rgb, tile)
    alpha[8:20, 8:20, 3] = 0
    data = saved(Image.fromarray(alpha), "PNG")
    with pytest.raises(Rejected) as refused:
        bring(data, field="motif.png")
    assert "--ground" in refused.value.limit
    brought = bring(data, field="motif.png", ground=(200, 10, 30))
    assert (brought.rgb[8:20, 8:20] == (200, 10, 30)).all()
    assert np.array_equal(brought.rgb[20:], tile[20:])
    assert brought.notes == ("transparent pixels laid on #c80a1e",)


def test_a_photograph_is_turned_as_its_camera_says(tile: Any) -> None:
    """A JPEG that was held sideways comes upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.rot90(tile[:, :48]).copy())
    brought = bring(saved(turned, "JPEG", quality=98, subsampling=0, exif=exif), field="p.jpg")
    assert brought.rgb.shape == (64, 48, 3)
    assert np.abs(brought.rgb.astype(int) - tile[:, :48]).mean() < 3
    assert brought.notes == ("turned as its camera says",)


def test_a_broken_profile_is_told(tile: Any) -> None:
    """The picture is taken for sRGB, and people hear of it."""
    data = saved(Image.fromarray(tile), "PNG", icc_profile=b"no profile" * 20)
    brought = bring(data, field="a.png")
    assert np.array_equal(brought.rgb, tile)
    assert brought.notes == ("its ICC profile cannot be read: taken for sRGB",)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP"])
def test_damaged_files_are_refused(tile: Any, kind: str) -> None:
    """A file that ends early is no picture, whatever its kind."""
    data = saved(Image.fromarray(tile), kind)
    with pytest.raises(Rejected) as refused:
        bring(data[: len(data) // 3], field="cut")
    assert refused.value.field == "cut"


def test_a_huge_claim_is_refused_unread() -> None:
    """A BMP head of a billion pixels and nothing behind it."""
    head = bytearray(saved(Image.new("RGB", (8, 8)), "BMP"))
    head[18:26] = (40_000).to_bytes(4, "little") + (30_000).to_bytes(4, "little")
    with pytest.raises(Rejected, match="too large"):
        bring(bytes(head), field="bomb.bmp")
