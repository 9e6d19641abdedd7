"""The counter: any picture is finished, any file is checked, and people are told where it joins."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from postproc.by_hand import brought_of, check_file, finish_picture, worst_stretch
from postproc.colourways import Colourway
from postproc.decode import decode_picture
from postproc.finish import Order, repeat_of
from postproc.lattice import HALF_DROP, STRAIGHT
from postproc.recipe import parse_recipe, shipped_recipe
from postproc.sizes import parse_length_um, parse_size_um
from postproc.swatches import Swatch, parse_swatches
from schemas.errors import MissingPart, Rejected


def png(tile: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_good_tile_passes_the_check(periodic: Any) -> None:
    """A periodic picture passes under its own lattice and fails under another."""
    data = png(periodic(HALF_DROP, seed=4, side_px=96, colours=5))
    assert check_file(data, HALF_DROP).passed
    checked = check_file(data, STRAIGHT)
    assert not checked.passed
    assert checked.worst.startswith("right join")


def test_the_worst_stretch_is_where_it_was_damaged(periodic: Any) -> None:
    """A seam in one place is found in that place, on the right axis."""
    tile = periodic(STRAIGHT, seed=2, side_px=96)
    tile[-3:, 30:40] = 255 - tile[-3:, 30:40]
    stretch = worst_stretch(tile, STRAIGHT)
    assert stretch.axis == "bottom"
    assert 26 <= stretch.start_px <= stretch.stop_px <= 44


def test_the_marked_picture_can_be_looked_at(periodic: Any) -> None:
    """Two by two units, the worst stretch from near, and a mark that is in no palette."""
    tile = periodic(STRAIGHT, seed=2, side_px=96)
    marked = decode_picture(check_file(png(tile), STRAIGHT).marked_png)
    assert marked.shape == (400, 192 + 12 + 400, 3)
    assert (marked == (230, 0, 60)).all(axis=2).any()


SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="64mm" height="32mm" viewBox="0 0 64 32">'
    b'<rect width="64" height="32" fill="#fff"/>%b</svg>'
)


def test_foreign_svg_is_drawn_and_judged() -> None:
    """A disc inside passes; the same disc over the border is cut and fails."""
    inside = SVG % b'<circle cx="30" cy="16" r="9" fill="#a21"/>'
    over = SVG % b'<circle cx="62" cy="16" r="9" fill="#a21"/>'
    assert brought_of(inside, STRAIGHT).rgb.shape == (512, 1024, 3)
    assert check_file(inside, STRAIGHT).passed
    assert not check_file(over, STRAIGHT).passed


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (b"<svg", "well-formed XML"),
        (b'<!DOCTYPE s [<!ENTITY a "b">]><svg>&a;</svg>', "no entities"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "width and height, or viewBox"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="9000" height="1"/>', "1:64 at most"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="0" height="1"/>', "sides above 0"),
    ],
)
def test_bad_svg_is_refused_by_name_and_limit(data: bytes, limit: str) -> None:
    """Broken, expanding, sizeless and absurd drawings each say what they lack."""
    with pytest.raises(Rejected) as caught:
        check_file(data, STRAIGHT, name="art.svg")
    assert (caught.value.field, caught.value.limit) == ("art.svg", limit)


def test_pdf_without_ghostscript_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing program is named with the command that installs it."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingPart, match="apt-get install ghostscript"):
        check_file(b"%PDF-1.6\n", STRAIGHT)


@pytest.mark.skipif(shutil.which("gs") is None, reason="Ghostscript is not installed")
def test_broken_pdf_is_refused() -> None:
    """A file that only begins like a PDF is Rejected, not a crash of the renderer."""
    with pytest.raises(Rejected, match="cannot be drawn"):
        check_file(b"%PDF-1.6\nnothing", STRAIGHT)


def test_finishing_by_hand_writes_a_manifest(periodic: Any) -> None:
    """Every file is in the manifest with its checksum, every gate with figure and limit."""
    data = png(periodic(HALF_DROP, seed=4))
    order = Order(repeat=repeat_of("half-drop", 100_000, 100_000), refuse=False)
    made = finish_picture(data, shipped_recipe("textile-digital"), order)
    done, record = made.done, json.loads(made.manifest)
    assert record["source_sha256"] == hashlib.sha256(data).hexdigest()
    assert record["recipe"]["sha256"] == done.recipe_hash
    sums = {hashlib.sha256(artefact.data).hexdigest() for artefact in done.artefacts}
    assert {file["sha256"] for file in record["files"]} == sums
    assert len(record["gates"]) == len(done.figures)


def test_a_manifest_makes_the_files_again(periodic: Any) -> None:
    """Recipe, colours and sizes from the manifest alone, and the tile: the same checksums."""
    data = png(periodic(HALF_DROP, seed=4))
    night = Colourway(name="night", swatches=parse_swatches("#101018, #e8e4d0, #a04020, #40502c"))
    order = Order(
        repeat=repeat_of("half-drop", 100_000, 100_000),
        locked=parse_swatches("navy 20 5 -30, chalk 95 0 5, madder 40 55 30"),
        colourways=(night,),
        refuse=False,
    )
    record = json.loads(finish_picture(data, shipped_recipe("textile-digital"), order).manifest)
    written = record["recipe"]["canonical"]
    steps = "".join(
        "[[step]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in step.items())
        for step in written["steps"]
    )
    head = f"name = {json.dumps(written['name'])}\nversion = {written['version']}\n"
    recipe = parse_recipe(head + steps, source="manifest")
    assert recipe.hash() == record["recipe"]["sha256"]

    def swatches(listed: list[dict[str, Any]]) -> tuple[Swatch, ...]:
        return tuple(
            Swatch(name=s["name"], lab=tuple(s["lab"]), rgb=tuple(s["rgb"])) for s in listed
        )

    repeat = record["repeat"]
    again = Order(
        repeat=repeat_of(repeat["lattice"], repeat["width_um"], repeat["height_um"]),
        palette_max=record["palette_max"],
        design=record["design"],
        locked=swatches(record["locked"]),
        colourways=tuple(
            Colourway(name=c["name"], swatches=swatches(c["swatches"]))
            for c in record["colourways"]
        ),
        refuse=False,
    )
    made = finish_picture(data, recipe, again).done
    sums = [hashlib.sha256(artefact.data).hexdigest() for artefact in made.artefacts]
    assert sums == [file["sha256"] for file in record["files"]]


@pytest.mark.parametrize(
    ("text", "um"),
    [("640x480mm", (640_000, 480_000)), ("25.25in", (641_350, 641_350)), ("64 cm", (640_000,) * 2)],
)
def test_sizes_are_read_as_people_write_them(text: str, um: tuple[int, int]) -> None:
    """Millimetres, centimetres and inches become whole micrometres."""
    assert parse_size_um(text) == um


@pytest.mark.parametrize("text", ["", "wide", "0mm", "-3cm", "1e9", "1x2x3", "12 ells"])
def test_bad_sizes_are_refused(text: str) -> None:
    """What is no length names what one looks like."""
    with pytest.raises(Rejected) as caught:
        parse_size_um(text, field="--repeat-mm")
    assert caught.value.field == "--repeat-mm"
    assert caught.value.limit


def test_a_unit_that_is_not_written_is_the_callers() -> None:
    """A bare number takes the unit of the option it was given to."""
    assert parse_length_um("64", unit="cm") == 640_000
