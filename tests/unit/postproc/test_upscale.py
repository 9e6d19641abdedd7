"""Enlarging keeps the repeat: exact sizes, passes the gate, moves with the tile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from postproc.lattice import HALF_DROP, LATTICES, STRAIGHT
from postproc.seams import seam_figures
from postproc.upscale import by_network, lanczos
from schemas.errors import Rejected, Unusable

EACH_LATTICE = pytest.mark.parametrize(
    "lattice", LATTICES.values(), ids=lambda lattice: lattice.name
)


@EACH_LATTICE
@pytest.mark.parametrize(("width_px", "height_px"), [(256, 256), (390, 254), (32, 48)])
def test_any_target_is_met_exactly(
    periodic: Any, lattice: Any, width_px: int, height_px: int
) -> None:
    """Four times, odd ratios and reductions give exactly the pixels asked for."""
    large = lanczos(periodic(lattice), lattice, width_px=width_px, height_px=height_px)
    assert large.shape == (height_px, width_px, 3)


@EACH_LATTICE
def test_a_wrapped_enlargement_passes_and_a_plain_one_fails(periodic: Any, lattice: Any) -> None:
    """The gate tells the two apart in every lattice."""
    tile = periodic(lattice, seed=6, side_px=64, colours=5)
    large = lanczos(tile, lattice, width_px=256, height_px=256)
    plain = np.asarray(Image.fromarray(tile).resize((256, 256), Image.Resampling.LANCZOS))
    assert all(figure.passed for figure in seam_figures(large, lattice, scale=4))
    assert not all(figure.passed for figure in seam_figures(plain, lattice, scale=4))


def test_enlarging_moves_with_the_tile(periodic: Any) -> None:
    """Rolling before enlarging is rolling after it, within one level of rounding."""
    tile = periodic(STRAIGHT, seed=1)
    first = lanczos(np.roll(tile, (5, -9), (0, 1)), STRAIGHT, width_px=256, height_px=256)
    second = np.roll(lanczos(tile, STRAIGHT, width_px=256, height_px=256), (20, -36), (0, 1))
    assert np.abs(first.astype(int) - second).max() <= 1


def test_absurd_sizes_are_refused() -> None:
    """A target past the bound is Rejected before anything is allocated."""
    with pytest.raises(Rejected, match="cannot be made"):
        lanczos(np.zeros((8, 8, 3), np.uint8), STRAIGHT, width_px=1 << 20, height_px=1 << 20)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """An ONNX network of one zero-padded 5 x 5 convolution and a pixel shuffle, twice as large."""
    weights = np.zeros((12, 3, 5, 5), np.float32)
    generator = np.random.default_rng(0)
    for channel in range(3):
        for phase in range(4):
            kernel = generator.random((5, 5)).astype(np.float32)
            weights[channel * 4 + phase, channel] = kernel / kernel.sum()
    shape = [1, 3, "h", "w"]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[2, 2, 2, 2]),
            helper.make_node("DepthToSpace", ["c"], ["y"], blocksize=2, mode="CRD"),
        ],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = tmp_path / "double.onnx"
    onnx.save(model, path)
    return path


def test_a_network_moves_with_the_tile_when_the_margin_reaches(
    periodic: Any, network: Path
) -> None:
    """With a margin as wide as its reach, a zero-padded network knows no border."""
    tile = periodic(HALF_DROP, seed=2)
    large = by_network(tile, HALF_DROP, network=network, margin_px=2)
    rolled = by_network(np.roll(tile, 8, 0), HALF_DROP, network=network, margin_px=2)
    assert large.shape == (128, 128, 3)
    assert np.array_equal(rolled, np.roll(large, 16, 0))
    narrow = by_network(tile, HALF_DROP, network=network, margin_px=0)
    assert not np.array_equal(narrow, large)


def test_a_file_that_is_no_network_says_so(tmp_path: Path) -> None:
    """Garbage in place of a network is Unusable and names the file."""
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(Unusable, match=r"broken\.onnx"):
        by_network(np.zeros((8, 8, 3), np.uint8), STRAIGHT, network=path, margin_px=2)
