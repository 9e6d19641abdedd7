"""Makes convolutional models draw tiles that repeat without a seam, by construction.

`make_seamless` teaches every convolution of a UNet or VAE that the tile's edges touch each other:
instead of zeros it sees what lies across the edge in the repeat. On a half-drop the neighbour
column sits half a tile lower, on a brick the neighbour row half a tile further right, so the wrap
is sheared. The result equals the computation on the repeated plane exactly when every side, and
the half of a sheared side, divides by the model's total stride.

Works on UNet-type models only (attention there has no positions). It refuses nothing about quality:
a model that never saw a repeat draws one, but not always a good one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import torch
import torch.nn.functional as F  # noqa: N812  (everybody's name for it)
from diffusers.models.downsampling import Downsample2D
from torch import Tensor, nn

from inference.engine import LATTICES

Pads = tuple[int, int, int, int]
"""Left, right, top, bottom, in pixels of the feature map."""

_MISSING = object()


class Wrap:
    """What the patched convolutions of one model share: which lattice each batch row has.

    Also the way back: `undo`, or leave it as a context. Adapters bring convolutions of their own;
    call `cover` again after loading one.
    """

    def __init__(self, modules: Iterable[nn.Module], lattice: str | None) -> None:
        self._modules = tuple(modules)
        self._before: list[tuple[nn.Module, str, object]] = []
        self._covered: set[int] = set()
        self._runs: tuple[tuple[str | None, int], ...] = ()
        self.use(lattice)
        self.cover()

    def use(self, lattice: str | Sequence[str] | None) -> None:
        """From now on all rows repeat by `lattice`, or row i by `lattice[i]`.

        None pads with zeros, as the model was published. Costs nothing: no weight is touched.
        """
        each = lattice if isinstance(lattice, (list, tuple)) else (lattice,)
        for one in each:
            if one is not None and one not in LATTICES:
                msg = f"no lattice {one!r}, there are {', '.join(LATTICES)}"
                raise ValueError(msg)
        runs: list[tuple[str | None, int]] = []
        for one in each:
            if runs and runs[-1][0] == one:
                runs[-1] = (one, runs[-1][1] + 1)
            else:
                runs.append((one, 1))
        self._runs = tuple(runs)

    def cover(self) -> int:
        """Patch every convolution not yet patched; how many those were."""
        self._forget_the_gone()
        found = 0
        for module in self._modules:
            for part in module.modules():
                if isinstance(part, Downsample2D) and part.use_conv and not part.padding:
                    found += self._cover_downsample(part)
            for part in module.modules():
                if isinstance(part, nn.Conv2d):
                    found += self._cover_conv(part, _own_pads(part))
        return found

    def undo(self) -> None:
        """Leave the model as it was found. May be called twice."""
        while self._before:
            module, name, value = self._before.pop()
            if value is _MISSING:
                delattr(module, name)
            else:
                setattr(module, name, value)
        self._covered.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.undo()

    def pad(self, x: Tensor, pads: Pads) -> Tensor:
        """(rows, channels, height, width) with `pads` more on its sides, read across the edges."""
        if len(self._runs) == 1:
            return _pad(x, pads, self._runs[0][0])
        if sum(count for _, count in self._runs) != x.shape[0]:
            msg = f"{x.shape[0]} rows, lattices were given for {self._runs}"
            raise ValueError(msg)
        parts = x.split([count for _, count in self._runs])
        return torch.cat(
            [_pad(part, pads, run[0]) for part, run in zip(parts, self._runs, strict=True)]
        )

    def _forget_the_gone(self) -> None:
        """Let go of convolutions that left the model with their adapter."""
        here = {id(part) for module in self._modules for part in module.modules()}
        self._before = [entry for entry in self._before if id(entry[0]) in here]
        self._covered &= here

    def _cover_downsample(self, part: Downsample2D) -> int:
        # Its forward pads right and bottom with zeros when `padding` is 0. Told that it is not, it
        # leaves that to its convolution, and those of adapters on it, which then wrap.
        if part.padding == 0:
            self._set(part, "padding", None)
        return sum(
            self._cover_conv(conv, (0, 1, 0, 1))
            for conv in part.conv.modules()
            if isinstance(conv, nn.Conv2d) and conv.kernel_size != (1, 1)
        )

    def _cover_conv(self, conv: nn.Conv2d, pads: Pads) -> int:
        if id(conv) in self._covered or not any(pads):
            return 0
        self._covered.add(id(conv))
        self._set(conv, "_conv_forward", self._wrapped(conv, pads))
        return 1

    def _wrapped(
        self, conv: nn.Conv2d, pads: Pads
    ) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
        def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            x = self.pad(x, pads)
            return F.conv2d(x, weight, bias, conv.stride, 0, conv.dilation, conv.groups)

        return forward

    def _set(self, module: nn.Module, name: str, value: object) -> None:
        self._before.append((module, name, module.__dict__.get(name, _MISSING)))
        setattr(module, name, value)


def make_seamless(target: Any, lattice: str | None = "straight") -> Wrap:
    """Make a diffusers pipeline (its UNet and VAE) or any module draw repeats by `lattice`.

    With plain diffusers:

        make_seamless(pipe, "half-drop")
        image = pipe("rose").images[0]

    Returns the Wrap that switches lattices and takes the change back. Raises TypeError for
    something without convolutions, ValueError for an unknown lattice.
    """
    named = [getattr(target, name, None) for name in ("unet", "vae")]
    modules = [part for part in named if isinstance(part, nn.Module)]
    if not modules and isinstance(target, nn.Module):
        modules = [target]
    if not any(isinstance(part, nn.Conv2d) for module in modules for part in module.modules()):
        msg = f"{type(target).__name__} has no convolutions to make seamless"
        raise TypeError(msg)
    return Wrap(modules, lattice)


def _own_pads(conv: nn.Conv2d) -> Pads:
    left, right, top, bottom = conv._reversed_padding_repeated_twice
    return (left, right, top, bottom)


def _pad(x: Tensor, pads: Pads, lattice: str | None) -> Tensor:
    left, right, top, bottom = pads
    if lattice is None:
        return F.pad(x, pads)
    if lattice == "straight":
        return F.pad(x, pads, mode="circular")
    if lattice == "half-drop":
        x = _extend(x, left, right, along=3, sheared=2)
        return F.pad(x, (0, 0, top, bottom), mode="circular")
    x = _extend(x, top, bottom, along=2, sheared=3)
    return F.pad(x, (left, right, 0, 0), mode="circular")


def _extend(x: Tensor, before: int, after: int, *, along: int, sheared: int) -> Tensor:
    """Neighbours on both sides `along`, each shifted by half the tile in `sheared`."""
    half, length = x.shape[sheared] // 2, x.shape[along]
    strips = [x]
    if before:
        strips.insert(0, x.narrow(along, length - before, before).roll(half, sheared))
    if after:
        strips.append(x.narrow(along, 0, after).roll(-half, sheared))
    return torch.cat(strips, along)
