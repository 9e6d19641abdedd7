"""The model book reads folders, not weights; pickles never get past their first bytes."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from inference.models import ModelBook, read_model
from inference.weights import check_safetensors, component_weights, weights_hash
from schemas.errors import Rejected, Unusable


def _folder(root: Path, name: str, **words: Any) -> Path:
    """A model folder with configs alone."""
    folder = root / name
    configs = {
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
        "unet/config.json": {"block_out_channels": [1, 2, 3, 4], "sample_size": 64},
        "vae/config.json": {"block_out_channels": [1, 2, 3, 4]},
    }
    if words:
        configs["heddle.json"] = words
    for path, config in configs.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(config))
    return folder


def _safetensors(path: Path, *, size_bytes: int = 8) -> Path:
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, size_bytes]}}
    ).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size_bytes))
    return path


def test_folder_names_say_family_and_version(tmp_path: Path) -> None:
    """family, family@version and family/version; heddle.json has the last word."""
    for name in ("rose", "lily@2.1", "iris/3", "iris/10"):
        _folder(tmp_path, name)
    _folder(tmp_path, "odd", family="swatch", version="7", tile_px=64, steps=9, guidance=2)
    book = ModelBook([tmp_path])
    names = [card.name for card in book.cards()]
    assert names == ["iris@10", "iris@3", "lily@2.1", "rose@1", "swatch@7"]
    assert book.find("iris").card.version == "10"
    assert book.find("iris@3").card.version == "3"
    card = book.find("swatch").card
    assert (card.tile_px, card.steps, card.guidance) == (64, 9, 2.0)


def test_sizes_follow_from_the_networks_levels(tmp_path: Path) -> None:
    """Three halvings in the VAE and three in the UNet make tiles multiples of 64."""
    card = read_model(_folder(tmp_path, "sd")).card
    assert (card.tile_px, card.size_multiple_px) == (512, 64)
    assert (card.size_px_min, card.size_px_max) == (128, 2048)


def test_the_earlier_folder_wins(tmp_path: Path) -> None:
    """An operator's folder put first replaces a shipped model of the same name."""
    _folder(tmp_path / "mine", "rose", steps=3)
    _folder(tmp_path / "shipped", "rose", steps=9)
    book = ModelBook([tmp_path / "mine", tmp_path / "shipped"])
    assert book.find("rose").card.steps == 3


def test_a_broken_folder_takes_no_other_model_away(tmp_path: Path) -> None:
    """It is left out, and the book says why, naming the file."""
    _folder(tmp_path, "rose")
    broken = _folder(tmp_path, "lily")
    (broken / "unet" / "config.json").write_text("{")
    (_folder(tmp_path, "flux") / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    _folder(tmp_path, "bad", version="no/slash")
    _folder(tmp_path, "word", steps="many")
    book = ModelBook([tmp_path])
    assert [card.name for card in book.cards()] == ["rose@1"]
    reasons = "\n".join(book.refused)
    for expected in ("lily/unet/config.json", "FluxPipeline", "no/slash", "many"):
        assert expected in reasons
    with pytest.raises(Rejected) as caught:
        book.find("lily")
    assert (caught.value.field, caught.value.limit) == ("model", "rose@1")


def test_a_folder_that_is_not_there_is_unusable(tmp_path: Path) -> None:
    """A typo in a setting is said at start."""
    with pytest.raises(Unusable, match="nowhere"):
        ModelBook([tmp_path / "nowhere"])


@pytest.mark.parametrize("extension", ["bin", "ckpt", "pt", "pth", "pkl"])
def test_pickled_weights_are_refused_by_name(tmp_path: Path, extension: str) -> None:
    """A component with nothing but a pickle is not opened; the error names the file."""
    path = tmp_path / f"diffusion_pytorch_model.{extension}"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(Unusable, match=f"model.{extension} is refused"):
        component_weights(tmp_path)


def test_pickles_beside_safetensors_stay_closed(tmp_path: Path) -> None:
    """Published folders often hold both; only the safe one counts."""
    safe = _safetensors(tmp_path / "model.safetensors")
    (tmp_path / "model.bin").write_bytes(b"\x80")
    assert component_weights(tmp_path) == (safe,)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04",
        pickle.dumps({"weights": list(range(100))}),
        b"PK\x03\x04" + bytes(200),
        (5).to_bytes(8, "little") + b"[1,2]",
        (3).to_bytes(8, "little") + b"{{{",
        (2**40).to_bytes(8, "little") + b"{}",
    ],
)
def test_content_is_judged_and_not_the_name(tmp_path: Path, content: bytes) -> None:
    """A pickle or zip that calls itself safetensors is refused before anything opens it."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(Unusable, match=r"model\.safetensors is"):
        check_safetensors(path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    """A download that broke off is told from a whole one without reading it."""
    path = _safetensors(tmp_path / "model.safetensors")
    check_safetensors(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unusable, match="cut short"):
        check_safetensors(path)


def test_the_hash_sees_bytes_and_places(tmp_path: Path) -> None:
    """Equal for a copy elsewhere; another for a changed byte and for swapped files."""
    unet = _safetensors(tmp_path / "one" / "unet" / "m.safetensors")
    vae = _safetensors(tmp_path / "one" / "vae" / "m.safetensors", size_bytes=16)
    first = weights_hash([unet, vae])
    assert len(first) == 64
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    two = tmp_path / "two"
    paths = [two / "unet" / "m.safetensors", two / "vae" / "m.safetensors"]
    assert weights_hash(paths) == first
    whole = paths[0].read_bytes()
    paths[0].write_bytes(paths[1].read_bytes())
    paths[1].write_bytes(whole)
    assert weights_hash(paths) != first
