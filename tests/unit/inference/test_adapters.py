"""Which adapters there are: folders in order, names and only names, errors that say which."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inference.adapters import NAMED_MAX, adapter_path, installed
from schemas.errors import Rejected


def lay(folder: Path, *names: str) -> Path:
    """A folder with an adapter file of each name."""
    folder.mkdir(exist_ok=True)
    for name in names:
        save_file({"unet.a.lora_A.weight": torch.ones(1, 1)}, folder / f"{name}.safetensors")
    return folder


def test_the_earlier_folder_wins(tmp_path: Path) -> None:
    """An operator's adapter stands before a shipped one of the same name; others are found too."""
    mine, theirs = lay(tmp_path / "mine", "linen"), lay(tmp_path / "theirs", "linen", "indigo")
    assert adapter_path([mine, theirs], "linen").parent == mine
    assert adapter_path([mine, theirs], "indigo").parent == theirs
    assert installed([mine, theirs]) == ("indigo", "linen")


def test_an_unknown_name_is_told_the_known_ones(tmp_path: Path) -> None:
    """All of them, sorted, up to the bound; and a folder that is not there holds none."""
    folder = lay(tmp_path / "a", "silk", "indigo")
    with pytest.raises(Rejected) as refused:
        adapter_path([tmp_path / "nowhere", folder], "linnen")
    assert refused.value.field == "adapters"
    assert refused.value.limit == "indigo | silk"
    lay(folder, *(f"more-{place:02d}" for place in range(NAMED_MAX)))
    with pytest.raises(Rejected) as refused:
        adapter_path([folder], "linnen")
    assert refused.value.limit.count(" | ") == NAMED_MAX
    assert refused.value.limit.endswith(" | ...")
    with pytest.raises(Rejected) as refused:
        adapter_path([], "indigo")
    assert refused.value.limit == "no adapters"


@pytest.mark.parametrize("name", ["../sd", "a/b", "", ".hidden", "x" * 65])
def test_a_path_is_no_name(tmp_path: Path, name: str) -> None:
    """Whatever lies where it points."""
    lay(tmp_path, "sd")
    with pytest.raises(Rejected):
        adapter_path([lay(tmp_path / "inner", "a")], name)
