"""The enlarging network's three commands: train it, compare it, bring another one.

Only their options are here; torch, onnx and spandrel are imported when one of them runs.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)

RUN = Path("training/runs/superres")
TARGET = Path("postproc/networks/tile-x4.onnx")
MODEL = Path("inference/builtin/swatch")
NAMES = ("superres", "superres-compare", "convert")


def add(commands: Any) -> None:
    """The three commands and their options; the defaults train the shipped network."""
    train = commands.add_parser("superres", help="train the network that enlarges tiles")
    train.add_argument("--run", type=Path, default=RUN, help="pool and checkpoints")
    train.add_argument("--model", type=Path, default=MODEL, help="whose autoencoder paints")
    train.add_argument("--target", type=Path, default=TARGET)
    train.add_argument("--threads", type=int, default=0, help="0: torch decides")
    train.add_argument("--tiles", type=int, default=384)
    train.add_argument("--steps", type=int, default=12_000)
    train.add_argument("--minutes", type=float, default=20.0, help="of pixels, in this sitting")
    train.add_argument("--sharp-steps", type=int, default=2000)
    train.add_argument("--sharp-minutes", type=float, default=5.0, help="with the critic")
    compare = commands.add_parser("superres-compare", help="measure it beside wrapped Lanczos")
    compare.add_argument("--network", type=Path, default=TARGET)
    compare.add_argument("--model", type=Path, default=MODEL)
    compare.add_argument("--tiles", type=int, default=24, help="held-out tiles of each kind")
    compare.add_argument("--photographs", type=Path, help="a folder; else scikit-image's textures")
    compare.add_argument("--json", type=Path, default=Path("superres.json"))
    compare.add_argument("--picture", type=Path, help="also draw both beside the truth, as PNG")
    convert = commands.add_parser("convert", help="a Real-ESRGAN-family file for the table")
    convert.add_argument("weights", type=Path, help="safetensors")
    convert.add_argument("target", type=Path, help="the ONNX file to write")


def run(given: argparse.Namespace) -> int:
    """Run one of NAMES; answers the process's exit code."""
    return {"superres": _train, "superres-compare": _compare, "convert": _convert}[given.command](
        given
    )


def _train(given: argparse.Namespace) -> int:
    import torch  # noqa: PLC0415

    from training import superres  # noqa: PLC0415

    if given.threads:
        torch.set_num_threads(given.threads)
    plan = superres.Plan(
        tiles=given.tiles,
        steps=given.steps,
        minutes=given.minutes,
        sharp_steps=given.sharp_steps,
        sharp_minutes=given.sharp_minutes,
    )
    size_bytes = superres.make(plan, given.run, given.model, given.target)
    LOG.info("%s: %d bytes", given.target, size_bytes)
    return 0


def _compare(given: argparse.Namespace) -> int:
    from training import superres_compare  # noqa: PLC0415

    figures = superres_compare.compare(
        given.network,
        given.model,
        tiles=min(max(given.tiles, 1), superres_compare.TILES_MAX),
        photographs=given.photographs,
        picture=given.picture,
    )
    given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    LOG.info("%s", json.dumps(figures, indent=2))
    return 0


def _convert(given: argparse.Namespace) -> int:
    from training import superres_convert  # noqa: PLC0415

    LOG.info("%s", superres_convert.convert(given.weights, given.target))
    return 0
