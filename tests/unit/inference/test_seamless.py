"""Patched models see across the edges of the repeat, exactly, and can be given back unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn

from inference.engine import LATTICES
from inference.seamless import Wrap, make_seamless
from tests.unit.inference.tiny import build_sd, save_lora

TOLERANCE = 2e-5
"""Float noise of adding the same numbers in another order."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SD directory, built once."""
    return build_sd(tmp_path_factory.mktemp("models") / "sd")


@pytest.fixture
def pipe(folder: Path) -> Any:
    """A fresh plain pipeline."""
    return StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, local_files_only=True
    )


def _noise(height: int, width: int, *, rows: int = 1, channels: int = 4) -> Tensor:
    dice = torch.Generator().manual_seed(5)
    return torch.randn((rows, channels, height, width), generator=dice)


@torch.inference_mode()
def _unet(pipe: Any, x: Tensor) -> Tensor:
    words = torch.randn((1, 7, 32), generator=torch.Generator().manual_seed(1))
    out: Tensor = pipe.unet(x, 500, encoder_hidden_states=words.expand(len(x), -1, -1)).sample
    return out


@torch.inference_mode()
def _decode(pipe: Any, x: Tensor) -> Tensor:
    out: Tensor = pipe.vae.decode(x).sample
    return out


@torch.inference_mode()
def _encode(pipe: Any, x: Tensor) -> Tensor:
    out: Tensor = pipe.vae.encode(x).latent_dist.mean
    return out


