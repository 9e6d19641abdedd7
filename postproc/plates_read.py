"""Separation TIFFs that people bring: n inks become one picture that can be judged.

Such a file says where each ink prints and what it is called, not what it looks like. Its plates
are laid over each other in the file's order, each in the colour that its name says or, where the
name says none or one that is taken, in one of its own: for judging edges, never for colours. Each
plate can be had by itself, too: a flaw on a pale one hides beside strong ones.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final

import numpy as np
import tifffile

from postproc.brought import Brought, Rgb
from postproc.colour import Bytes, oklab_from_srgb8
from postproc.decode import INPUT_BYTES_MAX, PIXELS_MAX_DEFAULT, SIDE_PX_MIN_DEFAULT
from postproc.names import colour_of
from schemas.errors import Rejected

INKS_MAX: Final = 32
SEGMENT_BYTES_MAX: Final = 1 << 28
"""Of one strip or tile, decoded: strips are laid one after the other."""
CLOTH: Final[Rgb] = (208, 208, 208)
APART_MIN: Final = 0.08
"""OKLab distance that a named colour keeps from all others and the cloth, or is not taken."""
_SEPARATED: Final = 5
_CMYK_INKS: Final = 4
_INK_SET_CMYK: Final = 1
_UM: Final = {2: 25_400, 3: 10_000}
_LEVELS: Final = (20, 100, 180, 250)
_WHEEL: Final[tuple[Rgb, ...]] = tuple(
    (red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS
)
"""What a plate may look like whose name says no colour; the furthest from all others is taken."""


def bring_plates(data: bytes, *, field: str) -> Brought | None:
    """The plates of a separation TIFF as one picture; None for every other file.

    Four inks that the file does not call otherwise are CMYK and no case of this. Raises Rejected
    for separations of other shapes than 8- or 16-bit samples side by side, and for damaged ones.
    """
    page = _first_page(data)
    if page is None or not _is_separated(page):
        return None
    _check(data, page, field)
    names = _names(page)
    try:
        rgb = _laid(page, plate_colours(names))
    except (ValueError, TypeError, OSError, RuntimeError, IndexError, KeyError) as error:
        raise _refusal("cannot be read", field, "a whole separation TIFF") from error
    width_um, height_um = _printed_um(page)
    said = f"{len(names)} plates ({', '.join(names)})"
    judged = "judged as the picture they print together, in stand-in colours, and each by itself"
    return Brought(
        rgb=rgb,
        notes=(f"{said} {judged}",),
        width_um=width_um,
        height_um=height_um,
        plates=tuple((name, partial(_alone, page, plate)) for plate, name in enumerate(names)),
    )


def _first_page(data: bytes) -> Any:
    """The first page, or None where tifffile finds none: other readers then say what is wrong."""
    if not data.startswith((b"II", b"MM")):
        return None
    try:
        return tifffile.TiffFile(io.BytesIO(data)).pages.first
    except (tifffile.TiffFileError, ValueError, TypeError, OSError, IndexError, KeyError):
        return None


def _is_separated(page: Any) -> bool:
    if page.photometric != _SEPARATED:
        return False
    told = page.tags.get("InkSet")
    ink_set = int(told.value) if told is not None else _INK_SET_CMYK
    return page.samplesperpixel != _CMYK_INKS or ink_set != _INK_SET_CMYK


def _check(data: bytes, page: Any, field: str) -> None:
    """Refuse by what the file claims, before a pixel is decoded."""
    height_px, width_px, inks = page.imagelength, page.imagewidth, page.samplesperpixel
    if len(data) > INPUT_BYTES_MAX:
        raise _refusal(f"is {len(data)} bytes", field, f"{INPUT_BYTES_MAX} bytes")
    if height_px * width_px > PIXELS_MAX_DEFAULT:
        raise _refusal(f"is {width_px} x {height_px} px", field, f"{PIXELS_MAX_DEFAULT} px in all")
    if min(height_px, width_px) < SIDE_PX_MIN_DEFAULT:
        limit = f"sides of at least {SIDE_PX_MIN_DEFAULT} px"
        raise _refusal(f"is {width_px} x {height_px} px", field, limit)
    if inks > INKS_MAX:
        raise _refusal(f"has {inks} plates", field, f"{INKS_MAX} plates")
    if page.dtype not in (np.uint8, np.uint16) or page.planarconfig != 1:
        raise _refusal("has another shape", field, "8 or 16 bits, samples side by side")
    rows = page.tilelength if page.is_tiled else page.rowsperstrip
    across = page.tilewidth if page.is_tiled else width_px
    held = min(rows, height_px) * across * inks * page.dtype.itemsize
    if held > SEGMENT_BYTES_MAX:
        raise _refusal(f"has strips of {held} bytes", field, f"{SEGMENT_BYTES_MAX} bytes")


def _names(page: Any) -> list[str]:
    """The inks' names, printable and bounded; `plate 3` where the file says none."""
    told = page.tags.get("InkNames")
    given = str(told.value).split("\0") if told is not None else []
    clean = ["".join(one for one in name if one.isprintable())[:32].strip() for name in given]
    wanted = range(page.samplesperpixel)
    return [clean[n] if n < len(clean) and clean[n] else f"plate {n + 1}" for n in wanted]


