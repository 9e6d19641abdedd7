"""`python -m training superres-compare`: what the enlarging network is worth beside Lanczos.

Both enlarge four times what is known four times as large: swatches that no pool holds, and real
photographs of texture, mirrored so that they repeat. Three questions to each: how near it comes to
the truth, how sharp its edges are beside the truth's, whether it passes the seam gate. Refuses to
compare with an unwrapped Lanczos, which would lose at the border before it began.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from postproc.lattice import LATTICES, STRAIGHT, Lattice, wrap_pad
from postproc.palette import map_to_inks
from postproc.plates import enlarge, separate
from postproc.seams import seam_figures
from postproc.upscale import by_network, lanczos
from schemas.errors import Unusable
from training import superres_pool
from training.superres_pool import HELD_OUT_SEED, KINDS, SCALE, Painted

LOG = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]
Row = dict[str, float]
TILES_MAX = 256
PHOTOGRAPH_PX = 512
"""Side of what is taken of a photograph, less where it has less; mirrored it is twice as much."""
PHOTOGRAPHS_MAX = 64
TEXTURES = ("brick", "grass", "gravel")
"""What scikit-image's wheel ships: three photographs in grey, 512 px, public domain."""
EDGE_SHARE = 0.02
"""Of all pixels: the steepest of the truth, and what is within two pixels, count as its edges."""
COLOURS_MAX = 12
_MARGIN_PX = 32
_SHOWN_PX = 56
_GAP_PX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A small tile and what it should become."""

    name: str
    lattice: Lattice
    small: Bytes
    large: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one way made of a case, and the CPU seconds it took."""

    made: Bytes
    cpu_s: float


def compare(
    network: Path,
    model: Path,
    *,
    tiles: int,
    photographs: Path | None = None,
    picture: Path | None = None,
) -> dict[str, Any]:
    """Figures by kind of tile, then by photograph; `picture` is drawn of the first of each."""
    figures: dict[str, Any] = {"network_bytes": network.stat().st_size, "tiles": tiles}
    shown = []
    paint = Painted(model)
    for kind in KINDS:
        rows = []
        for case in _held_out(kind, paint, tiles):
            made = answers(case, network)
            rows.append(measure(case, made) | plates_wrong(case, made))
            if len(rows) == 1:
                shown.append(strip(case, made))
        figures[kind] = _means(rows)
        LOG.info("%s: %s", kind, figures[kind])
    figures["photographs"] = {}
    for case in photographed(photographs):
        made = answers(case, network)
        figures["photographs"][case.name] = _means([measure(case, made)])
        shown.append(strip(case, made))
    if picture is not None:
        Image.fromarray(np.concatenate(shown)).save(picture, optimize=True)
    return figures


def _held_out(kind: str, paint: Painted, tiles: int) -> Iterator[Case]:
    """Swatches of seeds past those of any pool."""
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + tiles):
        pair = superres_pool.pair(seed, paint, kind=kind)
        yield Case(
            name=pair.swatch.motif,
            lattice=LATTICES[pair.swatch.lattice.value],
            small=_levels(pair.small),
            large=_levels(pair.large),
        )


def photographed(folder: Path | None) -> list[Case]:
    """Cases of a folder's pictures, or of scikit-image's textures; none where neither is there."""
    if folder is not None:
        paths = sorted(path for path in folder.iterdir() if path.is_file())[:PHOTOGRAPHS_MAX]
        if not paths:
            raise Unusable(f"there is no photograph in {folder}")
        return [case_of(path.stem, np.asarray(Image.open(path).convert("RGB"))) for path in paths]
    try:
        from skimage import data  # noqa: PLC0415
    except ImportError:
        LOG.warning("no photographs: scikit-image is not installed, and --photographs not given")
        return []
    return [case_of(name, getattr(data, name)()) for name in TEXTURES]


def case_of(name: str, photograph: Bytes) -> Case:
    """The middle of a photograph, mirrored both ways so that it repeats straight."""
    colour = photograph if photograph.ndim == 3 else np.repeat(photograph[..., None], 3, axis=2)
    side = min(*colour.shape[:2], PHOTOGRAPH_PX) // SCALE * SCALE
    top, left = (colour.shape[0] - side) // 2, (colour.shape[1] - side) // 2
    piece = colour[top : top + side, left : left + side]
    wide = np.concatenate([piece, piece[:, ::-1]], axis=1)
    large = np.ascontiguousarray(np.concatenate([wide, wide[::-1]]))
    # Pillow's own reduction: the average of every 4 x 4 pixels.
    small = np.asarray(Image.fromarray(large).reduce(SCALE))
    return Case(name=name, lattice=STRAIGHT, small=small, large=large)


def answers(case: Case, network: Path) -> dict[str, Answer]:
    """The tile enlarged both ways, each with its own cloth around it."""
    height_px, width_px = case.large.shape[:2]
    began = time.process_time()
    plain = lanczos(case.small, case.lattice, width_px=width_px, height_px=height_px)
    between = time.process_time()
    networked = by_network(case.small, case.lattice, network=network, margin_px=_MARGIN_PX)
    return {
        "lanczos": Answer(made=plain, cpu_s=between - began),
        "network": Answer(made=networked, cpu_s=time.process_time() - between),
    }


