"""The enlarging network: its start, its file, and that the table's answer is a wrapped one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from inference.seamless import Wrap
from postproc.lattice import LATTICES, Lattice
from postproc.upscale import BLOCK_PX, by_network
from training.superres_net import Compact, compact_of, plant, write_onnx

EACH_LATTICE = pytest.mark.parametrize(
    "lattice", LATTICES.values(), ids=lambda lattice: lattice.name
)


def livened(features: int = 6, convs: int = 2) -> Compact:
    """A planted network whose every weight has been shaken, so that all of it takes part."""
    torch.manual_seed(0)
    net = Compact(features, convs)
    plant(net)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.05 * torch.randn(weight.shape))
    return net.eval()


def test_a_planted_network_is_exact_on_parabolas() -> None:
    """Before any training a slope and a bend come out four times as large, not stepped."""
    net = Compact()
    plant(net)
    small = (torch.arange(24) + 0.5) / 24
    large = (torch.arange(96) + 0.5) / 96
    for power in (1, 2):
        tile = (small**power).expand(1, 3, 24, 24).contiguous()
        with torch.no_grad():
            made = net(tile)[0, 0, 48, 12:-12]
        # A parabola through three averages of a pixel is itself but for the pixel's own bend.
        assert (made - large[12:-12] ** power).abs().max() < 2e-3


def test_the_file_answers_as_torch_does(tmp_path: Path) -> None:
    """ONNX Runtime gives what torch gives, at sides the file never heard of."""
    net = livened()
    path = tmp_path / "net.onnx"
    assert write_onnx(net, path) == path.stat().st_size
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["reach_px"] == str(net.reach_px)
    picture = torch.rand(1, 3, 21, 34)
    (made,) = session.run(None, {"x": picture.numpy()})
    with torch.no_grad():
        assert np.abs(made - net(picture).numpy()).max() < 1e-5


@EACH_LATTICE
def test_the_table_gives_what_wrapped_convolutions_give(tmp_path: Path, lattice: Lattice) -> None:
    """Blocks padded by their own cloth, without torch, are the network wrapped around the tile."""
    net = livened()
    path = tmp_path / f"{lattice.name}.onnx"
    write_onnx(net, path)
    side = BLOCK_PX + 22
    tile = np.random.default_rng(3).integers(0, 256, (side, side, 3), dtype=np.uint8)
    made = by_network(tile, lattice, network=path, margin_px=1)
    with Wrap([net], lattice.name), torch.no_grad():
        exact = net(torch.from_numpy(tile).permute(2, 0, 1)[None].float() / 255)
    wanted = (exact[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    apart = np.abs(made.astype(int) - wanted)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 1e-3, "more than what rounds the other way"


@EACH_LATTICE
def test_zero_padding_would_be_told_apart(lattice: Lattice) -> None:
    """The test above can fail: without the wrap the border is tens of levels off."""
    net = livened()
    tile = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = net(tile)
        with Wrap([net], lattice.name):
            wrapped = net(tile)
    assert (plain - wrapped).abs().max() * 255 > 20


def test_nothing_past_the_reach_is_looked_at() -> None:
    """`reach_px` is exact: a pixel that far off matters, one further does not."""
    net = livened()
    tile = torch.rand(1, 3, 31, 31)
    for off, matters in ((net.reach_px, True), (net.reach_px + 1, False)):
        other = tile.clone()
        other[..., 15, 15 + off] = 1 - other[..., 15, 15 + off]
        with torch.no_grad():
            moved = (net(other) - net(tile))[..., 60:64, 60:64].abs().max()
        assert (float(moved) > 0) is matters


def test_weights_of_another_family_are_not_taken_for_it() -> None:
    """The family is told by names and shapes; what does not fit is left to others."""
    net = livened(5, 3)
    again = compact_of(net.state_dict())
    assert again is not None
    picture = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        assert torch.equal(again(picture), net(picture))
    assert compact_of({"conv.weight": torch.zeros(3, 3, 3, 3)}) is None
    broader = {**net.state_dict(), "body.0.weight": torch.zeros(5, 3, 5, 5)}
    assert compact_of(broader) is None
