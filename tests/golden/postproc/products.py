"""What is kept of each shipped recipe's product: small, comparable, and made in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from postproc.decode import decode_picture
from postproc.files import read_back, read_plate
from postproc.finish import Finished, Order, finish, repeat_of
from postproc.press import read_cmyk
from postproc.products import Artefact
from postproc.recipe import shipped_recipe, shipped_recipes
from postproc.svg import rasterise

HERE: Final = Path(__file__).parent
SIDE_PX: Final = 24


def made(name: str) -> Finished:
    """The kept tile by one shipped recipe, half-drop, 80 mm."""
    tile = decode_picture((HERE / "tile.png").read_bytes())
    order = Order(repeat=repeat_of("half-drop", 80_000, 80_000), palette_max=8, design="golden")
    return finish(tile, shipped_recipe(name), order)


def told(done: Finished) -> dict[str, Any]:
    """Recipe, palette, and of each file its size and what it looks like from afar."""
    return {
        "recipe": f"{done.recipe_name} {done.recipe_version}",
        "palette": [ink.hex for ink in done.palette.inks] if done.palette else [],
        "files": {
            artefact.role: {
                "px": [artefact.width_px, artefact.height_px],
                "um": [artefact.repeat_width_um, artefact.repeat_height_um],
                "levels": thumbnail(artefact),
            }
            for artefact in done.artefacts
        },
    }


def thumbnail(artefact: Artefact) -> list[int]:
    """The picture's grey levels on a coarse grid, 0 to 255; empty for what shows none."""
    picture = _pixels(artefact)
    if picture is None:
        return []
    grey = Image.fromarray(picture).convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    return np.asarray(grey).reshape(-1)[:: SIDE_PX // 4].tolist()


def _pixels(artefact: Artefact) -> Any:
    if artefact.role.startswith("plate-"):
        return read_plate(artefact.data).astype(np.uint8) * np.uint8(255)
    if artefact.role.startswith("press"):
        return np.uint8(255) - read_cmyk(artefact.data).max(axis=2)
    if artefact.role == "vector":
        return rasterise(artefact.data, width_px=240, height_px=240)
    if artefact.media_type == "image/png":
        return decode_picture(artefact.data)
    if artefact.media_type == "image/tiff" and artefact.role != "separations":
        return read_back(artefact.data)
    return None


def recipes() -> list[str]:
    """Every shipped recipe."""
    return sorted(shipped_recipes())