def measure(case: Case, answered: Mapping[str, Answer]) -> Row:
    """Both ways beside the truth; `seam_pass` is 1 where the gate passed."""
    row: Row = {}
    for way, answer in answered.items():
        row[f"{way}_cpu_s"] = answer.cpu_s
        row[f"{way}_psnr_db"] = psnr_db(answer.made, case.large)
        row[f"{way}_edges"] = sharpness(answer.made, case.large, case.lattice)
        row[f"{way}_seam_pass"] = _passes(answer.made, case.lattice)
    row["truth_seam_pass"] = _passes(case.large, case.lattice)
    row["network_nearer"] = float(row["network_psnr_db"] > row["lanczos_psnr_db"])
    return row


def plates_wrong(case: Case, answered: Mapping[str, Answer]) -> Row:
    """Of all pixels, the share whose plate is another than the truth's: what recipes make of it."""
    separation = separate(case.small, case.lattice, colours_max=COLOURS_MAX)
    wanted = map_to_inks(case.large, separation.palette)
    row: Row = {}
    for way, answer in answered.items():
        plates = enlarge(separation, answer.made, case.lattice)
        row[f"{way}_plates_wrong"] = float((plates != wanted).mean())
    return row


def psnr_db(made: Bytes, truth: Bytes) -> float:
    """Peak signal to noise over all pixels and channels of 8-bit sRGB; 99 where nothing differs."""
    error = ((made.astype(np.float64) - truth) ** 2).mean()
    return float(10 * np.log10(255**2 / error)) if error > 1e-5 else 99.0


def sharpness(made: Bytes, truth: Bytes, lattice: Lattice) -> float:
    """How sharp edges are beside the truth's: 1 as sharp, 0.5 twice as broad, over 1 overdone.

    Squared slopes of lightness summed around the truth's steepest places, over the same of the
    truth. An edge of height h that takes w pixels gives h * h / w: broader edges give less, and an
    edge beside its place is not punished here, PSNR does that.
    """
    own, others = _slopes(truth, lattice), _slopes(made, lattice)
    steep = own >= max(np.quantile(own, 1 - EDGE_SHARE), 1.0)
    around = _grown(steep, lattice)
    return float(others[around].sum() / max(own[around].sum(), 1e-9))


def _slopes(picture: Bytes, lattice: Lattice) -> npt.NDArray[np.float64]:
    """[H, W]: squared differences of lightness to the right and downwards, across the wrap too."""
    light = wrap_pad(picture, lattice, margin_px=1).astype(np.float64) @ (0.299, 0.587, 0.114)
    across = light[1:-1, 2:] - light[1:-1, 1:-1]
    down = light[2:, 1:-1] - light[1:-1, 1:-1]
    slopes: npt.NDArray[np.float64] = across**2 + down**2
    return slopes


def _grown(mask: npt.NDArray[np.bool_], lattice: Lattice) -> npt.NDArray[np.bool_]:
    """Every pixel within two of the mask."""
    wide = wrap_pad(mask, lattice, margin_px=2)
    height, width = mask.shape
    out = np.zeros_like(mask)
    for down in range(5):
        for across in range(5):
            out |= wide[down : down + height, across : across + width]
    return out


def _passes(picture: Bytes, lattice: Lattice) -> float:
    return float(all(one.passed for one in seam_figures(picture, lattice, scale=SCALE)))


def _means(rows: Sequence[Row]) -> Row:
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}


def strip(case: Case, answered: Mapping[str, Answer]) -> Bytes:
    """The liveliest corner four times: the tile's own pixels, Lanczos, the network, the truth."""
    top, left = _liveliest(case)
    cells = [np.repeat(np.repeat(case.small, SCALE, axis=0), SCALE, axis=1)]
    cells += [answer.made for answer in answered.values()]
    cells.append(case.large)
    side = SCALE * _SHOWN_PX
    gap = np.full((side, _GAP_PX, 3), 255, dtype=np.uint8)
    shown: list[Bytes] = []
    for cell in cells:
        shown += [cell[SCALE * top :, SCALE * left :][:side, :side], gap]
    row = np.concatenate(shown[:-1], axis=1)
    return np.pad(row, ((0, _GAP_PX), (0, 0), (0, 0)), constant_values=255)


def _liveliest(case: Case) -> tuple[int, int]:
    """The corner of the window, in steps of half of it, with the most in it."""
    slopes = np.minimum(_slopes(case.small, case.lattice), 400)
    height, width = slopes.shape
    corners = [
        (top, left)
        for top in range(0, height - _SHOWN_PX + 1, _SHOWN_PX // 2)
        for left in range(0, width - _SHOWN_PX + 1, _SHOWN_PX // 2)
    ]
    return max(
        corners,
        key=lambda at: slopes[at[0] :, at[1] :][:_SHOWN_PX, :_SHOWN_PX].sum(),
        default=(0, 0),
    )


def _levels(picture: Tensor) -> Bytes:
    """(3, H, W) in 0..1 as 8-bit [H, W, 3]."""
    levels: Bytes = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(levels)
