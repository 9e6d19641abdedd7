"""What a tile costs the loom alone and in company: rows 1, 2, 4, 8 per forward.

    python bench/loom.py [--model swatch] [--models FOLDER] [--device cpu] [--threads 1]

Prints a JSON line per row count: seconds per tile of a whole run (words, steps, decoding), CPU
seconds (which a busy machine disturbs less), and of each part, the median of some runs, and how
much cheaper a tile is than alone. Needs a model; measures nothing about pictures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from inference.build import BUILT_IN_FOLDER, LoomSettings, build_engine
from inference.engine import LATTICES, Engine, Row, Tile
from inference.whole import run

ROW_COUNTS = (1, 2, 4, 8)


def main() -> None:
    """Measure and print."""
    options = _options()
    engine = build_engine(
        "diffusion",
        LoomSettings(
            models_folders=(options.models,),
            default_model=options.model,
            device=options.device,
            dtype=options.dtype,
            threads=options.threads,
            rows_max=max(ROW_COUNTS),
        ),
    )
    began = time.perf_counter()
    engine.warm()
    print(
        json.dumps(
            {"warm_seconds": round(time.perf_counter() - began, 2), **vars(options)}, default=str
        )
    )
    alone: float | None = None
    for count in ROW_COUNTS:
        figures = [_measure(engine, options, count) for _ in range(options.runs)]
        whole = statistics.median(one["seconds"] for one in figures) / count
        alone = alone or whole
        print(
            json.dumps(
                {
                    "rows": count,
                    "seconds_per_tile": round(whole, 4),
                    "times_cheaper_than_alone": round(alone / whole, 2),
                    **{
                        f"{kind}_seconds_per_tile": round(
                            statistics.median(one[kind] for one in figures) / count, 4
                        )
                        for kind in ("cpu", "encode", "denoise", "decode")
                    },
                }
            )
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=BUILT_IN_FOLDER)
    parser.add_argument("--model", default="swatch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--side-px", type=int, default=0)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--lattice", default="straight", help="or 'mixed'")
    return parser.parse_args()


def _measure(engine: Engine, options: argparse.Namespace, count: int) -> dict[str, Any]:
    card = next(card for card in engine.models() if options.model in (card.name, card.family))
    side_px = options.side_px or card.tile_px
    rows = [
        Row(
            pattern_id=f"bench.{at}",
            attempt=1,
            prompt="navy dots on cream",
            seed=at,
            lattice=LATTICES[at % 3] if options.lattice == "mixed" else options.lattice,
            width_px=side_px,
            height_px=side_px,
            steps=options.steps,
            model=card.name,
        )
        for at in range(count)
    ]
    began, cpu_began = time.perf_counter(), time.process_time()
    batch = run(engine, rows)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    assert all(isinstance(end, Tile) for end in batch.ends), batch.ends
    spent = {"seconds": seconds, "cpu": cpu_seconds}
    for kind in ("encode", "denoise", "decode"):
        spent[kind] = sum(one.duration_us for one in batch.forwards if one.kind == kind) / 1e6
    return spent


if __name__ == "__main__":
    main()
