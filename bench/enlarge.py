"""What enlarging four times costs: wrapped Lanczos and the network, a tile and a whole print.

    .venv/bin/python -m bench.enlarge [--threads N]

Rows are those of `bench.table`: wall and CPU time, peak memory while the row ran and how much of it
the row added. The large row goes from 1600 to 6400 px, block by block.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

from bench.table import LARGE_PX, TILE_PX, half_drop_tile, heading, measure
from postproc.lattice import HALF_DROP
from postproc.upscale import SHIPPED, THREADS_MAX, by_network, check_network, lanczos


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help=f"at most {THREADS_MAX}")
    threads = parser.parse_args().threads
    scale = check_network(SHIPPED)
    tile = half_drop_tile()
    for side_px, rounds in ((TILE_PX, 3), (LARGE_PX // scale, 1)):
        small = np.ascontiguousarray(np.tile(tile, (7, 7, 1))[:side_px, :side_px])
        side = scale * side_px
        heading(f"{side_px} to {side} px, {threads} thread" + "s" * (threads > 1))
        measure(
            "wrapped Lanczos",
            partial(lanczos, small, HALF_DROP, width_px=side, height_px=side),
            rounds=rounds,
        )
        measure(
            "the network",
            partial(by_network, small, HALF_DROP, margin_px=1, threads=threads),
            rounds=rounds,
        )


if __name__ == "__main__":
    main()
