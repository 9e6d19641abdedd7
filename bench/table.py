"""What the table costs, in one run: each step, every recipe, and bare tools doing the same work.

    .venv/bin/python -m bench.table [--full]

Rows of one block do the same job: ours first, then Potrace, libvips and Pillow by themselves, which
do not wrap, do not judge and do not read back. Peak memory is of this process while the row ran
(the kernel's high-water mark, set back before each row), and how much of it the row added; Potrace
is a program of its own and its memory is not in either. `--full` does the blocks at 6400 x 6400 px
as well and adds the large recipes.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image, ImageCms

from postproc.colour import Bytes
from postproc.features import knocked_out
from postproc.files import (
    PrintSize,
    srgb_profile,
    vips_image,
    write_indexed_tiff,
    write_png,
    write_tiff,
)
from postproc.finish import Order, finish, repeat_of
from postproc.gates import tile_gates
from postproc.lattice import HALF_DROP, expand_to_straight
from postproc.plates import Separation, enlarge, separate
from postproc.press import write_cmyk_tiff
from postproc.recipe import shipped_recipe, shipped_recipes
from postproc.seams import seam_figures
from postproc.separations import pack, write_separated_tiff
from postproc.svg import Sheet, rasterise, write_svg
from postproc.trace import trace
from postproc.upscale import lanczos

TILE_PX = 256
LARGE_PX = 6400
ROUNDS = 3
LARGE_RECIPES = ("textile-digital-full", "rotary-screen", "wallpaper")


@dataclass(frozen=True, slots=True)
class Job:
    """What the blocks work on."""

    tile: Bytes
    picture: Bytes
    separation: Separation
    index_map: Bytes

    @property
    def side_px(self) -> int:
        """Of the print."""
        return int(self.index_map.shape[0])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also at 6400 x 6400 px")
    full = parser.parse_args().full
    tile = half_drop_tile()
    columns = ("wall ms", "CPU ms", "peak MiB", "added")
    print(f"{'what':52}" + "".join(f"{column:>{len(column) + 3}}" for column in columns))
    steps(tile)
    for side_px in [4 * TILE_PX] + [LARGE_PX] * full:
        blocks(job(tile, side_px))
    order = Order(repeat=repeat_of("half-drop", 640_000, 640_000), palette_max=8)
    heading("recipes, half-drop, 640 x 640 mm")
    for name in shipped_recipes():
        if full or name not in LARGE_RECIPES:
            rounds = 1 if name in LARGE_RECIPES else ROUNDS
            measure(name, partial(finish, tile, shipped_recipe(name), order), rounds=rounds)


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


def job(tile: Bytes, side_px: int) -> Job:
    """The tile separated and enlarged."""
    separation = separate(tile, HALF_DROP, colours_max=8)
    large = lanczos(tile, HALF_DROP, width_px=side_px, height_px=side_px)
    index_map = enlarge(separation, large, HALF_DROP)
    return Job(tile, separation.palette.paint(index_map), separation, index_map)


def steps(tile: Bytes) -> None:
    """Each step of the textile recipe at 256 to 1024 px."""
    heading("steps, 256 px tile to 1024 px")
    side = 4 * TILE_PX
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
    measure("seam gate", lambda: seam_figures(drawn, HALF_DROP, scale=4))


def blocks(work: Job) -> None:
    """The same job by us and by each tool alone."""
    side = work.side_px
    row = row_of(work)
    size = PrintSize(width_px=side, height_px=side, width_um=640_000, height_um=640_000)
    heading(f"{side} x {side} px")
    small, whole = Image.fromarray(work.tile), Image.fromarray(work.picture)
    scale = side / TILE_PX
    row(
        "enlarge: ours, wrapped",
        lambda: lanczos(work.tile, HALF_DROP, width_px=side, height_px=side),
    )
    row("enlarge: libvips", lambda: vips_image(work.tile).resize(scale, kernel="lanczos3").numpy())
    row("enlarge: Pillow", lambda: small.resize((side, side), Image.Resampling.LANCZOS))
    row("trace: ours, wrapped", lambda: trace(work.index_map, work.separation.palette, HALF_DROP))
    row("trace: Potrace", partial(bare_potrace, work))
    row("palette: ours", lambda: separate(work.tile, HALF_DROP, colours_max=8))
    row("palette: Pillow, median cut", lambda: small.quantize(8))
    row("TIFF: ours", lambda: write_tiff(work.picture, size))
    row("TIFF: libvips", lambda: vips_image(work.picture).tiffsave_buffer(compression="deflate"))
    row("TIFF: Pillow", lambda: saved(whole, "TIFF", compression="tiff_adobe_deflate"))
    row("PNG: ours", lambda: write_png(work.picture, size))
    row("PNG: libvips", lambda: vips_image(work.picture).pngsave_buffer())
    row("PNG: Pillow", lambda: saved(whole, "PNG"))
    more_blocks(work, size, whole)


def more_blocks(work: Job, size: PrintSize, whole: Image.Image) -> None:
    """Press, indexed, straight and separated files."""
    row = row_of(work)
    straight = PrintSize(
        width_px=2 * size.width_px,
        height_px=size.height_px,
        width_um=2 * size.width_um,
        height_um=size.height_um,
    )
    press = vips_image(work.picture)
    row("CMYK TIFF: ours", lambda: write_cmyk_tiff(work.picture, size))
    row(
        "CMYK TIFF: libvips",
        lambda: press.icc_transform("cmyk", input_profile="srgb").tiffsave_buffer(
            compression="lzw"
        ),
    )
    row("CMYK TIFF: Pillow", partial(bare_cmyk, whole))
    colours = work.separation.palette.rgb()
    indexed = Image.fromarray(work.index_map).convert("P")
    indexed.putpalette(colours.tobytes())
    row("indexed TIFF: ours", lambda: write_indexed_tiff(work.index_map, colours, size))
    row("indexed TIFF: Pillow", lambda: saved(indexed, "TIFF", compression="tiff_adobe_deflate"))
    row(
        "straight TIFF: ours",
        lambda: write_tiff(expand_to_straight(work.picture, HALF_DROP), straight),
    )
    row("straight TIFF: libvips", partial(bare_straight, press))
    names = [ink.plate(rank) for rank, ink in enumerate(work.separation.palette.inks, start=1)]
    row(
        "separation TIFF: ours, no tool alone does it",
        lambda: write_separated_tiff(
            pack(
                knocked_out(work.index_map, ink, HALF_DROP, trap_px=2.0)
                for ink in range(len(names))
            ),
            names,
            size,
        ),
    )


def bare_potrace(work: Job) -> None:
    """Potrace on each plate as it is: no margin, no palette, no order."""
    side = work.side_px
    for rank in range(1, len(work.separation.palette.inks)):
        bitmap = b"P4\n%d %d\n" % (side, side) + np.packbits(work.index_map >= rank, 1).tobytes()
        command = ["potrace", "--backend", "svg", "--output", "-", "-"]
        subprocess.run(command, input=bitmap, capture_output=True, check=True)


def bare_cmyk(picture: Image.Image) -> bytes:
    """Pillow's own conversion through LittleCMS."""
    profiles = [
        ImageCms.ImageCmsProfile(io.BytesIO(bytes(data)))
        for data in (srgb_profile(), pyvips.Image.profile_load("cmyk"))
    ]
    inks: Any = ImageCms.profileToProfile(picture, profiles[0], profiles[1], outputMode="CMYK")
    return saved(inks, "TIFF", compression="tiff_lzw")


