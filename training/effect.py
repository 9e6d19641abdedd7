"""What the example adapters do, measured: the style probe and the motif probe, with and without.

Every prompt is drawn with the same seed without an adapter and with each one, by plain diffusers'
own adapter loader. Refuses to flatter: the judge never saw a tile that a model drew, and its own
figures on held-out renders stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from training import evaluate, probe, style_probe, styles, wishes
from training.draw import Drawer, advised

STEP: Final = 3
"""The grid has three sizes of every motif."""


@dataclass(slots=True, kw_only=True)
class Effect:
    """Figures ready for JSON, and the tiles (columns x 8, 3, H, W) for looking at."""

    figures: dict[str, object] = field(default_factory=dict)
    sheet: Tensor = field(default_factory=lambda: torch.empty(0))


def measure(model: Path, folder: Path, *, prompts: int = 48) -> Effect:
    """Draw the grid's first `prompts` of all motifs with every adapter that lies in the folder."""
    asked = spread(prompts)
    steps, guidance = advised(model)
    plan = evaluate.Plan(steps=steps, guidance=guidance)
    judge, eye = style_probe.load(), probe.load()
    drawer = Drawer.load(model)
    tiles = {"plain": evaluate.draw(drawer, asked, plan)}
    for name in styles.STYLES:
        path = folder / f"{name}.safetensors"
        if path.is_file():
            tiles[name] = worn(drawer, path, asked, plan)
    named = {name: judge_all(judge, made) for name, made in tiles.items()}
    graded = {
        name: evaluate.figures(
            [evaluate.grade(*pair, eye) for pair in zip(asked, made, strict=True)]
        )
        for name, made in tiles.items()
    }
    adapters = {
        name: {
            "style_without": share(named["plain"], name),
            "style_with": share(named[name], name),
            "motif_without": graded["plain"]["motif_accuracy"],
            "motif_with": graded[name]["motif_accuracy"],
            "seam_pass_with": graded[name]["seam_pass"],
            "size_bytes": (folder / f"{name}.safetensors").stat().st_size,
        }
        for name in tiles
        if name != "plain"
    }
    figures: dict[str, object] = {
        "prompts": len(asked),
        "steps": plan.steps,
        "guidance": plan.guidance,
        "plain_without": share(named["plain"], "plain"),
        "adapters": adapters,
        "style_probe_on_held_out_renders": style_probe.held_out(judge, style_probe.Plan()),
    }
    return Effect(figures=figures, sheet=_sheet(tiles))


def spread(count: int) -> tuple[wishes.Wish, ...]:
    """Prompts of the grid: all small ones, then medium, then large; at most `count`."""
    grid = wishes.grid()
    ordered = [wish for start in (1, 0, 2) for wish in grid[start::STEP]]
    return tuple(ordered[: max(1, count)])


def worn(
    drawer: Drawer, adapter: Path, asked: tuple[wishes.Wish, ...], plan: evaluate.Plan
) -> Tensor:
    """Tiles of the wishes with the adapter on; the model is as before afterwards."""
    pipe = drawer.pipe
    pipe.load_lora_weights(
        adapter.parent, weight_name=adapter.name, use_safetensors=True, local_files_only=True
    )
    drawer.wrap.cover()
    try:
        return evaluate.draw(drawer, asked, plan)
    finally:
        pipe.unload_lora_weights()
        drawer.wrap.cover()


def judge_all(judge: style_probe.StyleProbe, tiles: Tensor) -> list[str]:
    """The style of every tile."""
    return [name for part in tiles.split(16) for name in judge.look(part)]


def share(named: list[str], style: str) -> float:
    """The part of tiles that is named so, 0..1."""
    return sum(one == style for one in named) / len(named)


def _sheet(tiles: Mapping[str, Tensor], columns: int = 8) -> Tensor:
    """One row without an adapter and one for each, the same prompts above each other."""
    return torch.cat([made[:columns] for made in tiles.values()])