def plate_colours(names: Sequence[str]) -> list[Rgb]:
    """A colour for each plate, apart from the cloth and from all others."""
    taken: list[Rgb] = [CLOTH]
    for name in names:
        words = (colour_of(word) for word in re.split(r"[^a-z]+", name.lower()))
        said = [word for word in words if word is not None and _gap(word, taken) > APART_MIN]
        taken.append(said[0] if said else max(_WHEEL, key=lambda one: _gap(one, taken)))
    return taken[1:]


def _gap(colour: Rgb, taken: Sequence[Rgb]) -> float:
    """The OKLab distance to the nearest colour that is taken."""
    one = oklab_from_srgb8(np.array([colour], dtype=np.uint8))
    gaps = ((oklab_from_srgb8(np.array(taken, dtype=np.uint8)) - one) ** 2).sum(axis=-1)
    return float(np.sqrt(gaps.min()))


def _laid(page: Any, colours: Sequence[Rgb]) -> Bytes:
    """The plates over each other, strip by strip; later ones cover earlier ones."""
    height_px, width_px = page.imagelength, page.imagewidth
    picture: Bytes = np.empty((height_px, width_px, 3), np.uint8)
    picture[:] = CLOTH
    for part, samples in _parts(page, picture):
        laid = part.astype(np.int32)
        for plate, colour in enumerate(colours):
            share = samples[..., plate : plate + 1].astype(np.int32)
            laid += (np.array(colour) - laid) * share // 255
        part[:] = laid
    return picture


def _alone(page: Any, plate: int) -> Bytes:
    """The samples [H, W, 1] of one plate; 255 prints. As `_laid`, one strip at a time."""
    samples_of_all: Bytes = np.zeros((page.imagelength, page.imagewidth, 1), np.uint8)
    for part, samples in _parts(page, samples_of_all):
        part[:] = samples[..., plate : plate + 1]
    return samples_of_all


def _parts(page: Any, picture: Bytes) -> Iterator[tuple[Bytes, Any]]:
    """Each strip's or tile's place in a picture, and its samples [h, w, n] in 8 bits."""
    for segment, place, _ in page.segments(maxworkers=1):
        if segment is None:
            continue
        top, left = place[2], place[3]
        part = picture[top : top + segment.shape[1], left : left + segment.shape[2]]
        samples = segment[0, : part.shape[0], : part.shape[1]]
        yield part, samples >> 8 if samples.dtype == np.uint16 else samples


def _printed_um(page: Any) -> tuple[int, int]:
    """How large the file's resolution makes it, in micrometres; zeros where it says nothing."""
    unit = page.tags.get("ResolutionUnit")
    um = _UM.get(int(unit.value), 0) if unit is not None else 0
    told = [page.tags.get(name) for name in ("XResolution", "YResolution")]
    if not um or any(one is None or 0 in one.value for one in told):
        return 0, 0
    across, down = (Fraction(*one.value) for one in told)
    return round(page.imagewidth * um / across), round(page.imagelength * um / down)


def _refusal(said: str, field: str, limit: str) -> Rejected:
    return Rejected(f"the separation file {said}", field=field, limit=limit)
