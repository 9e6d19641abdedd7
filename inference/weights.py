"""Which weight files may be opened at all, and what their names and hashes are. Knows no torch.

Only safetensors is ever read, judged by its content as well as by its name: a pickle runs code when
it is opened, so one that calls itself `.safetensors` is refused too. It refuses to fetch anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from schemas.errors import Unusable

PICKLED: Final = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".msgpack", ".h5"})
"""Extensions of weight files that are refused. (msgpack and h5 are other frameworks' weights.)"""

HEADER_BYTES_MAX: Final = 100_000_000
"""As in the safetensors format's own reader."""
TENSORS_MAX: Final = 200_000


def check_safetensors(path: Path) -> Mapping[str, Any]:
    """The tensors' names with dtype, shape and offsets, and `__metadata__`.

    Raises Unusable, naming the file, when the content is not safetensors or the file is cut short.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= HEADER_BYTES_MAX:
                raise Unusable(f"{path} is not a safetensors file; pickled weights are refused")
            header = json.loads(file.read(length))
            size_bytes = path.stat().st_size
    except OSError as error:
        raise Unusable(f"cannot read weights {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{path} is not a safetensors file: its header is no JSON") from error
    if not isinstance(header, dict) or len(header) > TENSORS_MAX:
        raise Unusable(f"{path} is not a safetensors file: its header is no table of tensors")
    ends = [entry["data_offsets"][1] for entry in header.values() if "data_offsets" in entry]
    if size_bytes < 8 + length + max(ends, default=0):
        raise Unusable(f"{path} is cut short: {size_bytes} bytes are fewer than its tensors need")
    return header


def component_weights(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of one component, checked, in order of name.

    Raises Unusable naming the file when the component has pickled weights only. Where both lie side
    by side, as in many published folders, the pickled ones are left closed.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    safe = [path for path in files if path.suffix == ".safetensors"]
    pickled = [path for path in files if path.suffix.lower() in PICKLED]
    if not safe and pickled:
        raise Unusable(
            f"{pickled[0]} is refused: opening pickled weights runs code. "
            "Convert the model to safetensors"
        )
    if not safe:
        raise Unusable(f"{folder} holds no *.safetensors")
    for path in safe:
        check_safetensors(path)
    return tuple(safe)


def weights_hash(paths: Sequence[Path]) -> str:
    """SHA-256 over the names and bytes of `paths`, in order, hexadecimal. Cached by size and time.

    A name counts with its folder (`unet/x.safetensors`), so that two swapped files are seen.
    """
    whole = hashlib.sha256()
    for path in paths:
        facts = path.stat()
        digest = _file_hash(path, facts.st_size, facts.st_mtime_ns)
        whole.update(f"{path.parent.name}/{path.name}\0{digest}\n".encode())
    return whole.hexdigest()


@lru_cache(maxsize=256)
def _file_hash(path: Path, size_bytes: int, changed_ns: int) -> str:
    del size_bytes, changed_ns  # part of the cache's key only
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
