"""Adapters from a folder of tiles: plain diffusers wears them, and bad folders are told so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from torch import Tensor

from inference.seamless import make_seamless
from schemas.errors import Unusable
from training import adapt, model, render, vocabulary
from training.adapter_commands import house
from training.export import Parts, pipeline
from training.folder import TILES_MAX, TILES_MIN, read_folder, write_folder
from training.lattice import Lattice

QUICK = adapt.Plan(steps=3, batch=2, rate=0.05)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of the shipped one's kind, in its folder."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    words = vocabulary.write(folder / "tokenizer")
    parts = Parts(
        autoencoder=model.autoencoder(model.TINY),
        unet=model.unet(model.TINY),
        text=model.text_encoder(model.TINY, len(words), words.eos_token_id),
        tokenizer=words,
        spread=1.0,
    )
    pipeline(parts).save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house's ten tiles."""
    folder = tmp_path_factory.mktemp("tiles")
    house("keyline", folder, TILES_MIN)
    return folder


def picture(pipe: StableDiffusionPipeline) -> Tensor:
    """The same tile every time."""
    pipe.set_progress_bar_config(disable=True)
    made: Tensor = pipe(
        "red dots", num_inference_steps=2, height=128, width=128, output_type="pt",
        generator=torch.Generator().manual_seed(0),
    ).images  # fmt: skip
    return made


def test_plain_diffusers_wears_what_was_trained(tiny: Path, tiles: Path, tmp_path: Path) -> None:
    """The stock loader reads the file onto every layer; taken off, the picture is as before."""
    target = tmp_path / "house.safetensors"
    made = adapt.adapt(tiny, read_folder(tiles), target, QUICK)
    assert made.steps == 3
    assert made.size_bytes == target.stat().st_size <= adapt.BYTES_MAX
    pipe = StableDiffusionPipeline.from_pretrained(tiny)
    layers = set(adapt.targets(pipe.unet))
    wrap = make_seamless(pipe, "straight")
    before = picture(pipe)
    pipe.load_lora_weights(tmp_path, weight_name=target.name, adapter_name="house")
    assert {name for name, part in pipe.unet.named_modules() if hasattr(part, "lora_A")} == layers
    wrap.cover()
    assert (picture(pipe) - before).abs().max() > 0.02
    pipe.unload_lora_weights()
    wrap.cover()
    assert torch.equal(picture(pipe), before)


def test_an_adapter_says_what_it_was_made_for(tiny: Path, tiles: Path, tmp_path: Path) -> None:
    """The hash of the weights it fits, and how it came about; the words stay untouched."""
    target = tmp_path / "house.safetensors"
    adapt.adapt(tiny, read_folder(tiles), target, replace(QUICK, steps=1, rank=2))
    with safe_open(target, framework="pt") as opened:
        facts, names = opened.metadata(), list(opened.keys())
        assert opened.get_tensor(names[0]).dtype == torch.float16
    assert facts["base"] == adapt.model_hash(tiny)
    assert (facts["steps"], facts["tiles"]) == ("1", str(TILES_MIN))
    assert all(name.startswith("unet.") for name in names)


def test_time_bounds_training(tiny: Path, tiles: Path, tmp_path: Path) -> None:
    """With no time at all there is a whole file of no steps, and wearing it changes nothing."""
    target = tmp_path / "house.safetensors"
    made = adapt.adapt(tiny, read_folder(tiles), target, replace(QUICK, wall_s_max=1e-9))
    assert made.steps == 0
    pipe = StableDiffusionPipeline.from_pretrained(tiny)
    before = picture(pipe)
    pipe.load_lora_weights(tmp_path, weight_name=target.name)
    assert (picture(pipe) - before).abs().max() < 1e-5


def test_the_rank_is_what_fits_the_shipped_unet() -> None:
    """The file stays within two megabytes, and the next rank would not, or there is none."""
    unet = model.unet(model.SHIPPED)
    rank, weights = adapt.fitting_rank(unet), sum(adapt.targets(unet).values())
    assert rank >= 4
    assert 2 * rank * weights <= adapt.BYTES_MAX
    more = [other for other in adapt.RANKS if other > rank]
    assert all(2 * other * weights > 0.9 * adapt.BYTES_MAX for other in more)


