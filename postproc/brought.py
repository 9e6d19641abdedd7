"""Pictures that people bring: any common file, in its own colours, becomes 8-bit sRGB.

The line makes its own tiles and reads nothing else; a designer's picture comes as JPEG or TIFF, in
Adobe RGB or CMYK, on transparent ground, turned by a camera. What was done to it is said in words,
so that nobody's colours change unseen. Refused by field and limit as `decode` refuses: nothing is
decoded before its size is known.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import pyvips
from PIL import Image, ImageCms, ImageOps

from postproc.colour import Bytes, hex_of
from postproc.decode import check_head, read_pixels
from schemas.errors import Rejected

FORMATS: Final = ("PNG", "TIFF", "JPEG", "WEBP", "BMP")
Rgb = tuple[int, int, int]
_UM_PER_INCH: Final = 25_400
_DPI_MAX: Final = 10_000
_SRGB: Final = re.compile(r"\bs\s?RGB\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A picture as the table takes it."""

    rgb: Bytes
    notes: tuple[str, ...] = ()
    """What was changed on the way, for people."""
    width_um: int = 0
    height_um: int = 0
    """How large the file says it prints; 0 where it does not say."""
    plates: tuple[tuple[str, Callable[[], Bytes]], ...] = ()
    """Of a file of several: the name of each, and what decodes its samples [H, W, 1]."""


def bring(data: bytes, *, field: str, ground: Rgb | None = None, proof: bool = False) -> Brought:
    """The picture of a file's bytes; raises Rejected naming `field`.

    `ground` is what shows through transparent pixels; without one they are refused. `proof` lets
    CMYK without a profile through a generic one: good for judging edges, not for colours.
    """
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                check_head(data, picture, field)
                size_um = _printed_um(picture)
                rgb = _plain(picture, field, ground=ground, proof=proof, notes=notes)
    except Image.DecompressionBombError as error:
        raise Rejected("the picture is far too large", field=field, limit="fewer px") from error
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError) as error:
        limit = "a whole " + ", ".join(FORMATS)
        raise Rejected("the picture cannot be read", field=field, limit=limit) from error
    return Brought(rgb=rgb, notes=tuple(notes), width_um=size_um[0], height_um=size_um[1])


def _plain(
    picture: Image.Image, field: str, *, ground: Rgb | None, proof: bool, notes: list[str]
) -> Bytes:
    turned = ImageOps.exif_transpose(picture)
    if turned.size != picture.size or picture.getexif().get(0x0112, 1) != 1:
        notes.append("turned as its camera says")
    profile = picture.info.get("icc_profile")
    if turned.mode == "CMYK":
        return _from_cmyk(turned, profile, field, proof=proof, notes=notes)
    if turned.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in turned.info:
        turned = _laid(turned, field, ground=ground, notes=notes)
    if profile and turned.mode in {"RGB", "P"}:
        turned = _in_srgb(turned.convert("RGB"), profile, notes)
    return read_pixels(turned, field)


def _laid(picture: Image.Image, field: str, *, ground: Rgb | None, notes: list[str]) -> Image.Image:
    """The picture on its ground; as it is where nothing shows through."""
    rgba = picture.convert("RGBA")
    if np.asarray(rgba.getchannel("A")).min() == 255:
        return rgba.convert("RGB")
    if ground is None:
        raise Rejected(
            "the picture has transparent pixels",
            field=field,
            limit="opaque, or a ground to lay it on (--ground '#ffffff')",
        )
    notes.append(f"transparent pixels laid on {hex_of(ground)}")
    below = Image.new("RGBA", rgba.size, (*ground, 255))
    return Image.alpha_composite(below, rgba).convert("RGB")


def _from_cmyk(
    picture: Image.Image, profile: bytes | None, field: str, *, proof: bool, notes: list[str]
) -> Bytes:
    if not profile and not proof:
        raise Rejected(
            "the picture is CMYK without a profile",
            field=field,
            limit="RGB, or CMYK with its ICC profile in the file",
        )
    source = profile or bytes(pyvips.Image.profile_load("cmyk"))
    notes.append(f"CMYK seen through {_name(source) if profile else 'a generic profile'}")
    try:
        return np.asarray(_converted(picture, source))
    except ImageCms.PyCMSError as error:
        raise Rejected(
            "the picture's ICC profile cannot be used", field=field, limit="a CMYK profile"
        ) from error


def _in_srgb(picture: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    """The picture in sRGB; untouched where it says sRGB or its profile cannot be read."""
    try:
        name = _name(profile)
        if _SRGB.search(name):
            return picture
        converted = _converted(picture, profile)
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append("its ICC profile cannot be read: taken for sRGB")
        return picture
    notes.append(f"{name} turned into sRGB")
    return converted


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    made = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if made is None:
        raise ImageCms.PyCMSError("nothing was converted")
    return made


def _name(profile: bytes) -> str:
    said = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    return "".join(letter for letter in said if letter.isprintable())[:60] or "its own profile"


def _printed_um(picture: Image.Image) -> tuple[int, int]:
    """How large the file's resolution makes it, in micrometres; zeros where it says nothing."""
    dpi = picture.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return 0, 0
    try:
        across, down = (Fraction(float(value)).limit_denominator(10_000) for value in dpi)
    except (ValueError, OverflowError):
        return 0, 0
    # 1 is what writers leave who know of no resolution.
    if not all(1 < value <= _DPI_MAX for value in (across, down)):
        return 0, 0
    width_px, height_px = picture.size
    return round(width_px * _UM_PER_INCH / across), round(height_px * _UM_PER_INCH / down)
