"""The commands of adapters: make one from a folder, make the three examples, measure them."""

from __future__ import annotations

import argparse
import json
import logging
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch

from schemas.errors import HeddleError, Unusable
from training import styles
from training.sheet import save_sheet

LOG = logging.getLogger(__name__)

NAMES: Final = ("adapt", "styles", "style-probe")
BUILT_IN: Final = Path("inference/builtin")
HOUSE_TILES: Final = 32
HOUSE_SEED: Final = 6_000_000
"""Where the house tiles' renders begin; shards and probes use other seeds."""


def add(commands: Any) -> None:
    """Register the commands on the subparsers of `python -m training`."""
    one = commands.add_parser("adapt", help="train a LoRA from a folder of 10 to 40 tiles")
    one.add_argument("--tiles", type=Path, required=True, help="PNG or TIFF, and tiles.jsonl")
    one.add_argument("--out", type=Path, required=True, help="NAME.safetensors")
    three = commands.add_parser("styles", help="make the example adapters, and measure them")
    three.add_argument("--only", choices=tuple(styles.STYLES), nargs="+")
    three.add_argument("--folder", type=Path, default=BUILT_IN / "adapters")
    three.add_argument("--tiles", type=Path, default=Path("training/runs/styles"))
    three.add_argument("--measure-only", action="store_true", help="of what lies in the folder")
    three.add_argument("--prompts", type=int, default=48, help="to measure with, at most 48")
    three.add_argument("--json", type=Path, default=Path("adapters.json"))
    three.add_argument("--sheet", type=Path, help="also draw a sheet of tiles, as PNG")
    for command in (one, three):
        command.add_argument("--model", type=Path, default=BUILT_IN / "swatch")
        command.add_argument("--minutes", type=float, default=12.0, help="per adapter, at most")
        command.add_argument("--steps", type=int, default=400)
        command.add_argument("--rank", type=int, default=0, help="0: what fits into 2 MB")
        command.add_argument("--threads", type=int, default=0, help="0: torch decides")
    probe = commands.add_parser("style-probe", help="train the probe that judges adapters")
    probe.add_argument("--threads", type=int, default=0, help="0: torch decides")


def run(given: argparse.Namespace) -> int:
    """Do one of NAMES; answers the process's exit code."""
    if getattr(given, "threads", 0):
        torch.set_num_threads(given.threads)
    try:
        if given.command == "adapt":
            LOG.info("%s", make(given, given.tiles, given.out))
        elif given.command == "styles":
            _styles(given)
        else:
            _style_probe()
    except HeddleError as error:
        LOG.error("%s", error)
        return error.exit_code if isinstance(error, Unusable) else 1
    return 0


def make(given: argparse.Namespace, tiles: Path, target: Path) -> dict[str, Any]:
    """One adapter from a folder; what was made, for a person."""
    from training import adapt  # noqa: PLC0415
    from training.folder import read_folder  # noqa: PLC0415

    plan = adapt.Plan(
        steps=given.steps,
        rank=given.rank,
        wall_s_max=given.minutes * 60,
    )
    made = adapt.adapt(given.model, read_folder(tiles), target, plan)
    return {**asdict(made), "path": str(made.path)}


def house(style: str, folder: Path, count: int = HOUSE_TILES) -> None:
    """Render a house's tiles: `count` swatches in its style, with captions, as a customer's folder.

    The captions do not name the style: the adapter is what says it.
    """
    from training import captions, style_probe, waves  # noqa: PLC0415
    from training.folder import write_folder  # noqa: PLC0415

    seed = HOUSE_SEED + list(styles.STYLES).index(style)
    generator = torch.Generator().manual_seed(seed)
    dice = random.Random(seed)  # noqa: S311  (words, not secrets)
    swatches = [style_probe.visible_swatch(generator, place) for place in range(count)]
    facts = [
        {
            "prompt": captions.caption(swatch, dice),
            "lattice": swatch.lattice.value,
            "repeats": waves.periods(swatch.motif, swatch.scale),
        }
        for swatch in swatches
    ]
    write_folder(folder, styles.draw(style, swatches), facts)


def _styles(given: argparse.Namespace) -> None:
    from training import effect  # noqa: PLC0415

    made = {}
    if not given.measure_only:
        for style in given.only or styles.STYLES:
            house(style, given.tiles / style)
            made[style] = make(given, given.tiles / style, given.folder / f"{style}.safetensors")
            LOG.info("%s", made[style])
    found = effect.measure(given.model, given.folder, prompts=min(given.prompts, 48))
    figures = {**found.figures, "made": made}
    given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if given.sheet:
        save_sheet(found.sheet, given.sheet, columns=8)
    LOG.info("%s", figures)


def _style_probe() -> None:
    from training import style_probe  # noqa: PLC0415

    LOG.info("style probe: %s", style_probe.train(style_probe.Plan()))
