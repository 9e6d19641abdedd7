"""The contact sheet: each tile, and the tile repeated 3 x 3 by its lattice. HTML and PNG."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from postproc.colour import Bytes
from postproc.decode import decode_picture
from postproc.lattice import parse_lattice, step_and_repeat
from schemas.records import AssetPublished

COLUMNS: Final = 4
TILE_PX: Final = 132
REPEATED_PX: Final = 264
GAP_PX: Final = 18
LINES_PX: Final = 58
PAPER: Final = (250, 249, 246)
INK: Final = (40, 40, 44)
FAINT: Final = (120, 120, 126)
CHARACTERS_MAX: Final = 46


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One pattern of the sheet."""

    asset: AssetPublished
    tile: Bytes
    prompt: str
    """Known to who sent the request; results never carry it."""
    cost: str

    @property
    def title(self) -> str:
        """Design name, or the pattern's id."""
        pattern = self.asset.pattern
        name = pattern.labels.get("design", pattern.pattern_id)
        return f"{name} {pattern.ordinal}/{pattern.count}" if pattern.count > 1 else name

    @property
    def facts(self) -> str:
        """Lattice, size in mm, tier, and the adapters that were worn."""
        pattern = self.asset.pattern
        size = f"{pattern.repeat_width_um / 1000:g} x {pattern.repeat_height_um / 1000:g} mm"
        worn = [
            one.name if one.scale == 1 else f"{one.name} {one.scale:g}"
            for one in self.asset.adapters
        ]
        return " · ".join([pattern.lattice, size, pattern.tier, *worn])


def shown(asset: AssetPublished, tile_png: bytes, *, prompt: str, cost: str) -> Shown:
    """A pattern from its event and its tile's bytes."""
    return Shown(asset=asset, tile=decode_picture(tile_png), prompt=prompt, cost=cost)


def repeated(item: Shown) -> Bytes:
    """The tile 3 x 3 by its lattice, uint8 [3H, 3W, 3]."""
    lattice = parse_lattice(item.asset.pattern.lattice)
    return step_and_repeat(item.tile, lattice, columns=3, rows=3)


def write_png(items: list[Shown], path: Path) -> None:
    """All patterns on one picture."""
    rows = -(-len(items) // COLUMNS)
    cell_w = TILE_PX + REPEATED_PX + GAP_PX * 2
    cell_h = REPEATED_PX + LINES_PX + GAP_PX
    sheet = Image.new("RGB", (cell_w * COLUMNS + GAP_PX, cell_h * rows + GAP_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, item in enumerate(items):
        left = GAP_PX + (index % COLUMNS) * cell_w
        top = GAP_PX + (index // COLUMNS) * cell_h
        _draw_cell(sheet, draw, item, (left, top))
    sheet.save(path, optimize=True)


def write_html(items: list[Shown], folder: Path, *, title: str) -> Path:
    """A page beside its pictures; the page's path. Everything is escaped."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    cells = "\n".join(_cell(item, index, pictures) for index, item in enumerate(items))
    page = folder / "contact-sheet.html"
    page.write_text(_PAGE.format(title=html.escape(title), cells=cells), encoding="utf-8")
    return page


def _draw_cell(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, item: Shown, at: tuple[int, int]
) -> None:
    left, top = at
    sheet.paste(_fitted(item.tile, TILE_PX), (left, top))
    sheet.paste(_fitted(repeated(item), REPEATED_PX), (left + TILE_PX + GAP_PX // 2, top))
    lines = (
        (item.title, INK),
        (f"“{item.prompt}”"[:CHARACTERS_MAX], INK),
        (f"{item.facts} · {item.cost}", FAINT),
    )
    font = ImageFont.load_default(14)
    for number, (text, colour) in enumerate(lines):
        draw.text((left, top + REPEATED_PX + 4 + number * 18), text, fill=colour, font=font)


def _fitted(picture: Bytes, side_px: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return image


def _cell(item: Shown, index: int, pictures: Path) -> str:
    tile, tiled = f"{index:02d}-tile.png", f"{index:02d}-repeated.png"
    Image.fromarray(item.tile).save(pictures / tile)
    _fitted(repeated(item), 600).save(pictures / tiled)
    colours = "".join(
        f'<i style="background:{html.escape(colour)}" title="{html.escape(colour)}"></i>'
        for colour in item.asset.palette
    )
    return (
        f'<figure><img src="pictures/{tile}" alt="tile" width="{TILE_PX}">'
        f'<img src="pictures/{tiled}" alt="repeated 3 by 3" width="{REPEATED_PX}">'
        f"<figcaption><b>{html.escape(item.title)}</b><q>{html.escape(item.prompt)}</q>"
        f"<span>{html.escape(item.facts)} · {html.escape(item.cost)}</span>{colours}"
        "</figcaption></figure>"
    )


_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; margin: 2rem; background: #faf9f6; color: #28282c }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(26rem, 1fr)); gap: 2rem }}
figure {{ margin: 0 }} img {{ vertical-align: top; margin-right: .5rem; background: #eee }}
figcaption > * {{ display: block }} span {{ color: #77777c }}
i {{ display: inline-block; width: 1.2rem; height: 1.2rem; border-radius: 50% }}
i {{ margin: .3rem .3rem 0 0 }}
</style>
<h1>{title}</h1>
<main>
{cells}
</main>
</html>
"""
