"""`python -m training`: render a contact sheet, train the built-in model, export it."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path

import torch

from training import adapter_commands, superres_commands, wishes
from training.model import TILE_PX
from training.motifs import SCALES
from training.ranges import RANGES
from training.sheet import save_sheet, swatch_sheet

DEFAULT_RUN = Path("training/runs/swatch")
DEFAULT_TARGET = Path("inference/builtin/swatch")


def parser() -> argparse.ArgumentParser:
    """The command line; every long option has a default that trains the shipped model."""
    top = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("render", help="draw a contact sheet of labelled swatches")
    sheet.add_argument("--out", type=Path, default=Path("swatches.png"))
    sheet.add_argument("--seed", type=int, default=1)
    sheet.add_argument("--range", choices=tuple(RANGES), default="first", dest="of")
    sheet.add_argument("--scale", choices=SCALES, nargs="+", default=SCALES, dest="scales")
    for name, text in (
        ("train", "train all stages, going on from the last checkpoint"),
        ("shards", "only train the autoencoder and write shards of latents"),
        ("polish", "only train the decoder further; may run beside weave"),
        ("weave", "only train the UNet and the text encoder on the shards at hand"),
        ("export", "write the averaged model as a diffusers folder"),
    ):
        _run_options(commands.add_parser(name, help=text))
    commands.add_parser("probe", help="train the probe that evaluation looks with")
    adapter_commands.add(commands)
    measure = commands.add_parser("evaluate", help="measure a model, on held-out prompts")
    measure.add_argument("--model", type=Path, default=DEFAULT_TARGET)
    measure.add_argument("--json", type=Path, default=Path("evaluation.json"))
    measure.add_argument("--grid", type=Path, help="also draw the grid of prompts, as PNG")
    measure.add_argument("--held-out", type=int, default=96, help="captions, at most 960")
    measure.add_argument("--steps", type=int, help="default: as the model's card advises")
    measure.add_argument("--guidance", type=float, help="default: as the model's card advises")
    superres_commands.add(commands)
    return top


def _run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--run", type=Path, default=DEFAULT_RUN)
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    command.add_argument("--threads", type=int, default=0, help="0: torch decides")
    command.add_argument("--shards", type=int, default=12)
    command.add_argument("--batch", type=int, default=16, help="whole tiles")
    command.add_argument("--steps", type=int, default=6000)
    command.add_argument("--minutes", type=float, default=60.0, help="of diffusion, at most")
    command.add_argument("--rate", type=float, default=1e-3, help="of learning, at its peak")
    command.add_argument("--compiled", action="store_true", help="fuse the UNet; needs g++")
    command.add_argument("--autoencoder-minutes", type=float, default=15.0)
    command.add_argument("--target", type=Path, default=DEFAULT_TARGET)
    command.add_argument("--base", type=Path, help="take autoencoder and text encoder from there")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; answers the process's exit code."""
    given = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if torch.distributed.is_torchelastic_launched():
        # Two processes of one thread each do not wait for each other at every layer, as threads do.
        torch.distributed.init_process_group("gloo")
    if given.command in superres_commands.NAMES:
        return superres_commands.run(given)
    if given.command == "render":
        tiles, labels = swatch_sheet(given.seed, TILE_PX, RANGES[given.of], tuple(given.scales))
        columns = 8 if len(given.scales) > 1 else 9
        save_sheet(tiles, given.out, columns=columns, labels=labels)
        return 0
    if given.command in adapter_commands.NAMES:
        return adapter_commands.run(given)
    if given.command == "probe":
        return _probe()
    if given.command == "evaluate":
        return _evaluate(given)
    return _course(given)


def _course(given: argparse.Namespace) -> int:
    """One of the stages of training, or all of them."""
    # The heavy imports wait until they are needed.
    from training import course as stages  # noqa: PLC0415
    from training.export import Card  # noqa: PLC0415

    if given.threads:
        torch.set_num_threads(given.threads)
    device = given.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    plain = stages.Course(folder=given.run, device=device, shards=given.shards)
    course = replace(
        plain,
        autoencode=replace(plain.autoencode, wall_s_max=given.autoencoder_minutes * 60),
        diffuse=replace(
            plain.diffuse,
            batch=given.batch,
            rate=given.rate,
            steps=given.steps,
            wall_s_max=given.minutes * 60,
            compiled=given.compiled,
        ),
    )
    if given.base:
        stages.begin_from(course, given.base)
    actions = {
        "train": lambda: stages.train(course),
        "shards": lambda: stages.fill(course),
        "polish": lambda: stages.polish(course),
        "weave": lambda: stages.weave(course),
        "export": lambda: stages.ship(course, given.target, Card()),
    }
    logging.getLogger(__name__).info("%s: %s", given.command, actions[given.command]())
    return 0


def _probe() -> int:
    from training import probe  # noqa: PLC0415

    logging.getLogger(__name__).info("probe: %s", probe.train(probe.Plan()))
    return 0


def _evaluate(given: argparse.Namespace) -> int:
    from training import evaluate, probe  # noqa: PLC0415
    from training.draw import Drawer, advised  # noqa: PLC0415

    steps, guidance = advised(given.model)
    plan = evaluate.Plan(
        held_out=min(max(given.held_out, 1), 960),
        steps=given.steps or steps,
        guidance=guidance if given.guidance is None else given.guidance,
    )
    report = evaluate.evaluate(Drawer.load(given.model), probe.load(), plan)
    given.json.write_text(json.dumps(report.figures, indent=2) + "\n", encoding="utf-8")
    if given.grid:
        save_sheet(report.grid, given.grid, columns=wishes.GRID_COLUMNS, cell_px=160)
    logging.getLogger(__name__).info("%s", report.figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
