"""A larger tile that still repeats: enlarge it with its own cloth around it, then cut.

Two ways: Lanczos, plain and exact at any size; and a super-resolution network from an ONNX file,
ours or another, run on the CPU by ONNX Runtime, which is only imported when a network is asked for.
A picture enlarged without its neighbours fails the seam gate; nothing here offers that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from postproc.colour import Bytes
from postproc.lattice import Lattice, window, wrap_pad
from schemas.errors import MissingPart, Rejected, Unusable

SHIPPED: Final = Path(__file__).parent / "networks" / "tile-x4.onnx"
"""Our own network, four times, trained on rendered tiles (`python -m training superres`)."""
BLOCK_PX: Final = 128
"""Side of what a network enlarges at a time: bounds its memory whatever the tile."""
REACH_PX_MAX: Final = 1024
_TRIAL_PX: Final = 16
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
    tile: Bytes, lattice: Lattice, *, network: Path = SHIPPED, margin_px: int, threads: int = 1
) -> Bytes:
    """The tile enlarged by an ONNX network, block by block, each with its own cloth around it.

    The network takes float32 [1, 3, h, w] in 0..1 and returns [1, 3, s*h, s*w] for a whole s. Its
    file may say how far it looks (`reach_px`); then blocks are padded by exactly that and the
    answer is what wrapped convolutions give. Else by `margin_px`, which must reach as far, or the
    seam gate fails. Memory is that of one block and the answer.
    Raises Unusable when the file is no such network, MissingPart without ONNX Runtime.
    """
    net = _network(str(network), min(max(threads, 1), THREADS_MAX))
    rows, columns = tile.shape[:2]
    margin = net.reach_px or margin_px
    lattice.check_sides(columns, rows)
    _check_output(columns * net.scale, rows * net.scale)
    picture = np.empty((rows * net.scale, columns * net.scale, 3), dtype=np.uint8)
    for top in range(0, rows, BLOCK_PX):
        for left in range(0, columns, BLOCK_PX):
            height, width = min(BLOCK_PX, rows - top), min(BLOCK_PX, columns - left)
            block = window(
                tile,
                lattice,
                left=left - margin,
                top=top - margin,
                width=width + 2 * margin,
                height=height + 2 * margin,
            )
            inner = net.enlarge(block, margin)
            corner = (top * net.scale, left * net.scale)
            picture[corner[0] : corner[0] + inner.shape[0], corner[1] :][:, : inner.shape[1]] = (
                inner
            )
    return picture


def check_network(network: Path) -> int:
    """How many times larger a network makes a picture; raises Unusable where it is none."""
    return _network(str(network), 1).scale


@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    """An open session and what was found out about it."""

    path: str
    session: Any
    scale: int
    reach_px: int
    """How far it looks; 0 where the file does not say."""

    def enlarge(self, block: Bytes, margin_px: int) -> Bytes:
        """The block [h, w, 3] enlarged, less its margin."""
        enlarged = _run(self.session, self.path, block)
        _whole_scale(enlarged.shape, block.shape)
        cut = margin_px * self.scale
        inner = enlarged[0, :, cut : enlarged.shape[2] - cut, cut : enlarged.shape[3] - cut]
        levels: Bytes = np.rint(np.clip(inner, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        return levels


@lru_cache(maxsize=4)
def _network(path: str, threads: int) -> _Network:
    """The network of a file, tried on a small picture."""
    session = _session(path, threads)
    trial = np.full((_TRIAL_PX, _TRIAL_PX, 3), 128, dtype=np.uint8)
    enlarged = _run(session, path, trial)
    told = session.get_modelmeta().custom_metadata_map.get("reach_px", "")
    reach_px = int(told) if told.isdecimal() and int(told) <= REACH_PX_MAX else 0
    scale = _whole_scale(enlarged.shape, trial.shape)
    return _Network(path=path, session=session, scale=scale, reach_px=reach_px)


def _run(session: Any, path: str, block: Bytes) -> Any:
    """What the network makes of an 8-bit picture [h, w, 3], float32 [1, 3, H, W]."""
    planes = np.ascontiguousarray(block.transpose(2, 0, 1)[None], dtype=np.float32) / 255
    try:
        return session.run(None, {session.get_inputs()[0].name: planes})[0]
    except Exception as error:  # the runtime has no base error
        raise Unusable(f"{path} cannot enlarge {block.shape[:2]} px: {error}") from error


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
