"""A larger tile that still repeats: enlarge it with its own cloth around it, then cut.

Two ways: Lanczos, plain and exact at any size; and a super-resolution network from an ONNX file,
run on the CPU by ONNX Runtime, which is only imported when a network is asked for. A picture
enlarged without its neighbours fails the seam gate; nothing here offers that.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from postproc.colour import Bytes
from postproc.lattice import Lattice, wrap_pad
from schemas.errors import MissingPart, Rejected, Unusable

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT_PIXELS_MAX: Final = 1 << 28
THREADS_MAX: Final = 16
_LANCZOS_LOBES: Final = 3


def lanczos(tile: Bytes, lattice: Lattice, *, width_px: int, height_px: int) -> Bytes:
    """The 8-bit RGB tile [H, W, 3] at exactly `height_px` x `width_px`, larger or smaller."""
    _check_output(width_px, height_px)
    lattice.check_sides(width_px, height_px)
    rows, columns = tile.shape[:2]
    shrink = max(columns / width_px, rows / height_px, 1.0)
    margin_px = math.ceil(_LANCZOS_LOBES * shrink) + 1
    padded = wrap_pad(tile, lattice, margin_px=margin_px)
    # Pillow's filter reads past the box into the pad; only the box is drawn.
    box = (margin_px, margin_px, margin_px + columns, margin_px + rows)
    picture = Image.fromarray(padded)
    return np.asarray(picture.resize((width_px, height_px), Image.Resampling.LANCZOS, box=box))


def by_network(
    tile: Bytes, lattice: Lattice, *, network: Path, margin_px: int, threads: int = 1
) -> Bytes:
    """The tile enlarged by an ONNX network on the tile padded by `margin_px` of its own cloth.

    The network takes float32 [1, 3, h, w] in 0..1 and returns [1, 3, s*h, s*w] for a whole s. The
    margin must reach as far as the network looks (its receptive field), else the seam gate fails.
    Raises Unusable when the file is no such network, MissingPart without ONNX Runtime.
    """
    session = _session(str(network), min(max(threads, 1), THREADS_MAX))
    padded = wrap_pad(tile, lattice, margin_px=margin_px)
    planes = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], dtype=np.float32) / 255
    (enlarged,) = session.run(None, {session.get_inputs()[0].name: planes})
    scale = _whole_scale(enlarged.shape, padded.shape)
    _check_output(tile.shape[1] * scale, tile.shape[0] * scale)
    cut = margin_px * scale
    inner = enlarged[0, :, cut : enlarged.shape[2] - cut, cut : enlarged.shape[3] - cut]
    picture: Bytes = np.rint(np.clip(inner, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0).copy()
    return picture


@lru_cache(maxsize=4)
def _session(path: str, threads: int) -> Any:
    """An ONNX Runtime session that keeps to `threads` and the CPU."""
    try:
        import onnxruntime  # noqa: PLC0415
    except ImportError as error:
        raise MissingPart(
            "upscaling by a network needs ONNX Runtime: pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has no base error
        raise Unusable(f"{path} is not a network that ONNX Runtime can open: {error}") from error


def _whole_scale(enlarged: tuple[int, ...], padded: tuple[int, ...]) -> int:
    scale = enlarged[2] // padded[0] if len(enlarged) == 4 else 0
    if scale < 1 or enlarged != (1, 3, padded[0] * scale, padded[1] * scale):
        raise Unusable(f"the upscaling network returned {enlarged} for {padded[:2]} px")
    return scale


def _check_output(width_px: int, height_px: int) -> None:
    if min(width_px, height_px) < 1 or width_px * height_px > OUTPUT_PIXELS_MAX:
        raise Rejected(
            f"a picture of {width_px} x {height_px} px cannot be made",
            field="output_px",
            limit=f"1 to {OUTPUT_PIXELS_MAX} px in all",
        )
