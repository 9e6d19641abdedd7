"""From a model folder to a model in memory, ready to weave.

Reads local safetensors only: no network, no pickle, no code from the folder. It refuses pipelines
whose UNet takes anything but noise, a timestep and text (inpainting, image-to-image, LCM students).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, get_args

import diffusers
import huggingface_hub.constants
import torch
import transformers

from inference.adapters import AdapterRack
from inference.models import Model
from inference.seamless import Wrap, make_seamless
from inference.settings import Device, Dtype, LoomSettings
from inference.solvers import Schedule, schedule_from
from schemas.errors import Unusable

# Belt and braces: every load below also says local_files_only.
huggingface_hub.constants.HF_HUB_OFFLINE = True
# Both libraries warn with the text of a prompt in the message; prompts are never logged. Set before
# the first pipeline class is touched, which loads (and warns) lazily.
diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

_PIPELINES: Final[Mapping[str, Any]] = {
    "StableDiffusionPipeline": diffusers.StableDiffusionPipeline,
    "StableDiffusionXLPipeline": diffusers.StableDiffusionXLPipeline,
}
_DTYPES: Final[Mapping[str, torch.dtype]] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# What a pipeline folder may hold and a loom does not use: filters of pictures and image prompts.
_LEFT_OUT: Final = ("safety_checker", "feature_extractor", "image_encoder")


@dataclass(slots=True, kw_only=True)
class Loaded:
    """A model in memory."""

    model: Model
    pipe: Any
    """A diffusers pipeline, used for its parts and its adapter loader, never called."""
    wrap: Wrap
    schedule: Schedule
    adapters: AdapterRack
    model_hash: str
    device: torch.device
    dtype: torch.dtype
    """Of UNet and text encoders. The VAE is float32: half precision bands flat colours."""
    is_xl: bool


def choose_device(settings: LoomSettings) -> tuple[torch.device, torch.dtype]:
    """The device and dtype the settings mean here. Raises Unusable when there is no such GPU."""
    for name, value, known in (
        ("device", settings.device, get_args(Device)),
        ("dtype", settings.dtype, get_args(Dtype)),
    ):
        if value not in known:
            raise Unusable(f"{name} is set to {value!r}, it may be {' | '.join(known)}")
    has_gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise Unusable(
            "device is set to cuda and torch sees no NVIDIA GPU here: set it to cpu or auto, or "
            "check the driver with nvidia-smi"
        )
    device = "cuda" if has_gpu and settings.device != "cpu" else "cpu"
    dtype = settings.dtype
    if dtype == "auto":
        dtype = "float16" if device == "cuda" else "float32"
    return torch.device(device), _DTYPES[dtype]


def load(model: Model, settings: LoomSettings) -> Loaded:
    """Read a model into memory, seamless. Raises Unusable naming the file or folder at fault."""
    device, dtype = choose_device(settings)
    model_hash = model.model_hash()  # also checks every weight file, before anything is opened
    pipe = _open(model, dtype)
    _check_parts(model, pipe)
    for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
        part = getattr(pipe, name, None)
        if part is not None:
            part.to(device=device, dtype=torch.float32 if name == "vae" else dtype)
            part.eval().requires_grad_(requires_grad=False)
    if device.type == "cpu":
        # A quarter faster there; the UNet's small feature maps gain nothing by it.
        pipe.vae.to(memory_format=torch.channels_last)
    wrap = make_seamless(pipe, "straight")
    return Loaded(
        model=model,
        pipe=pipe,
        wrap=wrap,
        schedule=schedule_from(pipe.scheduler.config),
        adapters=AdapterRack(
            pipe,
            wrap,
            folders=settings.adapters_folders,
            resident_max=settings.adapters_resident_max,
        ),
        model_hash=model_hash,
        device=device,
        dtype=dtype,
        is_xl=model.pipeline == "StableDiffusionXLPipeline",
    )


def library_versions() -> dict[str, str]:
    """Every library whose version may change a pixel."""
    names = ("torch", "diffusers", "transformers", "tokenizers", "peft")
    return {name: version(name) for name in names}


def _open(model: Model, dtype: torch.dtype) -> Any:
    kind = _PIPELINES[model.pipeline]
    # Passing None for a part that a pipeline class does not know is an error of its own.
    known = set(kind._optional_components)
    options: dict[str, Any] = {name: None for name in _LEFT_OUT if name in known}
    if "safety_checker" in known:
        options["requires_safety_checker"] = False
    try:
        return kind.from_pretrained(
            model.folder,
            torch_dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            variant=_variant(model),
            **options,
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError) as error:
        raise Unusable(f"cannot load model {model.folder}: {error}") from error


def _variant(model: Model) -> str | None:
    """ "fp16" for a folder that was published in half precision only."""
    names = [path.name for path in model.weights() if path.parent.name == "unet"]
    return "fp16" if names and all(".fp16." in name for name in names) else None


def _check_parts(model: Model, pipe: Any) -> None:
    """The UNet must take what the loom gives it and nothing else."""
    config, channels = pipe.unet.config, pipe.vae.config.latent_channels
    added = config.addition_embed_type
    xl = model.pipeline == "StableDiffusionXLPipeline"
    # "text" pools the caption's own tokens inside the UNet: the loom gives it nothing more.
    wanted = ("text_time",) if xl else (None, "text")
    problems = {
        f"unet/config.json: in_channels {config.in_channels} beside {channels} latent channels": (
            config.in_channels == channels
        ),
        f"unet/config.json: addition_embed_type {added!r}": added in wanted,
        "unet/config.json: class embeddings": config.class_embed_type is None,
        "unet/config.json: time_cond_proj_dim": config.time_cond_proj_dim is None,
    }
    wrong = [problem for problem, fine in problems.items() if not fine]
    if wrong:
        raise Unusable(f"{model.folder} is not a model this loom runs: {'; '.join(wrong)}")