def bare_straight(image: Any) -> bytes:
    """Two halves joined and written as a stream."""
    half = image.height // 2
    dropped = image.crop(0, half, image.width, image.height - half).join(
        image.crop(0, 0, image.width, half), "vertical"
    )
    return bytes(image.join(dropped, "horizontal").tiffsave_buffer(compression="deflate"))


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def row_of(work: Job) -> Callable[[str, Callable[[], Any]], Any]:
    """Measures a row; at full size once, for a round there takes seconds."""
    return partial(measure, rounds=1 if work.side_px > 4 * TILE_PX else ROUNDS)


def heading(text: str) -> None:
    """A line between blocks."""
    print(f"-- {text}")


def measure(what: str, work: Callable[[], Any], *, rounds: int = ROUNDS) -> Any:
    """Print the least of some rounds after a warm-up, and the memory of the first; the answer."""
    before_mib = memory_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    answer, wall, cpu = None, [], []
    for _ in range(rounds + (rounds > 1)):
        answer = None
        began, began_cpu = time.perf_counter(), cpu_s()
        answer = work()
        wall.append(time.perf_counter() - began)
        cpu.append(cpu_s() - began_cpu)
    peak_mib = memory_mib("VmHWM")
    print(
        f"{what:52}{min(wall) * 1e3:10.1f}{min(cpu) * 1e3:9.1f}{peak_mib:11.0f}"
        f"{peak_mib - before_mib:8.0f}",
        flush=True,
    )
    return answer


def memory_mib(name: str) -> float:
    """A line of this process's status: VmRSS now, VmHWM at its highest since it was set back."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


def cpu_s() -> float:
    """CPU seconds of this process and of the programs it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
