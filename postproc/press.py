"""CMYK for a press: conversion by ICC profile, and how much ink that lays down.

The profile is the mill's own where one is given; else libvips' generic one, good for judging and
not for a contract. Total ink is reported: the limit belongs to printer, ink and cloth.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyvips

from postproc.colour import Bytes
from postproc.figures import Figure, reported
from postproc.files import PrintSize, vips_image, with_exact_resolution
from schemas.errors import Unusable

GENERIC_PROFILE: Final = "cmyk"
_BINS: Final = 4 * 255 + 1


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
