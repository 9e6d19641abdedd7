"""The table for a person at the counter: finish any picture, check any file. Nothing is printed.

`finish_picture` runs a recipe to its end whatever the gates say and writes a manifest beside the
files. `check_file` judges what somebody else made and marks the worst join on a picture.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from postproc.colour import Bytes, oklab_planes
from postproc.decode import decode_picture
from postproc.figures import Figure
from postproc.files import PrintSize, write_png
from postproc.finish import Finished, Order, finish
from postproc.gates import tile_gates
from postproc.lattice import Lattice, step_and_repeat, window
from postproc.recipe import Recipe
from postproc.remake import means
from postproc.seams import SeamLimits
from postproc.vectors import draw_vector

MARKED_PX_MAX: Final = 1200
VECTOR_PX: Final = 1024
_MARK: Final = (230, 0, 60)
_WORST_SHARE: Final = 16
"""The worst stretch is a sixteenth of the join."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a file is worth."""

    figures: tuple[Figure, ...]
    width_px: int
    height_px: int
    worst: str
    """Where the join is worst, in words and pixels."""
    marked_png: bytes
    """Two by two units of the cloth, the worst join and its worst stretch marked."""

    @property
    def passed(self) -> bool:
        """Whether every figure is within its limit."""
        return all(figure.passed for figure in self.figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The worst piece of the worst join, in pixels of the tile."""

    axis: str
    """`right` for the join with the right-hand neighbour, `bottom` for the one below."""
    start_px: int
    stop_px: int
    jump: float
    """Mean OKLab jump over the stretch."""


def check_file(
    data: bytes, lattice: Lattice, *, name: str = "file", limits: SeamLimits | None = None
) -> Checked:
    """Judge a PNG, TIFF, SVG or PDF that is meant to repeat; raises Rejected if unreadable."""
    picture = picture_of(data, lattice, field=name)
    figures = tuple(tile_gates(picture, lattice, limits=limits))
    stretch = worst_stretch(picture, lattice)
    side = "height" if stretch.axis == "right" else "width"
    return Checked(
        figures=figures,
        width_px=picture.shape[1],
        height_px=picture.shape[0],
        worst=f"{stretch.axis} join, {stretch.start_px} to {stretch.stop_px} px of the {side}",
        marked_png=_marked(picture, lattice, stretch),
    )


def finish_picture(data: bytes, recipe: Recipe, order: Order) -> tuple[Finished, bytes]:
    """Run a recipe on any picture's bytes; everything made, and the manifest as JSON.

    Raises Rejected for pictures that cannot be read or sheared; gates that fail only show in the
    figures when the order says `refuse=False`.
    """
    picture = decode_picture(data, field="picture")
    order.repeat.lattice.check_sides(picture.shape[1], picture.shape[0])
    done = finish(picture, recipe, order)
    return done, manifest(done, order, source=data, recipe=recipe)


def manifest(done: Finished, order: Order, *, source: bytes, recipe: Recipe) -> bytes:
    """Everything needed to make the files again and to check them, as JSON with sorted keys."""
    files = [
        {
            "role": artefact.role,
            "display_name": artefact.display_name,
            "media_type": artefact.media_type,
            "size_bytes": len(artefact.data),
            "sha256": hashlib.sha256(artefact.data).hexdigest(),
        }
        for artefact in done.artefacts
    ]
    record = {
        "source_sha256": hashlib.sha256(source).hexdigest(),
        **means(order, recipe),
        "fingerprint": done.fingerprint,
        "gates": [asdict(figure) for figure in done.figures],
        "files": files,
    }
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def picture_of(data: bytes, lattice: Lattice, *, field: str = "file") -> Bytes:
    """The RGB pixels of any file that can be checked; vectors are drawn VECTOR_PX wide."""
    head = data[:1024].lstrip()
    if head.startswith((b"<", b"\xef\xbb\xbf<", b"%PDF")):
        return draw_vector(data, lattice, width_px=VECTOR_PX, field=field)
    return decode_picture(data, field=field)


def worst_stretch(rgb: Bytes, lattice: Lattice) -> Stretch:
    """Where the cloth jumps most across a join, compared with how it jumps beside it."""
    height_px, width_px = rgb.shape[:2]
    right = window(rgb, lattice, left=width_px - 2, top=0, width=4, height=height_px)
    bottom = window(rgb, lattice, left=0, top=height_px - 2, width=width_px, height=4)
    stretches = [
        _worst_of("right", right),
        _worst_of("bottom", np.ascontiguousarray(bottom.transpose(1, 0, 2))),
    ]
    return max(stretches, key=lambda stretch: stretch.jump)


def _worst_of(axis: str, strip: Bytes) -> Stretch:
    """The worst stretch of a join in the middle of a strip [n, 4, 3]."""
    jumps = np.sqrt((np.diff(oklab_planes(strip), axis=2) ** 2).sum(axis=0))
    excess = np.maximum(jumps[:, 1] - np.maximum(jumps[:, 0], jumps[:, 2]), 0)
    length = max(1, len(excess) // _WORST_SHARE)
    sums = np.convolve(excess, np.ones(length), "valid")
    start = int(np.argmax(sums))
    return Stretch(
        axis=axis, start_px=start, stop_px=start + length, jump=float(sums[start]) / length
    )


def _marked(rgb: Bytes, lattice: Lattice, stretch: Stretch) -> bytes:
    cloth = step_and_repeat(rgb, lattice, columns=2, rows=2)
    shrink = min(1.0, MARKED_PX_MAX / max(cloth.shape[:2]))
    size = (round(cloth.shape[1] * shrink), round(cloth.shape[0] * shrink))
    picture = Image.fromarray(cloth).resize(size, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(picture)
    height, width = (round(side * shrink) for side in rgb.shape[:2])
    start, stop = round(stretch.start_px * shrink), round(stretch.stop_px * shrink)
    if stretch.axis == "right":
        pen.line([(width, 0), (width, size[1])], fill=_MARK, width=1)
        pen.rectangle([width - 12, start, width + 12, stop], outline=_MARK, width=3)
    else:
        pen.line([(0, height), (size[0], height)], fill=_MARK, width=1)
        pen.rectangle([start, height - 12, stop, height + 12], outline=_MARK, width=3)
    marked = np.asarray(picture)
    paper = PrintSize(
        width_px=marked.shape[1],
        height_px=marked.shape[0],
        width_um=marked.shape[1] * 254,
        height_um=marked.shape[0] * 254,
    )
    return write_png(marked, paper)
