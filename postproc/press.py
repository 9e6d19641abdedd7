"""CMYK for a press: conversion by ICC profile, how much ink that lays down, and what it looks like.

The profile is the mill's own where one is given; else libvips' generic one, good for judging and
not for a contract. Total ink is reported: the limit belongs to printer, ink and cloth.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image

from postproc.colour import Bytes
from postproc.difference import ciede2000, cmc
from postproc.figures import Figure, of_part, reported
from postproc.files import PrintSize, vips_image, with_exact_resolution
from postproc.palette import Palette
from schemas.errors import Rejected, Unusable

GENERIC_PROFILE: Final = "cmyk"
_BINS: Final = 4 * 255 + 1
_ANY_SIZE: Final = PrintSize(width_px=1, height_px=1, width_um=1000, height_um=1000)


def write_cmyk_tiff(
    rgb: Bytes, size: PrintSize, profile: Path | None = None
) -> tuple[bytes, Bytes]:
    """A CMYK TIFF (LZW, profile embedded, relative colorimetric, size exact) and its inks.

    The inks are [H, W, 4], 255 for full. Raises Unusable when the profile cannot be used.
    """
    name = str(profile) if profile else GENERIC_PROFILE
    try:
        image = vips_image(rgb).icc_transform(
            name, input_profile="srgb", intent="relative", black_point_compensation=True
        )
        inks = np.asarray(image.numpy())
    except pyvips.Error as error:
        raise Unusable(f"{name} is not a CMYK profile that can be used: {error}") from error
    if inks.shape[-1] != 4:
        raise Unusable(f"{name} is a profile for {inks.shape[-1]} inks, not for CMYK")
    data: Any = image.copy(xres=1.0, yres=1.0).tiffsave_buffer(
        compression="lzw", predictor="horizontal", resunit="cm"
    )
    return with_exact_resolution(data, size), inks


def read_cmyk(data: bytes) -> Bytes:
    """The inks [H, W, 4] of a CMYK TIFF, read by another library than wrote it."""
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as picture:
        if picture.mode != "CMYK":
            raise Rejected(f"the TIFF is {picture.mode}", field="tiff", limit="CMYK")
        return np.asarray(picture)


def printed_lab(colours: Bytes, profile: Path | None = None) -> npt.NDArray[np.float64]:
    """L*a*b* (D50/2) that a press of this profile prints for 8-bit sRGB colours [n, 3].

    The colours go to 8-bit CMYK as `write_cmyk_tiff` sends them, and back by the profile.
    """
    _, inks = write_cmyk_tiff(colours[None], _ANY_SIZE, profile)
    name = str(profile) if profile else GENERIC_PROFILE
    width = inks.shape[1]
    image = pyvips.Image.new_from_memory(inks.tobytes(), width, 1, 4, "uchar")
    try:
        lab = image.copy(interpretation="cmyk").icc_import(
            input_profile=name, intent="relative", pcs="lab"
        )
        return np.asarray(lab.numpy(), dtype=np.float64).reshape(width, 3)
    except pyvips.Error as error:
        raise Unusable(f"{name} cannot be read backwards: {error}") from error


def check_profile(profile: Path) -> None:
    """Raise Unusable unless the profile turns a colour into CMYK and back."""
    printed_lab(np.array([[200, 40, 30]], dtype=np.uint8), profile)


def press_figures(palette: Palette, profile: Path | None = None) -> list[Figure]:
    """How far each ink's colour is from what the press makes of it; reported, per plate."""
    wanted = np.array([ink.lab_d50() for ink in palette.inks])
    printed = printed_lab(palette.rgb(), profile)
    figures = []
    for rank, ink in enumerate(palette.inks, start=1):
        first, second = wanted[rank - 1], printed[rank - 1]
        where = ink.plate(rank)
        off, tolerance = float(ciede2000(first, second)), float(cmc(first, second))
        figures.append(of_part(reported("press_delta_e_2000", off, where=where), where))
        figures.append(of_part(reported("press_delta_e_cmc", tolerance, where=where), where))
    return figures


def ink_total_figures(inks: Bytes) -> list[Figure]:
    """Total area coverage in percent of inks [H, W, 4]: the most, and the 99th percentile."""
    counts = np.zeros(_BINS, dtype=np.int64)
    for row in inks:
        totals = row.astype(np.int64).sum(axis=1)
        counts += np.bincount(totals, minlength=_BINS)
    reached = np.cumsum(counts)
    p99 = int(np.searchsorted(reached, 0.99 * reached[-1]))
    return [
        reported("tac_max", int(np.flatnonzero(counts)[-1]) * 100 / 255, unit="percent"),
        reported("tac_p99", p99 * 100 / 255, unit="percent"),
    ]
