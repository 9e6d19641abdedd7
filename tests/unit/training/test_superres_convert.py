"""Networks of the Real-ESRGAN family, written by another library, become files of the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.PLKSR import PLKSR
from spandrel.architectures.SPAN import SPAN
from torch import Tensor, nn

from postproc.lattice import HALF_DROP
from postproc.upscale import by_network, check_network
from schemas.errors import Unusable
from training.__main__ import main
from training.superres_convert import FAMILIES, Converted, convert, measured_reach_px

MAKERS: dict[str, Callable[[], nn.Module]] = {
    "Compact": lambda: Compact(num_feat=6, num_conv=2, upscale=4),
    "ESRGAN": lambda: ESRGAN(num_filters=8, num_blocks=1, scale=4),
    "SPAN": lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2),
}


def saved(net: nn.Module, folder: Path) -> Path:
    """Its weights as people publish them."""
    path = folder / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, path)
    return path


def made(name: str) -> nn.Module:
    """A small network of a family, of random weights."""
    torch.manual_seed(4)
    return MAKERS[name]().eval()


def test_every_family_is_tried() -> None:
    """The list of families and the tests' own are one."""
    assert set(MAKERS) == set(FAMILIES)


@pytest.mark.parametrize("name", MAKERS)
def test_the_table_runs_what_spandrel_would(name: str, tmp_path: Path) -> None:
    """A tile enlarged by the file is the network on wrapped cloth, level for level."""
    net = made(name)
    target = tmp_path / "made" / "net.onnx"
    told = convert(saved(net, tmp_path), target)
    assert (told.family, told.size_bytes) == (name, target.stat().st_size)
    assert check_network(target) == told.scale
    tile = np.random.default_rng(0).integers(0, 256, (40, 36, 3), dtype=np.uint8)
    enlarged = by_network(tile, HALF_DROP, network=target, margin_px=1)
    cloth = torch.from_numpy(tile).permute(2, 0, 1)[None].float() / 255
    # What lies past the border is laid there by hand: the half-drop's neighbours.
    right = cloth.roll(20, 2)
    wide = torch.cat([cloth.roll(-20, 2), cloth, right], 3)
    tall = torch.cat([wide, wide, wide], 2)
    with torch.inference_mode():
        wanted = net(tall)[..., 40 * told.scale : 80 * told.scale, 36 * told.scale :]
    levels = _levels(wanted[..., : 36 * told.scale])
    assert np.abs(enlarged.astype(int) - levels).max() <= 1


def _levels(picture: Tensor) -> np.ndarray:
    return (picture[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def test_compact_weights_say_exactly_how_far_they_look(tmp_path: Path) -> None:
    """The reach of a plain chain is counted, in the file and in the answer."""
    target = tmp_path / "net.onnx"
    told = convert(saved(made("Compact"), tmp_path), target)
    assert told == Converted(family="Compact", scale=4, reach_px=4, size_bytes=told.size_bytes)
    held = {one.key: one.value for one in onnx.load(target).metadata_props}
    assert held == {"reach_px": "4"}


@pytest.mark.parametrize(("dilation", "reach_px"), [(1, 8), (14, 16), (60, 64), (75, 0)])
def test_a_reach_is_measured_where_it_cannot_be_counted(dilation: int, reach_px: int) -> None:
    """The least margin tried that covers it; nothing is claimed past all of them."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=dilation, dilation=dilation), nn.PixelShuffle(2)
    )
    assert measured_reach_px(net, 2) == reach_px


@pytest.mark.parametrize(
    ("net", "line"),
    [
        (PLKSR(dim=8, n_blocks=1, kernel_size=5), "family PLKSR; we take Compact, ESRGAN, SPAN"),
        (Compact(num_in_ch=1, num_out_ch=1, num_feat=4, num_conv=1, upscale=4), "we take 3 of 3"),
        (Compact(num_feat=4, num_conv=1, upscale=1), "1 times as large"),
        (ESRGAN(num_filters=8, num_blocks=1, in_nc=12, shuffle_factor=2), "folds pixels"),
        (nn.Linear(3, 3), "no network that spandrel knows"),
    ],
    ids=["another family", "grey", "no larger", "folded", "no network"],
)
def test_what_would_not_fit_is_refused_by_name(net: nn.Module, line: str, tmp_path: Path) -> None:
    """Each refusal says what it found and what is taken; no file is left."""
    target = tmp_path / "net.onnx"
    with pytest.raises(Unusable, match=line):
        convert(saved(net, tmp_path), target)
    assert not list(tmp_path.glob("net*"))


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"{}"])
def test_only_safetensors_are_opened(content: bytes, tmp_path: Path) -> None:
    """A pickle, or half a file, is a clear line and never run."""
    path = tmp_path / "RealESRGAN.pth"
    path.write_bytes(content)
    with pytest.raises(Unusable, match=r"RealESRGAN\.pth is not a safetensors file"):
        convert(path, tmp_path / "net.onnx")
    with pytest.raises(Unusable, match="is not a safetensors file"):
        convert(tmp_path / "missing.safetensors", tmp_path / "net.onnx")


def test_the_command_says_what_it_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line: family, scale, reach, bytes."""
    caplog.set_level("INFO")
    weights = saved(made("Compact"), tmp_path)
    assert main(["convert", str(weights), str(tmp_path / "net.onnx")]) == 0
    assert "family='Compact', scale=4, reach_px=4" in caplog.text
    tile = np.zeros((8, 8, 3), np.uint8)
    large = by_network(tile, HALF_DROP, network=tmp_path / "net.onnx", margin_px=1)
    assert large.shape == (32, 32, 3)