def test_a_house_is_a_folder_as_a_customer_brings_it(tiles: Path) -> None:
    """Pictures and lines come back: prompts without the style's name, lattices, pixels."""
    samples = read_folder(tiles)
    told = [json.loads(line) for line in (tiles / "tiles.jsonl").read_text().splitlines()]
    assert [one.prompt for one in samples] == [line["prompt"] for line in told]
    assert [one.lattice.value for one in samples] == [line["lattice"] for line in told]
    assert [list(one.repeats) for one in samples] == [line["repeats"] for line in told]
    assert not any("keyline" in one.prompt for one in samples)
    assert all(one.pixels.shape == (3, 256, 256) for one in samples)


def test_without_lines_file_names_are_the_prompts(tmp_path: Path) -> None:
    """Dashes are spaces, the lattice is straight, and other sizes are fitted."""
    one = render.Swatch(
        motif="dot", scale="small", lattice=Lattice.STRAIGHT, inks=("navy",), ground="cream"
    )
    write_folder(tmp_path, render.render([one], 64).repeat(10, 1, 1, 1), [{}] * 10)
    (tmp_path / "tiles.jsonl").unlink()
    (tmp_path / "tile-00.png").rename(tmp_path / "navy-dots_on-cream.png")
    samples = {sample.prompt: sample for sample in read_folder(tmp_path)}
    sample = samples["navy dots on cream"]
    assert sample.lattice is Lattice.STRAIGHT
    assert sample.repeats == (4, 4)
    assert (sample.pixels - render.render([one], 256)[0]).abs().mean() < 0.03


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "tile-00.png").unlink(), f"{TILES_MIN} to {TILES_MAX}"),
        (lambda f: (f / "tile-03.png").write_bytes(b"no picture"), "tile-03.png"),
        (lambda f: (f / "tiles.jsonl").write_text("{"), "line 1 is no JSON"),
        (lambda f: (f / "tiles.jsonl").write_text('\n{"file": "x.png"}'), "line 2"),
        (
            lambda f: (f / "tiles.jsonl").write_text('{"file": "tile-01.png", "lattice": "hex"}'),
            "'hex' is none of straight, half-drop, brick",
        ),
        (
            lambda f: (f / "tiles.jsonl").write_text('{"file": "tile-01.png", "prompt": 7}'),
            "tile-01.png: a prompt is text",
        ),
        (
            lambda f: (f / "tiles.jsonl").write_text('{"file": "tile-01.png", "repeats": [4, 33]}'),
            "tile-01.png: repeats are two whole numbers, across and down, of 1 to 32",
        ),
        (
            lambda f: (f / "tiles.jsonl").write_text(
                '{"file": "tile-01.png", "lattice": "half-drop", "repeats": [4, 3]}'
            ),
            "tile-01.png: repeats 4 x 3 do not fit half-drop",
        ),
    ],
)
def test_a_bad_folder_is_told_what_is_wrong(tmp_path: Path, spoil: object, told: str) -> None:
    """The file or line at fault and the limit, as wrong usage; before anything is trained."""
    blank = torch.rand(TILES_MIN, 3, 16, 16)
    write_folder(tmp_path, blank, [{"prompt": "dots"}] * TILES_MIN)
    spoil(tmp_path)
    with pytest.raises(Unusable, match=told) as refused:
        read_folder(tmp_path)
    assert refused.value.exit_code == 2


def test_no_folder_and_no_model_are_told(tmp_path: Path, tiles: Path) -> None:
    """By their paths."""
    with pytest.raises(Unusable, match="nowhere is no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(Unusable, match="cannot load model"):
        adapt.adapt(tmp_path, read_folder(tiles), tmp_path / "a.safetensors", QUICK)


def test_sides_must_agree(tmp_path: Path) -> None:
    """A picture that is not square is no tile of ours: what to cut is for its owner to say."""
    write_folder(tmp_path, torch.rand(10, 3, 16, 24), [{"prompt": "dots"}] * 10)
    with pytest.raises(Unusable, match=r"tile-00\.png is 24 x 16 px: not square"):
        read_folder(tmp_path)
