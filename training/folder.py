"""A folder of tiles in a customer's own look, as material for an adapter.

Pictures lie flat in it, PNG or TIFF. `tiles.jsonl` may say what they show, one line each:

    {"file": "rose.png", "prompt": "pink roses", "lattice": "half-drop", "repeats": [4, 4]}

Of a picture without a line, the file's name is the prompt (`pink-roses-on-sage.png`) and the
lattice is straight. `repeats` is how many motifs stand across and down the tile, each in a column
or row of its own; where it is not said, pixels that are alike tell. Refuses everything that would
spoil an adapter without a word: too few tiles, sides that differ, lines that name no picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor

from postproc.decode import decode_picture
from postproc.lattice import parse_lattice
from postproc.upscale import lanczos
from schemas.errors import EXIT_USAGE, Rejected, Unusable
from training import repeats
from training.lattice import Lattice
from training.model import LATENT_STRIDE, TILE_PX

TILES_MIN: Final = 10
TILES_MAX: Final = 40
LINES_NAME: Final = "tiles.jsonl"
SUFFIXES: Final = (".png", ".tif", ".tiff")
PROMPT_CHARACTERS_MAX: Final = 2_000
_SIDE: Final = TILE_PX // LATENT_STRIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One tile to learn from: pixels (3, TILE_PX, TILE_PX) in 0..1."""

    prompt: str
    lattice: Lattice
    pixels: Tensor
    repeats: tuple[int, int]


def read_folder(folder: Path) -> list[Sample]:
    """Every picture, by name, reduced or enlarged to TILE_PX with its wrap.

    Raises Unusable naming the folder, file or line at fault and the limit.
    """
    if not folder.is_dir():
        raise _wrong(f"{folder} is no folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not TILES_MIN <= len(paths) <= TILES_MAX:
        raise _wrong(
            f"{folder} holds {len(paths)} pictures ({', '.join(SUFFIXES)}): an adapter takes"
            f" {TILES_MIN} to {TILES_MAX}"
        )
    told = _lines(folder / LINES_NAME, {path.name for path in paths})
    return [_sample(path, told.get(path.name, {})) for path in paths]


def write_folder(folder: Path, tiles: Tensor, facts: Sequence[Mapping[str, Any]]) -> None:
    """Tiles (N, 3, H, W) in 0..1 with what their lines say as a folder that `read_folder` takes.

    Pictures that an earlier call left there are removed first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.png"):
        path.unlink()
    lines = []
    for place, (tile, told) in enumerate(zip(tiles, facts, strict=True)):
        name = f"tile-{place:02d}.png"
        pixels = (tile.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / name)
        lines.append(json.dumps({"file": name, **told}))
    (folder / LINES_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(path: Path, names: set[str]) -> dict[str, Mapping[str, Any]]:
    """What the lines say, by file name; empty where there is no such file."""
    return dict(_each_line(path, names)) if path.is_file() else {}


def _each_line(path: Path, names: set[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
        except ValueError as error:
            raise _wrong(f"{path} line {number} is no JSON") from error
        if not isinstance(told, dict) or told.get("file") not in names:
            raise _wrong(f'{path} line {number}: "file" names no picture of the folder')
        yield told["file"], told


def _sample(path: Path, told: Mapping[str, Any]) -> Sample:
    prompt = told.get("prompt", path.stem.replace("-", " ").replace("_", " "))
    if not isinstance(prompt, str) or len(prompt) > PROMPT_CHARACTERS_MAX:
        raise _wrong(f"{path.name}: a prompt is text of at most {PROMPT_CHARACTERS_MAX} characters")
    lattice = told.get("lattice", Lattice.STRAIGHT.value)
    if lattice not in list(Lattice):
        raise _wrong(f"{path.name}: lattice {lattice!r} is none of {', '.join(Lattice)}")
    pixels = _pixels(path, lattice)
    if "repeats" in told:
        shown = _repeats(path, told["repeats"], Lattice(lattice))
    else:
        shown = repeats.count(pixels, Lattice(lattice), _SIDE)
    return Sample(prompt=prompt, lattice=Lattice(lattice), pixels=pixels, repeats=shown)


def _repeats(path: Path, said: Any, lattice: Lattice) -> tuple[int, int]:
    most = repeats.REPEATS_MAX
    whole = isinstance(said, list) and all(type(one) is int and 1 <= one <= most for one in said)
    if not whole or len(said) != len(("across", "down")):
        raise _wrong(f"{path.name}: repeats are two whole numbers, across and down, of 1 to {most}")
    across, down = said
    if not repeats.fits(across, down, lattice, _SIDE):
        raise _wrong(
            f"{path.name}: repeats {across} x {down} do not fit {lattice}, whose wrap moves by half"
            " a tile"
        )
    return across, down


def _pixels(path: Path, lattice: str) -> Tensor:
    try:
        picture = decode_picture(path.read_bytes(), field=path.name)
        if picture.shape[0] != picture.shape[1]:
            raise _wrong(f"{path.name} is {picture.shape[1]} x {picture.shape[0]} px: not square")
        fitted = lanczos(picture, parse_lattice(lattice), width_px=TILE_PX, height_px=TILE_PX)
    except Rejected as error:
        raise _wrong(f"{path.name}: {error}") from error
    return torch.from_numpy(fitted.copy()).permute(2, 0, 1).float() / 255


def _wrong(message: str) -> Unusable:
    return Unusable(message, exit_code=EXIT_USAGE)
