"""What the table costs, in one run: each step, whole recipes, and the bare tools beside them.

    .venv/bin/python -m bench.table [--full]

CPU time is this process and the programs it runs; peak memory is of this process since its start,
so it only grows down the page. `--full` adds the 6400 x 6400 px set.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyvips
from PIL import Image

from postproc.colour import Bytes
from postproc.files import PrintSize, write_png, write_tiff
from postproc.finish import Order, finish, repeat_of
from postproc.gates import tile_gates
from postproc.lattice import HALF_DROP
from postproc.plates import enlarge, separate
from postproc.recipe import shipped_recipe
from postproc.seams import seam_figures
from postproc.svg import Sheet, rasterise, write_svg
from postproc.trace import trace
from postproc.upscale import lanczos

TILE_PX = 256
ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also the 6400 x 6400 px set")
    full = parser.parse_args().full
    tile = half_drop_tile()
    print(f"{'what':44} {'wall ms':>9} {'CPU ms':>9} {'peak MiB':>9}")
    steps(tile)
    bare_tools(tile)
    recipes = ["web-preview", "textile-digital", "print-on-demand"]
    order = Order(repeat=repeat_of("half-drop", 640_000, 640_000), palette_max=8)
    for name in recipes + ["textile-digital-full"] * full:
        measure(f"recipe {name}", partial(finish, tile, shipped_recipe(name), order))


def half_drop_tile() -> Bytes:
    """Six flat colours in soft blobs, periodic by half-drop."""
    generator = np.random.default_rng(7)
    down, across = np.mgrid[0:TILE_PX, 0:TILE_PX] / TILE_PX
    field = np.zeros((TILE_PX, TILE_PX))
    for _ in range(9):
        k, m = generator.integers(-5, 6, 2)
        field += np.cos(2 * np.pi * ((k - m / 2) * across + m * down + generator.random()))
    colours = generator.integers(0, 256, (6, 3)).astype(float)
    picture = np.broadcast_to(colours[0], (TILE_PX, TILE_PX, 3)).copy()
    for step, colour in zip(
        np.quantile(field, [0.2, 0.4, 0.6, 0.8, 0.9]), colours[1:], strict=True
    ):
        share = 1 / (1 + np.exp(-(field - step) / 0.05))[..., None]
        picture = picture * (1 - share) + colour * share
    tile: Bytes = np.rint(picture).astype(np.uint8)
    return tile


def steps(tile: Bytes) -> None:
    """Each step of the textile recipe at 256 to 1024 px."""
    side = 4 * TILE_PX
    size = PrintSize(width_px=side, height_px=side, width_um=640_000, height_um=640_000)
    sheet = Sheet(width_px=side, height_px=side, width_um=640_000, height_um=640_000)
    measure("gates of the tile", lambda: tile_gates(tile, HALF_DROP))
    separation = measure("palette and plates", lambda: separate(tile, HALF_DROP, colours_max=8))
    large = measure(
        "wrapped Lanczos x 4", lambda: lanczos(tile, HALF_DROP, width_px=side, height_px=side)
    )
    index_map = measure("plates x 4", lambda: enlarge(separation, large, HALF_DROP))
    plates = measure("trace", lambda: trace(index_map, separation.palette, HALF_DROP))
    svg = measure("write SVG", lambda: write_svg(plates, sheet, title="bench"))
    drawn = measure("draw SVG", lambda: rasterise(svg, width_px=side, height_px=side))
    measure("seam gate, 1024 px", lambda: seam_figures(drawn, HALF_DROP, scale=4))
    flat = separation.palette.paint(index_map)
    measure("write TIFF", lambda: write_tiff(flat, size))
    measure("write PNG", lambda: write_png(flat, size))


def bare_tools(tile: Bytes) -> None:
    """The same work without anything of ours: no wrap, no gates, no exact size."""
    side = 4 * TILE_PX
    separation = separate(tile, HALF_DROP, colours_max=8)
    small = Image.fromarray(tile)
    large = measure("bare Pillow: Lanczos x 4", lambda: small.resize((side, side), 1))
    index_map = np.asarray(Image.fromarray(separation.index_map).resize((side, side), 0))

    def potrace() -> None:
        for rank in range(1, len(separation.palette.inks)):
            packed = np.packbits(index_map >= rank, axis=1).tobytes()
            bitmap = b"P4\n%d %d\n" % (side, side) + packed
            command = ["potrace", "--backend", "svg", "--output", "-", "-"]
            subprocess.run(command, input=bitmap, capture_output=True, check=True)

    measure("bare Potrace: every plate", potrace)
    measure("bare Pillow: save TIFF and PNG", lambda: [save(large, "TIFF"), save(large, "PNG")])
    pixels = np.asarray(large).tobytes()
    image = pyvips.Image.new_from_memory(pixels, side, side, 3, "uchar")
    measure("bare libvips: save TIFF", lambda: image.tiffsave_buffer(compression="deflate"))
    measure("bare libvips: save PNG", image.pngsave_buffer)


def save(picture: Image.Image, kind: str) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"compression": "tiff_deflate"} if kind == "TIFF" else {}))
    return buffer.getvalue()


def measure(what: str, work: Callable[[], Any]) -> Any:
    """Print the least of some rounds after a warm-up; the last answer."""
    answer, wall, cpu = work(), [], []
    for _ in range(ROUNDS):
        began, began_cpu = time.perf_counter(), cpu_s()
        answer = work()
        wall.append(time.perf_counter() - began)
        cpu.append(cpu_s() - began_cpu)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:44} {min(wall) * 1e3:9.1f} {min(cpu) * 1e3:9.1f} {peak_mib:9.0f}", flush=True)
    return answer


def cpu_s() -> float:
    """CPU seconds of this process and of the programs it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
