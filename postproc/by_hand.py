"""The table for a person at the counter: finish any picture, check any file. Nothing is printed.

`finish_picture` runs a recipe to its end whatever the gates say and writes a manifest beside the
files. `check_file` judges what somebody else made and marks the worst join on a picture.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from postproc.brought import Brought, Rgb, bring
from postproc.colour import Bytes, Floats, oklab_planes
from postproc.figures import Figure, of_part, on_artefact, reported
from postproc.files import PrintSize, write_png
from postproc.finish import Finished, Order, finish
from postproc.gates import tile_gates
from postproc.lattice import Lattice, step_and_repeat, window
from postproc.order import UM_PER_INCH
from postproc.plates_read import bring_plates
from postproc.recipe import Recipe
from postproc.remake import means
from postproc.seams import SeamLimits, local_flaw, seam_figures
from postproc.vectors import draw_vector

MARKED_PX_MAX: Final = 1200
ZOOM_PX: Final = 400
"""Side of the panel that shows the worst stretch from near."""
ZOOM_REACH_PX: Final = 6
"""Least pixels of the tile beside the stretch in that panel."""
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
    width_um: int
    height_um: int
    """How large the file says it prints; 0 where it does not say."""
    worst: str
    """Where the join is worst, in words and pixels."""
    marked_png: bytes
    """Two by two units of the cloth, the worst join and its worst stretch marked, and from near."""
    notes: tuple[str, ...] = ()
    """What was changed so that the file could be judged."""

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

    def words(self) -> str:
        """The place, for people."""
        side = "height" if self.axis == "right" else "width"
        return f"{self.axis} join, {self.start_px} to {self.stop_px} px of the {side}"


def check_file(
    data: bytes,
    lattice: Lattice,
    *,
    name: str = "file",
    limits: SeamLimits | None = None,
    ground: Rgb | None = None,
) -> Checked:
    """Judge a PNG, TIFF, SVG or PDF that is meant to repeat; raises Rejected if unreadable.

    CMYK without a profile is judged through a generic one, transparent pixels on `ground`.
    """
    brought = brought_of(data, lattice, field=name, ground=ground, proof=True)
    picture = brought.rgb
    figures = tile_gates(picture, lattice, limits=limits)
    if brought.width_um:
        dpi = picture.shape[1] * UM_PER_INCH / brought.width_um
        figures.append(reported("resolution", dpi, unit="dpi"))
    shown, whose = picture, ""
    for plate, seams, samples in _plates(brought, lattice, limits):
        if all(figure.passed for figure in figures) and not all(one.passed for one in seams):
            # The picture of all plates hides it: this one is shown, black on white.
            shown, whose = np.repeat(255 - samples, 3, axis=2), f"{plate}, "
        figures += seams
    stretch = worst_stretch(shown, lattice)
    return Checked(
        figures=tuple(figures),
        width_px=picture.shape[1],
        height_px=picture.shape[0],
        width_um=brought.width_um,
        height_um=brought.height_um,
        worst=whose + stretch.words(),
        marked_png=marked(shown, lattice, stretch),
        notes=brought.notes,
    )


def _plates(
    brought: Brought, lattice: Lattice, limits: SeamLimits | None
) -> Iterator[tuple[str, list[Figure], Bytes]]:
    """Name, seam figures and samples of each plate, one held at a time; none where there is one."""
    if len(brought.plates) < 2:
        return
    for name, decoded in brought.plates:
        samples = decoded()
        seams = on_artefact(seam_figures(samples, lattice, limits=limits), "plate")
        yield name, [of_part(figure, name) for figure in seams], samples


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A picture that was finished at the counter."""

    done: Finished
    manifest: bytes
    notes: tuple[str, ...]
    """What was changed so that the picture could be used."""
    worst: str
    marked_png: bytes
    """As of `Checked`, of the picture that was brought."""


def finish_picture(
    data: bytes, recipe: Recipe, order: Order, *, ground: Rgb | None = None
) -> ByHand:
    """Run a recipe on any picture's bytes: everything made, and the manifest as JSON.

    Raises Rejected for pictures that cannot be read or sheared; gates that fail only show in the
    figures when the order says `refuse=False`.
    """
    lattice = order.repeat.lattice
    brought = bring(data, field="picture", ground=ground)
    picture = brought.rgb
    lattice.check_sides(picture.shape[1], picture.shape[0])
    done = finish(picture, recipe, order)
    stretch = worst_stretch(picture, lattice)
    return ByHand(
        done=done,
        manifest=manifest(done, order, source=data, recipe=recipe),
        notes=brought.notes,
        worst=stretch.words(),
        marked_png=marked(picture, lattice, stretch),
    )


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


def brought_of(
    data: bytes,
    lattice: Lattice,
    *,
    field: str = "file",
    ground: Rgb | None = None,
    proof: bool = False,
) -> Brought:
    """The RGB pixels of any file that can be checked; vectors are drawn VECTOR_PX wide.

    Of a separation TIFF, the picture that its plates print together.
    """
    head = data[:1024].lstrip()
    if head.startswith((b"<", b"\xef\xbb\xbf<", b"%PDF")):
        rgb = draw_vector(data, lattice, width_px=VECTOR_PX, field=field)
        return Brought(rgb=rgb, notes=(f"drawn {rgb.shape[1]} px wide",))
    plates = bring_plates(data, field=field)
    if plates is not None:
        return plates
    return bring(data, field=field, ground=ground, proof=proof)


