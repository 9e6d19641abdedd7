"""Bytes that claim to be a picture become an 8-bit RGB array, or are refused by name and limit.

The header is judged before a pixel is decoded, so a small file that unfolds into gigabytes costs
nothing. Only the formats of the allow-list are tried, whatever the bytes say of themselves.
"""

from __future__ import annotations

import io
import warnings
from typing import Final

import numpy as np
from PIL import Image

from postproc.colour import Bytes
from schemas.errors import Rejected

FORMATS: Final = ("PNG", "TIFF")
INPUT_BYTES_MAX: Final = 256 << 20
PIXELS_MAX_DEFAULT: Final = 1 << 26
SIDE_PX_MIN_DEFAULT: Final = 8
_PLAIN: Final = {"RGB", "L", "P", "1"}
_DEEP: Final = {"I", "I;16", "I;16B", "I;16L"}
_TRANSPARENT: Final = {"RGBA", "LA", "PA", "La", "RGBa"}


def decode_picture(
    data: bytes,
    *,
    field: str = "tile",
    pixels_max: int = PIXELS_MAX_DEFAULT,
    side_px_min: int = SIDE_PX_MIN_DEFAULT,
    formats: tuple[str, ...] = FORMATS,
) -> Bytes:
    """The picture as uint8 [H, W, 3], sRGB as it stands; raises Rejected naming `field`.

    16-bit grey is reduced to 8. Alpha is dropped when it hides nothing. CMYK, Lab, float and
    several frames are refused: how they become RGB is for their maker to say.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of what it mends; what it cannot mend is an error below.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=formats) as picture:
                check_head(data, picture, field, pixels_max=pixels_max, side_px_min=side_px_min)
                return read_pixels(picture, field)
    except Image.DecompressionBombError as error:
        raise _refusal("is far too large", field, f"{pixels_max} px") from error
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError) as error:
        limit = "a whole " + " or ".join(formats)
        raise _refusal("cannot be read as a picture", field, limit) from error


def check_head(
    data: bytes,
    picture: Image.Image,
    field: str,
    *,
    pixels_max: int = PIXELS_MAX_DEFAULT,
    side_px_min: int = SIDE_PX_MIN_DEFAULT,
) -> None:
    """Refuse a file by what it claims, before a pixel is decoded."""
    if len(data) > INPUT_BYTES_MAX:
        raise _refusal(f"is {len(data)} bytes", field, f"{INPUT_BYTES_MAX} bytes")
    _check_size(picture.size, field, pixels_max, side_px_min)
    if getattr(picture, "n_frames", 1) != 1:
        raise _refusal("has several frames", field, "one frame")


def _check_size(size: tuple[int, int], field: str, pixels_max: int, side_px_min: int) -> None:
    width_px, height_px = size
    said = f"is {width_px} x {height_px} px"
    if width_px * height_px > pixels_max:
        raise _refusal(said, field, f"{pixels_max} px in all")
    if min(size) < side_px_min:
        raise _refusal(said, field, f"sides of at least {side_px_min} px")


def read_pixels(picture: Image.Image, field: str) -> Bytes:
    """The pixels of an opened picture as `decode_picture` gives them."""
    mode = picture.mode
    if mode in _DEEP:
        levels = np.asarray(picture).astype(np.int64)
        if levels.min() < 0 or levels.max() > 0xFFFF:
            raise _refusal("has levels outside 16 bits", field, "0 to 65535")
        grey = (levels >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if mode in _TRANSPARENT or "transparency" in picture.info:
        return _opaque(picture, field)
    if mode not in _PLAIN:
        raise _refusal(f"is in colour mode {mode}", field, "RGB, grey or palette")
    return np.array(picture.convert("RGB"))


def _opaque(picture: Image.Image, field: str) -> Bytes:
    rgba = np.asarray(picture.convert("RGBA"))
    if rgba[..., 3].min() < 255:
        raise _refusal("has transparent pixels", field, "opaque")
    return np.ascontiguousarray(rgba[..., :3])


def _refusal(said: str, field: str, limit: str) -> Rejected:
    return Rejected(f"the picture {said}", field=field, limit=limit)
