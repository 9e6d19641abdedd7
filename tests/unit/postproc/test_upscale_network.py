"""The network that ships: small, wrapped, nearer than Lanczos, run without torch."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from postproc import upscale
from postproc.finish import Order, finish, repeat_of
from postproc.lattice import LATTICES, STRAIGHT, Lattice
from postproc.recipe import parse_recipe
from postproc.remake import means
from postproc.seams import seam_figures
from postproc.upscale import SHIPPED, by_network, check_network, lanczos
from schemas.errors import Rejected

BYTES_MAX = 3_000_000
EACH_LATTICE = pytest.mark.parametrize(
    "lattice", LATTICES.values(), ids=lambda lattice: lattice.name
)
RECIPE = """
name = "networked"
version = 1
[[step]]
do = "enlarge"
by = "network"
dpi = 254
scale_max = 3
[[step]]
do = "write"
file = "png"
from = "painted"
role = "image"
"""


def enlarged(tile: Any, lattice: Lattice) -> Any:
    """By the shipped network; it says itself how far it looks."""
    return by_network(tile, lattice, margin_px=1)


def test_the_file_is_small_and_says_how_far_it_looks() -> None:
    """At most three megabytes of plain ONNX, four times, standard operators alone."""
    assert SHIPPED.stat().st_size <= BYTES_MAX
    model = onnx.load(SHIPPED)
    onnx.checker.check_model(model, full_check=True)
    assert {one.domain for one in model.opset_import} == {""}
    (reach_px,) = (int(p.value) for p in model.metadata_props if p.key == "reach_px")
    assert reach_px == sum(node.op_type == "Conv" for node in model.graph.node)
    assert check_network(SHIPPED) == 4


@EACH_LATTICE
def test_its_tiles_pass_the_gate_and_move_with_the_cloth(periodic: Any, lattice: Any) -> None:
    """No seam in any lattice; another cut of the same cloth is the same cloth enlarged."""
    tile = periodic(lattice, seed=6, side_px=64, colours=5)
    large = enlarged(tile, lattice)
    assert all(figure.passed for figure in seam_figures(large, lattice, scale=4))
    # Along the axis that is not sheared, any roll is another cut of the same cloth.
    axis = 1 if lattice.row_step else 0
    rolled = enlarged(np.roll(tile, 7, axis), lattice)
    apart = np.abs(rolled.astype(int) - np.roll(large, 28, axis))
    assert apart.max() <= 1


def test_blocks_leave_no_trace(periodic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of any size, the last ones cut short, give one picture."""
    tile = periodic(STRAIGHT, seed=2, side_px=80)
    whole = enlarged(tile, STRAIGHT)
    monkeypatch.setattr(upscale, "BLOCK_PX", 36)
    assert np.abs(enlarged(tile, STRAIGHT).astype(int) - whole).max() <= 1


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_a_flat_colour_stays_flat(level: int) -> None:
    """No colour cast and no pattern on what is plain: at most a level, the same everywhere."""
    tile = np.full((16, 16, 3), level, np.uint8)
    tile[..., 2] = 255 - level
    large = enlarged(tile, STRAIGHT).astype(int)
    assert np.abs(large - tile[0, 0]).max() <= 2
    assert np.ptp(large, axis=(0, 1)).max() <= 2


@EACH_LATTICE
def test_it_comes_nearer_than_lanczos(periodic: Any, lattice: Any) -> None:
    """On cloth that the dye works never drew, averaged four times, it restores more."""
    gains = []
    for seed in range(3):
        truth = periodic(lattice, seed=seed, side_px=512, colours=5, soft=0.004)
        small = np.asarray(Image.fromarray(truth).reduce(4))
        plain = lanczos(small, lattice, width_px=512, height_px=512)
        errors = [
            float(((one.astype(float) - truth) ** 2).mean())
            for one in (plain, enlarged(small, lattice))
        ]
        gains.append(10 * np.log10(errors[0] / errors[1]))
    assert min(gains) > 0.5


def test_no_picture_past_the_bound_is_begun() -> None:
    """A side that would become too large is Rejected before anything is allocated."""
    tall = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (1 << 15, 1 << 13, 3))
    with pytest.raises(Rejected, match="cannot be made"):
        enlarged(tall, STRAIGHT)


def test_a_lattice_that_cannot_be_sheared_is_refused() -> None:
    """An odd half-drop is no tile for a network either."""
    drop = Lattice(name="half-drop", column_step=Fraction(1, 2))
    with pytest.raises(Rejected, match="whole pixels"):
        enlarged(np.zeros((15, 16, 3), np.uint8), drop)


def test_a_recipe_enlarges_by_it_and_the_manifest_names_it(periodic: Any) -> None:
    """The picture is the network's, brought to the wanted size; its digest is kept."""
    recipe = parse_recipe(RECIPE, source="networked.toml")
    order = Order(repeat=repeat_of("brick", 19_200, 19_200), design="dots")
    tile = periodic(LATTICES["brick"], seed=3)
    done = finish(tile, recipe, order)
    (image,) = done.artefacts
    assert (image.width_px, image.height_px) == (192, 192)
    digest = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert means(order, recipe)["network_sha256"] == digest


def test_the_table_enlarges_without_torch() -> None:
    """A process that enlarges by network has loaded ONNX Runtime and no torch."""
    asked = (
        "import sys, numpy as np; from postproc.upscale import by_network; "
        "from postproc.lattice import STRAIGHT; "
        "by_network(np.zeros((8, 8, 3), np.uint8), STRAIGHT, margin_px=1); "
        "print([name for name in ('onnxruntime', 'torch', 'onnx') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=100
    )
    assert answer.stdout.strip() == "['onnxruntime']"
