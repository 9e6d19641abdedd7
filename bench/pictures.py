"""Draws the pictures of docs/finishing.md anew: every product of every recipe, read from its file.

    .venv/bin/python -m bench.pictures

One sheet per recipe from one tile (docs/images/finishing/tile.png). Each product is drawn from the
bytes that were written, by whatever reads that kind: a sheet shows files and not intentions.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyvips
import tifffile
from PIL import Image, ImageDraw, ImageFont

from postproc.by_hand import brought_of, check_file
from postproc.colourways import Colourway
from postproc.decode import decode_picture
from postproc.files import PrintSize, read_plate, write_png
from postproc.finish import Finished, Order, finish, repeat_of
from postproc.lattice import HALF_DROP
from postproc.palette import Palette
from postproc.products import Artefact
from postproc.recipe import shipped_recipe, shipped_recipes
from postproc.swatches import parse_swatches, read_swatches

FOLDER: Final = Path(__file__).parent.parent / "docs" / "images" / "finishing"
CELL_PX: Final = 190
CAPTION_PX: Final = 18
COLUMNS: Final = 5
GAP_PX: Final = 10
PAPER: Final = (255, 255, 255)
INK: Final = (40, 40, 40)
COLOURS_MAX: Final = 128
CUT: Final = np.s_[10:-20, 13:-9]
"""A piece of the tile that does not join."""
CUT_SIZE: Final = PrintSize(width_px=234, height_px=226, width_um=23_400, height_um=22_600)
NIGHT: Final = Colourway(
    name="dusk",
    swatches=parse_swatches("plum #3a1f3d, rose #e7a6a1, mist #c9c3d6, brass #c58b2a"),
)
DAY: Final = Colourway(
    name="noon",
    swatches=parse_swatches("sand #efe3c8, sea #1f7a8c, coral #e4572e, sun #f2b134"),
)
CLIENT: Final = parse_swatches("Navy 20 4 -30, Chalk 94 0 6, Moss 62 -14 18, Ochre 72 16 66")


def main() -> None:
    """Write every sheet."""
    tile = decode_picture((FOLDER / "tile.png").read_bytes())
    for name in shipped_recipes():
        done = finish(tile, shipped_recipe(name), order())
        sheet([(artefact.role, look(artefact, done)) for artefact in done.artefacts], name)
    many = finish(tile, shipped_recipe("textile-digital"), order(colourways=(DAY, NIGHT)))
    lock = finish(tile, shipped_recipe("textile-digital"), order(locked=CLIENT))
    shown = [(a.colourway, look(a, many)) for a in many.artefacts if a.role == "preview"]
    shown += [("locked", look(a, lock)) for a in lock.artefacts if a.role == "preview"]
    sheet(shown, "colourways")
    cut = write_png(np.ascontiguousarray(tile[CUT]), CUT_SIZE)
    (FOLDER / "seam-marked.png").write_bytes(check_file(cut, HALF_DROP).marked_png)


def order(**changes: Any) -> Order:
    """160 mm, half-drop."""
    repeat = repeat_of("half-drop", 160_000, 160_000)
    return Order(repeat=repeat, design="daisies", **changes)


def sheet(cells: list[tuple[str, Image.Image]], name: str) -> None:
    """A grid of captioned pictures, few enough colours to be small."""
    rows = -(-len(cells) // COLUMNS)
    columns = min(COLUMNS, len(cells))
    step_x, step_y = CELL_PX + GAP_PX, CELL_PX + CAPTION_PX + GAP_PX
    paper = Image.new("RGB", (columns * step_x + GAP_PX, rows * step_y + GAP_PX), PAPER)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(size=13)
    for number, (caption, picture) in enumerate(cells):
        left = GAP_PX + number % COLUMNS * step_x
        top = GAP_PX + number // COLUMNS * step_y
        fitted = picture.copy()
        fitted.thumbnail((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
        paper.paste(fitted, (left + (CELL_PX - fitted.width) // 2, top + CELL_PX - fitted.height))
        pen.text((left + CELL_PX / 2, top + CELL_PX + 3), caption, fill=INK, font=font, anchor="ma")
    small = paper.quantize(COLOURS_MAX, dither=Image.Dither.NONE)
    small.save(FOLDER / f"{name}.png", optimize=True)


def look(artefact: Artefact, done: Finished) -> Image.Image:
    """What a file shows."""
    if artefact.role.startswith("palette"):
        return chips(artefact, done)
    if artefact.role.startswith("plate-"):
        return Image.fromarray(~read_plate(artefact.data)).convert("RGB")
    if artefact.role == "separations":
        return plates(artefact)
    if artefact.media_type in {"image/svg+xml", "application/pdf"}:
        return Image.fromarray(brought_of(artefact.data, HALF_DROP).rgb)
    if artefact.role.startswith("press"):
        inks = pyvips.Image.new_from_buffer(artefact.data, "")
        return Image.fromarray(inks.icc_transform("srgb", embedded=True).numpy())
    with Image.open(io.BytesIO(artefact.data)) as picture:
        return picture.convert("RGB")


def plates(artefact: Artefact) -> Image.Image:
    """Every ink of a separation TIFF beside the others, black where it prints."""
    samples = tifffile.imread(io.BytesIO(artefact.data))
    across = int(np.ceil(samples.shape[2] ** 0.5))
    side = (CELL_PX - 4 * (across - 1)) // across
    paper = Image.new("RGB", (CELL_PX, CELL_PX), (225, 225, 225))
    for ink in range(samples.shape[2]):
        plate = Image.fromarray(np.uint8(255) - samples[..., ink]).resize((side, side))
        paper.paste(plate, (ink % across * (side + 4), ink // across * (side + 4)))
    return paper


def chips(artefact: Artefact, done: Finished) -> Image.Image:
    """A palette's inks as bars with their names; JSON from the inks, CSV from the file."""
    inks = (done.palette or Palette(inks=())).inks
    named = [(ink.plate(rank), ink.rgb) for rank, ink in enumerate(inks, start=1)]
    if artefact.media_type == "text/csv":
        named = [(swatch.name, swatch.rgb) for swatch in read_swatches(artefact.data)]
    paper = Image.new("RGB", (CELL_PX, CELL_PX), PAPER)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(size=13)
    height = CELL_PX // max(1, len(named))
    for number, (name, rgb) in enumerate(named):
        top = number * height
        pen.rectangle([0, top, CELL_PX, top + height - 3], fill=tuple(rgb))
        bright = sum(rgb) > 380
        pen.text((8, top + height // 2 - 8), name, fill=INK if bright else PAPER, font=font)
    return paper


if __name__ == "__main__":
    main()