def worst_stretch(rgb: Bytes, lattice: Lattice) -> Stretch:
    """Where the cloth jumps most across a join, compared with how it jumps beside it.

    A stretch that `seam_local` refuses comes first: beside sharp art that jumps as far it would be
    overlooked.
    """
    height_px, width_px = rgb.shape[:2]
    right = window(rgb, lattice, left=width_px - 2, top=0, width=4, height=height_px)
    bottom = window(rgb, lattice, left=0, top=height_px - 2, width=width_px, height=4)
    strips = {"right": right, "bottom": np.ascontiguousarray(bottom.transpose(1, 0, 2))}
    axis, local = local_flaw(rgb, lattice)
    if local.ratio > SeamLimits().local_max:
        start_px, stop_px = local.pixels(len(strips[axis]))
        jump = float(_excess(strips[axis])[start_px:stop_px].mean())
        return Stretch(axis=axis, start_px=start_px, stop_px=stop_px, jump=jump)
    stretches = [_worst_of(axis, strip) for axis, strip in strips.items()]
    return max(stretches, key=lambda stretch: stretch.jump)


def _worst_of(axis: str, strip: Bytes) -> Stretch:
    """The worst stretch of a join in the middle of a strip [n, 4, 3]."""
    excess = _excess(strip)
    length = max(1, len(excess) // _WORST_SHARE)
    sums = np.convolve(excess, np.ones(length), "valid")
    start = int(np.argmax(sums))
    return Stretch(
        axis=axis, start_px=start, stop_px=start + length, jump=float(sums[start]) / length
    )


def _excess(strip: Bytes) -> Floats:
    """How far each pixel's jump across the join stands over the jumps beside it."""
    jumps = np.sqrt((np.diff(oklab_planes(strip), axis=2) ** 2).sum(axis=0))
    excess: Floats = np.maximum(jumps[:, 1] - np.maximum(jumps[:, 0], jumps[:, 2]), 0)
    return excess


def marked(rgb: Bytes, lattice: Lattice, stretch: Stretch) -> bytes:
    """A PNG of two by two units, the join and its worst stretch marked; beside it that stretch.

    The line runs along the first unit only, as the other columns of a half-drop have theirs
    elsewhere.
    """
    cloth = step_and_repeat(rgb, lattice, columns=2, rows=2)
    shrink = min(1.0, MARKED_PX_MAX / max(cloth.shape[:2]))
    size = (round(cloth.shape[1] * shrink), round(cloth.shape[0] * shrink))
    near = _near(rgb, lattice, stretch)
    paper = Image.new("RGB", (size[0] + 12 + ZOOM_PX, max(size[1], ZOOM_PX)), (255, 255, 255))
    paper.paste(Image.fromarray(cloth).resize(size, Image.Resampling.LANCZOS), (0, 0))
    paper.paste(near, (size[0] + 12, 0))
    pen = ImageDraw.Draw(paper)
    height, width = (round(side * shrink) for side in rgb.shape[:2])
    start, stop = round(stretch.start_px * shrink), round(stretch.stop_px * shrink)
    if stretch.axis == "right":
        pen.line([(width, 0), (width, height)], fill=_MARK, width=1)
        pen.rectangle([width - 12, start, width + 12, stop], outline=_MARK, width=3)
    else:
        pen.line([(0, height), (width, height)], fill=_MARK, width=1)
        pen.rectangle([start, height - 12, stop, height + 12], outline=_MARK, width=3)
    pixels = np.asarray(paper)
    print_size = PrintSize(
        width_px=pixels.shape[1],
        height_px=pixels.shape[0],
        width_um=pixels.shape[1] * 254,
        height_um=pixels.shape[0] * 254,
    )
    return write_png(pixels, print_size)


def _near(rgb: Bytes, lattice: Lattice, stretch: Stretch) -> Image.Image:
    """The worst stretch from near, pixel by pixel, with ticks where the join is."""
    reach = max(ZOOM_REACH_PX, (stretch.stop_px - stretch.start_px) * 3 // 4)
    along = (stretch.start_px + stretch.stop_px) // 2 - reach
    height_px, width_px = rgb.shape[:2]
    across = (width_px if stretch.axis == "right" else height_px) - reach
    left, top = (across, along) if stretch.axis == "right" else (along, across)
    piece = window(rgb, lattice, left=left, top=top, width=2 * reach, height=2 * reach)
    near = Image.fromarray(piece).resize((ZOOM_PX, ZOOM_PX), Image.Resampling.NEAREST)
    pen, middle = ImageDraw.Draw(near), ZOOM_PX // 2
    for one, other in ((0, 14), (ZOOM_PX - 15, ZOOM_PX - 1)):
        line = [(middle, one), (middle, other)]
        if stretch.axis == "bottom":
            line = [(one, middle), (other, middle)]
        pen.line(line, fill=_MARK, width=3)
    pen.rectangle([0, 0, ZOOM_PX - 1, ZOOM_PX - 1], outline=_MARK, width=2)
    return near