def _off(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def _move(x: Tensor, lattice: str, down: int, right: int) -> Tensor:
    """Move the endless repeated plane and cut the tile out again."""
    plane = _plane(x, lattice)
    height, width = x.shape[-2:]
    return plane.roll((down, right), (-2, -1))[..., :height, :width]


def _plane(x: Tensor, lattice: str) -> Tensor:
    """The smallest straight repeat of a tile: (H, W), (H, 2W) or (2H, W)."""
    height, width = x.shape[-2:]
    if lattice == "half-drop":
        return torch.cat([x, x.roll(height // 2, -2)], -1)
    if lattice == "brick":
        return torch.cat([x, x.roll(width // 2, -1)], -2)
    return x


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize(("down", "right"), [(2, 0), (0, 2), (6, 10), (16, 24)])
def test_a_moved_latent_gives_the_moved_tile(
    pipe: Any, lattice: str, down: int, right: int
) -> None:
    """UNet and VAE have no idea where the tile's edges are: moving by the total stride commutes."""
    make_seamless(pipe, lattice)
    x = _noise(16, 24)
    moved = _move(x, lattice, down, right)
    assert _off(_unet(pipe, moved), _move(_unet(pipe, x), lattice, down, right)) < TOLERANCE
    expected = _move(_decode(pipe, x), lattice, down * 2, right * 2)
    assert _off(_decode(pipe, moved), expected) < TOLERANCE


@pytest.mark.parametrize("lattice", ["half-drop", "brick"])
def test_a_sheared_wrap_is_the_straight_one_of_the_doubled_tile(pipe: Any, lattice: str) -> None:
    """One tile computed with the sheared wrap is the doubled tile computed straight."""
    wrap = make_seamless(pipe, lattice)
    x = _noise(16, 24)
    alone = [_unet(pipe, x), _decode(pipe, x), _encode(pipe, _noise(32, 48, channels=3))]
    wrap.use("straight")
    doubled = [
        _unet(pipe, _plane(x, lattice)),
        _decode(pipe, _plane(x, lattice)),
        _encode(pipe, _plane(_noise(32, 48, channels=3), lattice)),
    ]
    for one, both in zip(alone, doubled, strict=True):
        assert _off(_plane(one, lattice), both) < TOLERANCE


def test_a_half_that_does_not_divide_is_not_exact(pipe: Any) -> None:
    """Why sizes are checked: half a tile must divide by the total stride."""
    wrap = make_seamless(pipe, "half-drop")
    x = _noise(18, 16)
    alone = _unet(pipe, x)
    wrap.use("straight")
    assert _off(_plane(alone, "half-drop"), _unet(pipe, _plane(x, "half-drop"))) > 1e-3


@pytest.mark.parametrize("lattice", LATTICES)
def test_the_encoder_has_no_seam_either(pipe: Any, lattice: str) -> None:
    """Its downsampling pads one side with a constant that circular padding never reaches."""
    make_seamless(pipe, lattice)
    x = _noise(32, 48, channels=3)
    for down, right in ((4, 0), (0, 4), (8, 12)):
        moved = _encode(pipe, _move(x, lattice, down, right))
        expected = _move(_encode(pipe, x), lattice, down // 2, right // 2)
        assert _off(moved, expected) < TOLERANCE


def test_rows_of_all_lattices_share_a_forward(pipe: Any) -> None:
    """In a mixed batch every row wraps by its own lattice."""
    wrap = make_seamless(pipe)
    x = _noise(16, 16, rows=5)
    lattices = ["straight", "half-drop", "half-drop", "brick", "straight"]
    wrap.use(lattices)
    together = _unet(pipe, x)
    for at, lattice in enumerate(lattices):
        wrap.use(lattice)
        assert _off(together[at : at + 1], _unet(pipe, x[at : at + 1])) < TOLERANCE


def test_a_batch_of_another_length_is_refused(pipe: Any) -> None:
    """Lattices that do not match the rows are an error, not a wrong tile."""
    wrap = make_seamless(pipe)
    wrap.use(["straight", "brick"])
    with pytest.raises(ValueError, match="3 rows"):
        _unet(pipe, _noise(16, 16, rows=3))


def test_without_lattice_and_after_undo_the_model_is_as_published(pipe: Any) -> None:
    """None pads with zeros, undo takes every patch back; both give the same bits as before."""
    x, picture = _noise(16, 16), _noise(32, 32, channels=3)
    before = [_unet(pipe, x), _decode(pipe, x), _encode(pipe, picture)]
    wrap = make_seamless(pipe, None)
    off = [_unet(pipe, x), _decode(pipe, x), _encode(pipe, picture)]
    with make_seamless(pipe, "brick"):
        assert not torch.equal(_unet(pipe, x), before[0])
    inner = [_unet(pipe, x)]
    wrap.undo()
    wrap.undo()
    after = [_unet(pipe, x), _decode(pipe, x), _encode(pipe, picture)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(_off(a, b) < TOLERANCE for a, b in zip(before, off, strict=True))
    assert _off(inner[0], before[0]) < TOLERANCE
    convs = [part for part in pipe.unet.modules() if isinstance(part, nn.Conv2d)]
    assert not any("_conv_forward" in conv.__dict__ for conv in convs)


@pytest.mark.parametrize("is_first", [True, False])
def test_convolutions_of_adapters_wrap_too(pipe: Any, tmp_path: Path, is_first: bool) -> None:
    """A LoRA on a convolution brings a convolution of its own, before or after the patching."""
    path = save_lora(tmp_path / "a.safetensors", kohya=False)
    wrap = None if is_first else make_seamless(pipe, "half-drop")
    pipe.load_lora_weights(path.parent, weight_name=path.name, adapter_name="a")
    if wrap is None:
        wrap = make_seamless(pipe, "half-drop")
    else:
        assert wrap.cover() == 2  # the LoRA's two 3x3 convolutions
    x = _noise(16, 24)
    expected = _move(_unet(pipe, x), "half-drop", 6, 10)
    assert _off(_unet(pipe, _move(x, "half-drop", 6, 10)), expected) < TOLERANCE
    pipe.delete_adapters("a")
    assert wrap.cover() == 0


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (2, 2, 2, 2), (0, 1, 0, 1), (2, 0, 1, 3)])
@pytest.mark.parametrize("lattice", LATTICES)
def test_padding_reads_the_repeated_plane(lattice: str, pads: tuple[int, int, int, int]) -> None:
    """Every padded pixel, corners too, is the one that lies there in the repeat."""
    wrap = Wrap([nn.Conv2d(1, 1, 3, padding=1)], lattice)
    x = torch.arange(4 * 6, dtype=torch.float32).reshape(1, 1, 4, 6)
    left, right, top, bottom = pads
    around = torch.cat([torch.cat([_plane(x, lattice)] * 4, -1)] * 4, -2)
    # An origin whole periods away from the edge of what was laid out.
    down, along = 8, 12
    expected = around[..., down - top : down + 4 + bottom, along - left : along + 6 + right]
    assert torch.equal(wrap.pad(x, pads), expected)


def test_gradients_flow_through_the_wrap() -> None:
    """Training uses the same wrap as drawing."""
    conv = nn.Conv2d(1, 1, 3, padding=1)
    wrap = make_seamless(conv, "half-drop")
    wrap.use(["half-drop", "brick"])
    conv(torch.randn(2, 1, 4, 4)).sum().backward()
    assert conv.weight.grad is not None


def test_what_has_no_convolution_is_refused() -> None:
    """A transformer is not made seamless by patching nothing."""
    with pytest.raises(TypeError, match="no convolutions"):
        make_seamless(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="no lattice"):
        make_seamless(nn.Conv2d(1, 1, 3), "hexagon")
