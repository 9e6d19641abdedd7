"""The models on this machine: which folders hold one, and what may be asked of it. No torch.

A model folder is an ordinary diffusers directory (`model_index.json`). It may lie in a models
folder as `<family>`, `<family>@<version>` or `<family>/<version>`. An optional `heddle.json` in it
says what diffusers has no place for:

    {"name": "swatch", "version": "1", "tile_px": 64, "steps": 20, "guidance": 3.0,
     "solver": "ddim", "licence": "Apache-2.0", "size_px_max": 512}

Which version is stable or canary is the pattern book's business (registry/), not this file's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inference.engine import GUIDANCE_MAX, STEPS_MAX, ModelCard
from inference.weights import component_weights, weights_hash
from schemas.errors import Rejected, Unusable

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NETWORKS: Final = ("unet", "vae", "text_encoder", "text_encoder_2")
MODELS_MAX: Final = 256
PIPELINES: Final = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model folder, read but not loaded."""

    card: ModelCard
    folder: Path
    pipeline: str
    """One of PIPELINES."""
    solver: str
    """"" for whatever the folder's scheduler suggests."""

    def weights(self) -> tuple[Path, ...]:
        """Every file the model is made of. Raises Unusable naming one that is refused."""
        found: list[Path] = []
        for name in _NETWORKS:
            if (self.folder / name).is_dir():
                found.extend(component_weights(self.folder / name))
        return tuple(found)

    def model_hash(self) -> str:
        """SHA-256 over the weight files."""
        return weights_hash(self.weights())


class ModelBook:
    """Every model found below some folders, once, at start."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._models: dict[str, Model] = {}
        refused: list[str] = []
        for folder in folders:
            for found in _model_folders(folder):
                try:
                    model = read_model(found)
                except Unusable as error:
                    # One broken download must not take the other models away.
                    refused.append(str(error))
                    continue
                # The earlier folder wins: an operator may put a shipped model aside.
                self._models.setdefault(model.card.name, model)
        self.refused: tuple[str, ...] = tuple(refused)
        """Why folders that look like models are not in the book, a sentence each."""

    def cards(self) -> tuple[ModelCard, ...]:
        """All cards, by name."""
        return tuple(self._models[name].card for name in sorted(self._models))

    def find(self, name: str) -> Model:
        """The model `family@version`, or a family's newest version. Raises Rejected."""
        if name in self._models:
            return self._models[name]
        family = [one for one in self._models.values() if one.card.family == name]
        if not family:
            raise Rejected(
                f"no model {name!r} here",
                field="model",
                limit=" | ".join(sorted(self._models)) or "no models",
            )
        return max(family, key=lambda one: _version_order(one.card.version))


def read_model(folder: Path) -> Model:
    """Read a model folder's own words. Raises Unusable naming the file that is wrong."""
    index = _read_json(folder / "model_index.json")
    extra = _read_json(folder / "heddle.json") if (folder / "heddle.json").is_file() else {}
    pipeline = str(index.get("_class_name"))
    if pipeline not in PIPELINES:
        raise Unusable(
            f"{folder / 'model_index.json'}: {pipeline!r} is none of {', '.join(PIPELINES)}"
        )
    try:
        return Model(
            card=_card(folder, extra),
            folder=folder,
            pipeline=pipeline,
            solver=str(extra.get("solver", "")),
        )
    except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise Unusable(f"{folder}: a config holds an impossible value: {error}") from error


def _card(folder: Path, extra: Mapping[str, Any]) -> ModelCard:
    unet = _read_json(folder / "unet" / "config.json")
    vae = _read_json(folder / "vae" / "config.json")
    # Each level but the last halves the picture.
    vae_stride = 2 ** (len(vae["block_out_channels"]) - 1)
    unet_stride = 2 ** (len(unet["block_out_channels"]) - 1)
    sample = unet.get("sample_size") or 64
    tile_px = int(extra.get("tile_px", int(sample) * vae_stride))
    multiple_px = int(extra.get("size_multiple_px", vae_stride * unet_stride))
    family, version = _name_of(folder, extra)
    return ModelCard(
        family=family,
        version=version,
        tile_px=tile_px,
        size_multiple_px=multiple_px,
        size_px_min=int(extra.get("size_px_min", max(multiple_px * 2, tile_px // 4))),
        size_px_max=int(extra.get("size_px_max", tile_px * 4)),
        steps=min(int(extra.get("steps", 25)), STEPS_MAX),
        guidance=min(float(extra.get("guidance", 7.0)), GUIDANCE_MAX),
        licence=str(extra.get("licence", "")),
    )


def _name_of(folder: Path, extra: Mapping[str, Any]) -> tuple[str, str]:
    """heddle.json first, else what the folders are called; version "1" when nobody says."""
    family, at, version = folder.name.partition("@")
    if not at and not (folder.parent / "model_index.json").exists() and _is_version(family):
        family, version = folder.parent.name, folder.name
    family = str(extra.get("family", extra.get("name", family)))
    version = str(extra.get("version", version or "1"))
    for word in (family, version):
        if not _NAME.fullmatch(word):
            raise Unusable(f"{folder}: {word!r} cannot name a model or version")
    return family, version


def _is_version(word: str) -> bool:
    return re.fullmatch(r"v?\d+([._-]\d+)*", word) is not None


def _model_folders(folder: Path) -> Iterator[Path]:
    """Folders with a model_index.json at most two levels down, in order of name."""
    if not folder.is_dir():
        raise Unusable(f"models folder {folder} does not exist")
    found = [folder] if (folder / "model_index.json").is_file() else []
    for pattern in ("*/model_index.json", "*/*/model_index.json"):
        found.extend(sorted(path.parent for path in folder.glob(pattern)))
    if len(found) > MODELS_MAX:
        raise Unusable(f"models folder {folder} holds {len(found)} models, at most {MODELS_MAX}")
    yield from found


def _version_order(version: str) -> tuple[tuple[int, str], ...]:
    """1.10 after 1.9: runs of digits count as numbers."""
    runs = re.findall(r"\d+|\D+", version)
    return tuple((int(run), "") if run.isdigit() else (-1, run) for run in runs)


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise Unusable(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{path} is no JSON") from error
    if not isinstance(found, dict):
        raise Unusable(f"{path} is no JSON object")
    return found
