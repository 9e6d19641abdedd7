"""The network that enlarges a tile four times, and the form in which the table runs it.

The shape is the compact one of the Real-ESRGAN family, names of weights included, so ours and
theirs are read by the same code: plain convolutions of 3 x 3, a slope per channel, one pixel
shuffle over the picture repeated. Written as ONNX node by node, so nothing but `onnx` is needed.
Refuses anything that looks at a whole picture: what it sees must end at `reach_px`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

OPSET = 17
IR_VERSION = 8
FEATURES = 24
CONVS = 7
SCALE = 4
_FIRST = "body.0.weight"


class Compact(nn.Module):
    """RGB (B, 3, H, W) in 0..1 to (B, 3, scale H, scale W), not clipped."""

    def __init__(self, features: int = FEATURES, convs: int = CONVS, scale: int = SCALE) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = []
        inside = 3
        for _ in range(convs + 1):
            layers += [nn.Conv2d(inside, features, 3, padding=1), nn.PReLU(features)]
            inside = features
        layers.append(nn.Conv2d(features, 3 * scale * scale, 3, padding=1))
        self.body = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge."""
        out = x
        for layer in self.body:
            out = layer(out)
        repeated = functional.interpolate(x, scale_factor=self.scale, mode="nearest")
        return functional.pixel_shuffle(out, self.scale) + repeated

    @property
    def reach_px(self) -> int:
        """How far from a pixel of the picture the network looks."""
        return sum(isinstance(layer, nn.Conv2d) for layer in self.body)


@torch.no_grad()
def plant(net: Compact) -> None:
    """Begin as a smooth enlargement: three channels carry the picture to a parabola's weights.

    What is left to learn is where that is wrong, which is a tenth of the way from chance.
    """
    scale = net.scale
    for layer in net.body:
        if isinstance(layer, nn.PReLU):
            layer.weight[:3] = 1
        elif isinstance(layer, nn.Conv2d):
            layer.weight[:3] = 0
            layer.weight[:3, :3, 1, 1] = torch.eye(3)
            nn.init.zeros_(_of(layer.bias))
    last = net.body[-1]
    assert isinstance(last, nn.Conv2d)  # noqa: S101 - built so
    nn.init.zeros_(last.weight)
    off = (torch.arange(scale) + 0.5) / scale - 0.5
    taps = torch.stack([off * (off - 1) / 2, 1 - off**2, off * (off + 1) / 2], 1)
    kernels = taps[:, None, :, None] * taps[None, :, None, :]
    # The picture repeated is added to it anyway.
    kernels[:, :, 1, 1] -= 1
    for colour in range(3):
        rows = slice(colour * scale * scale, (colour + 1) * scale * scale)
        last.weight[rows, colour] = kernels.reshape(scale * scale, 3, 3)


def compact_of(weights: Mapping[str, Tensor]) -> Compact | None:
    """The compact network of these weights; None where they are of another family."""
    convs = [
        value for name, value in weights.items() if name.startswith("body.") and value.ndim > 1
    ]
    if _FIRST not in weights or not all(tuple(one.shape[2:]) == (3, 3) for one in convs):
        return None
    features, scale = weights[_FIRST].shape[0], int((convs[-1].shape[0] / 3) ** 0.5)
    net = Compact(features, len(convs) - 2, scale)
    wanted = {name: value.shape for name, value in net.state_dict().items()}
    if wanted != {name: value.shape for name, value in weights.items()}:
        return None
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net.eval()


def write_onnx(net: Compact, path: Path) -> int:
    """Write the network for ONNX Runtime; answers the file's bytes."""
    nodes, held, name = [], [], "x"
    for place, layer in enumerate(net.body):
        weight = f"w{place}"
        if isinstance(layer, nn.Conv2d):
            held += [_held(weight, layer.weight), _held(f"b{place}", _of(layer.bias))]
            inputs = [name, weight, f"b{place}"]
            nodes.append(helper.make_node("Conv", inputs, [f"t{place}"], pads=[1, 1, 1, 1]))
        else:
            held.append(_held(weight, _of(layer.weight)[:, None, None]))
            nodes.append(helper.make_node("PRelu", [name, weight], [f"t{place}"]))
        name = f"t{place}"
    scale = net.scale
    held.append(_held("scales", torch.tensor([1.0, 1.0, scale, scale])))
    nodes += [
        helper.make_node("DepthToSpace", [name], ["shuffled"], blocksize=scale, mode="CRD"),
        helper.make_node(
            "Resize",
            ["x", "", "scales"],
            ["repeated"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        helper.make_node("Add", ["shuffled", "repeated"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        f"enlarge-x{scale}",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, "H", "W"])],
        held,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    say_reach(model, net.reach_px)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path.stat().st_size


def say_reach(model: onnx.ModelProto, reach_px: int) -> None:
    """Note in the file how far the network looks; the table pads by that much."""
    helper.set_model_props(model, {"reach_px": str(reach_px)})


def _held(name: str, value: Tensor) -> onnx.TensorProto:
    return numpy_helper.from_array(value.detach().float().numpy().copy(), name)


def _of(value: Tensor | None) -> Tensor:
    if value is None:
        raise ValueError("a convolution without a bias is not of this family")
    return value
