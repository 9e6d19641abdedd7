"""`python -m training convert`: a network of the Real-ESRGAN family in the table's own form.

Spandrel tells which network the weights are of; what comes out is ONNX that the table runs without
torch, and that says how far it looks. Takes safetensors alone, because a pickle runs what it holds.
Refuses families that look at the whole picture: a tile enlarged block by block would show it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from postproc.upscale import check_network
from schemas.errors import EXIT_USAGE, MissingPart, Unusable
from training.superres_net import IR_VERSION, OPSET, compact_of, say_reach, write_onnx

FAMILIES = ("Compact", "ESRGAN", "SPAN")
"""Spandrel's names of what is plain convolution at one size: SRVGGNetCompact, RRDBNet, SPAN."""
REACHES_PX = (8, 12, 16, 24, 32, 48, 64)
"""Margins that are tried where the reach is not counted from the layers."""
LEVEL = 1 / 255
_APART_MAX = 2e-3
"""How far ONNX Runtime and torch may be apart on pictures in 0..1: a quarter of LEVEL, or so."""
_TRIAL_PX = (24, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What was made of the weights."""

    family: str
    scale: int
    reach_px: int
    """How far the network looks: counted for Compact, measured for others; 0 past all that was
    tried: then the file says nothing and the recipe's `margin_px` decides."""
    size_bytes: int


def convert(weights: Path, target: Path) -> Converted:
    """Write the ONNX form of the weights, having run it beside them.

    Raises Unusable where they are no such weights or the two disagree, MissingPart where spandrel
    is not installed.
    """
    found = _described(weights)
    net = found.model.float().eval().requires_grad_(False)
    compact = compact_of(net.state_dict()) if found.architecture.id == "Compact" else None
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.draft")
    try:
        if compact is not None:
            reach_px = compact.reach_px
            write_onnx(compact, draft)
        else:
            reach_px = measured_reach_px(net, found.scale)
            _trace(net, draft, reach_px)
        _agree(net, draft, weights)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return Converted(
        family=found.architecture.id,
        scale=check_network(target),
        reach_px=reach_px,
        size_bytes=target.stat().st_size,
    )


def _described(weights: Path) -> Any:
    """Spandrel's description of the weights, being of a family that we take."""
    try:
        from spandrel import ModelLoader, UnsupportedModelError  # noqa: PLC0415
    except ImportError as error:
        raise MissingPart("converting networks needs spandrel: pip install spandrel") from error
    try:
        found = ModelLoader().load_from_state_dict(load_file(weights))
    except (OSError, SafetensorError) as error:
        line = f"{weights} is not a safetensors file: {error}"
        raise Unusable(line, exit_code=EXIT_USAGE) from error
    except UnsupportedModelError as error:
        raise Unusable(f"{weights} is no network that spandrel knows") from error
    _check(found, weights)
    return found


def _check(found: Any, weights: Path) -> None:
    family = found.architecture.id
    if family not in FAMILIES:
        raise Unusable(f"{weights} is of the family {family}; we take {', '.join(FAMILIES)}")
    if (found.input_channels, found.output_channels) != (3, 3) or found.scale < 2:
        raise Unusable(
            f"{weights} makes {found.output_channels} channels of {found.input_channels}, "
            f"{found.scale} times as large; we take 3 of 3, at least twice"
        )
    if getattr(found.model, "shuffle_factor", None):
        raise Unusable(f"{weights} folds pixels before it looks at them: tiles would not fit")


def measured_reach_px(net: nn.Module, scale: int) -> int:
    """The least of REACHES_PX past which nothing moves the middle by half a level; else 0.

    Two pictures of noise that share only the middle: noise moves a network more than cloth does.
    """
    side = 2 * (REACHES_PX[-1] + 16)
    generator = torch.Generator().manual_seed(0)
    one, other = torch.rand(2, 3, side, side, generator=generator)
    here = slice(side // 2 * scale, (side // 2 + 1) * scale)
    with torch.inference_mode():
        wanted = net(one[None].clone())[..., here, here]
        for reach_px in REACHES_PX:
            shared = slice(side // 2 - reach_px, side // 2 + reach_px + 1)
            mixed = other.clone()
            mixed[:, shared, shared] = one[:, shared, shared]
            moved = (net(mixed[None])[..., here, here] - wanted).abs().max()
            if float(moved) < LEVEL / 2:
                return reach_px
    return 0


class _Named(nn.Module):
    """The network with one input and one output, whatever else it keeps."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.net(x)
        return made


def _trace(net: nn.Module, path: Path, reach_px: int) -> None:
    """Write by torch's own exporter what is not written node by node."""
    sizes = {2: "h", 3: "w"}
    with warnings.catch_warnings():
        # The exporter that needs no further package is the older one, and says so.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Named(net).eval(),
            (torch.rand(1, 3, *_TRIAL_PX),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": sizes, "y": {2: "H", 3: "W"}},
        )
    model = onnx.load(path)
    model.ir_version = IR_VERSION
    if reach_px:
        say_reach(model, reach_px)
    onnx.save(model, path)


def _agree(net: nn.Module, path: Path, weights: Path) -> None:
    """Refuse a file that answers otherwise than the weights, at a size it was not traced with."""
    import onnxruntime  # noqa: PLC0415

    picture = torch.rand(1, 3, 32, 28, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = net(picture.clone()).numpy()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {session.get_inputs()[0].name: picture.numpy()})
    apart = float(np.abs(made - wanted).max()) if made.shape == wanted.shape else float("inf")
    if not apart <= _APART_MAX:
        raise Unusable(f"{weights}: ONNX Runtime and torch are {apart:.2g} apart on the same input")
