"""Writes the kept files anew, on purpose: `python -m tests.golden.postproc.renew`, then look."""

from __future__ import annotations

import json
from pathlib import Path

from postproc.decode import decode_picture
from postproc.finish import Order, finish, repeat_of
from postproc.recipe import shipped_recipe
from tests.golden.postproc import products

HERE = Path(__file__).parent
FILES = {"print": "print.tif", "vector": "vector.svg", "preview": "preview.png"}


def main() -> None:
    """Finish the kept tile and write what the golden tests compare with."""
    order = Order(repeat=repeat_of("half-drop", 640_000, 640_000), palette_max=8, design="golden")
    tile = decode_picture((HERE / "tile.png").read_bytes())
    done = finish(tile, shipped_recipe("textile-digital"), order)
    for artefact in done.artefacts:
        if artefact.role in FILES:
            (HERE / FILES[artefact.role]).write_bytes(artefact.data)
    figures = {f"{f.artefact}.{f.name}": round(f.figure, 4) for f in done.figures}
    kept = {"palette": [ink.hex for ink in done.palette.inks], "figures": figures}
    (HERE / "figures.json").write_text(json.dumps(kept, indent=1) + "\n")


def renew_products() -> None:
    """What each recipe makes, as `test_products` compares it."""
    kept = {name: products.told(products.made(name)) for name in products.recipes()}
    lines = (f"{json.dumps(name)}: {json.dumps(told)}" for name, told in kept.items())
    (HERE / "products.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
    renew_products()
