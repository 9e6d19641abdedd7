"""LoRA adapters of one loaded model: found by name, loaded once, switched per batch.

Takes any safetensors LoRA that diffusers or kohya's trainers write, for the UNet and the text
encoders. Names are looked up in folders, in order; a path is refused. Adapters stay separate from
the weights (never fused), so taking one off leaves the model bit for bit as it was.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from inference.seamless import Wrap
from inference.weights import check_safetensors, weights_hash
from schemas.errors import Rejected, Transient, Unusable

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAMED_MAX: Final = 20
"""Most adapters that an error message names."""
AdapterSet = tuple[tuple[str, float], ...]


class AdapterRack:
    """The adapters of one pipeline."""

    def __init__(
        self, pipe: Any, wrap: Wrap, *, folders: Sequence[Path], resident_max: int
    ) -> None:
        self._pipe = pipe
        self._wrap = wrap
        self._folders = tuple(folders)
        self._resident_max = max(1, resident_max)
        self._resident: OrderedDict[str, str] = OrderedDict()
        """Name to file hash, the one used longest ago first."""
        self._worn: AdapterSet = ()

    def wear(self, adapters: AdapterSet) -> dict[str, str]:
        """Apply exactly these adapters from the next forward on; SHA-256 of each file by name.

        A scale of 0 is no adapter. Raises Rejected when a name is unknown here or its weights do
        not fit this model; the model then wears nothing.
        """
        wanted = tuple((name, scale) for name, scale in adapters if scale)
        if wanted != self._worn:
            self._take_off()
            for name, _ in wanted:
                self._fetch(name)
            self._make_room({name for name, _ in wanted})
            if wanted:
                self._pipe.enable_lora()
                self._pipe.set_adapters(
                    [_inner(name) for name, _ in wanted], [scale for _, scale in wanted]
                )
            self._worn = wanted
        return {name: self._resident[name] for name, _ in wanted}

    def _take_off(self) -> None:
        if self._resident:
            self._pipe.disable_lora()
        self._worn = ()

    def _fetch(self, name: str) -> None:
        if name in self._resident:
            self._resident.move_to_end(name)
            return
        path = adapter_path(self._folders, name)
        try:
            self._load(path, name)
        except torch.OutOfMemoryError as error:
            self._drop(name)
            raise Transient("not enough memory on the device for an adapter") from error
        except Exception as error:  # Three libraries read the file, each failing in its own ways.
            self._drop(name)
            raise _unfit(name) from error
        here = {one for names in self._pipe.get_list_adapters().values() for one in names}
        if _inner(name) not in here:
            raise _unfit(name)
        # An adapter on a convolution is a convolution itself, and has edges too.
        self._wrap.cover()
        self._resident[name] = weights_hash([path])
        self._pipe.disable_lora()

    def _load(self, path: Path, name: str) -> None:
        with warnings.catch_warnings():
            # peft warns about a second adapter on one model, which is what this file is for.
            warnings.simplefilter("ignore", UserWarning)
            self._pipe.load_lora_weights(
                path.parent,
                weight_name=path.name,
                adapter_name=_inner(name),
                use_safetensors=True,
                local_files_only=True,
            )

    def _make_room(self, needed: set[str]) -> None:
        spare = [name for name in self._resident if name not in needed]
        excess = len(self._resident) - max(self._resident_max, len(needed))
        for name in spare[: max(0, excess)]:
            del self._resident[name]
            self._drop(name)
            self._wrap.cover()

    def _drop(self, name: str) -> None:
        """Remove what is there of an adapter, which may be half of it."""
        for part in ("unet", "text_encoder", "text_encoder_2"):
            module = getattr(self._pipe, part, None)
            if _inner(name) in getattr(module, "peft_config", {}):
                self._pipe.delete_adapters(_inner(name))
                return


def adapter_path(folders: Sequence[Path], name: str) -> Path:
    """The file of an adapter, from the first folder that has it, checked.

    Raises Rejected for an unknown name, saying which there are, or for foreign content.
    """
    if not _NAME.fullmatch(name):
        raise Rejected(f"{name!r} cannot name an adapter", field="adapters", limit=_NAME.pattern)
    paths = [folder / f"{name}.safetensors" for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        known = installed(folders)
        told = [*known[:NAMED_MAX], *(["..."] if len(known) > NAMED_MAX else [])]
        raise Rejected(
            f"no adapter {name!r} here", field="adapters", limit=" | ".join(told) or "no adapters"
        )
    try:
        check_safetensors(path)
    except Unusable as error:
        raise Rejected(
            f"{path.name} is no whole safetensors file", field="adapters", limit="safetensors"
        ) from error
    return path


def installed(folders: Sequence[Path]) -> tuple[str, ...]:
    """The names of all adapters in the folders, sorted; a folder that is not there has none."""
    found = {path.stem for folder in folders for path in folder.glob("*.safetensors")}
    return tuple(sorted(name for name in found if _NAME.fullmatch(name)))


def _inner(name: str) -> str:
    """peft makes module names of adapter names, and those may hold no dot."""
    return "lora_" + name.encode().hex()


def _unfit(name: str) -> Rejected:
    return Rejected(
        f"adapter {name!r} does not fit this model", field="adapters", limit="this model's layers"
    )
