"""The diffusion loom: independent rows, joining and leaving, adapters, any words, no network."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline

from inference.diffusion import DiffusionEngine
from inference.engine import Ended, Row, Tile
from inference.seamless import make_seamless
from inference.settings import LoomSettings
from inference.whole import run
from schemas.errors import Rejected, Transient
from tests.unit.inference.tiny import TILE_PX, drawn, row

LEVELS_MAX = 1
"""A tile made in a batch may differ from the one made alone by rounding: one level of 255."""

MODELS = pytest.mark.parametrize("model", ["sd", "xl"])


def _levels(a: Tile, b: Tile) -> int:
    return int(np.abs(a.pixels.astype(int) - b.pixels.astype(int)).max())


def _mixed(model: str) -> list[Row]:
    """Rows that differ in everything that may differ inside one batch."""
    return [
        row(pattern_id="a.1", model=model, seed=1, prompt="rose stripes"),
        row(pattern_id="b.1", model=model, seed=2, prompt="", guidance=1.0, steps=1),
        row(pattern_id="c.1", model=model, seed=3, lattice="half-drop", guidance=7.5, steps=5),
        row(pattern_id="d.1", model=model, seed=4, lattice="brick", negative_prompt="red"),
    ]


@MODELS
def test_a_tile_does_not_depend_on_its_neighbours(
    shared_engine: DiffusionEngine, model: str
) -> None:
    """Alone or among rows of other lattices, steps and guidance: the same picture."""
    rows = _mixed(model)
    together = drawn(shared_engine, rows)
    reversed_order = drawn(shared_engine, rows[::-1])[::-1]
    for one, tile, turned in zip(rows, together, reversed_order, strict=True):
        alone = drawn(shared_engine, [one])[0]
        assert _levels(alone, tile) <= LEVELS_MAX
        assert _levels(alone, turned) <= LEVELS_MAX
        assert (tile.batch_rows, alone.batch_rows) == (4, 1)
    assert [tile.batch_slot for tile in together] == [0, 1, 2, 3]


@MODELS
def test_a_row_may_join_at_any_step(shared_engine: DiffusionEngine, model: str) -> None:
    """Whenever it boards beside rows unlike it, a row ends as if it had flown alone."""
    early = row(pattern_id="a.1", model=model, steps=5, lattice="brick")
    late = row(pattern_id="b.1", model=model, seed=9, steps=2, guidance=7.5)
    alone = [drawn(shared_engine, [one])[0] for one in (early, late)]
    for joins_at in (1, 4):
        ends: dict[int, Any] = {}
        (first,) = shared_engine.add([early])
        aboard = [first]
        for at in range(7):
            if at == joins_at:
                aboard += shared_engine.add([late])
            if aboard:
                ends |= shared_engine.step([slot for slot in aboard if isinstance(slot, int)])
            aboard = [slot for slot in aboard if slot not in ends]
        assert sorted(ends) == [0, 1]
        for slot in (0, 1):
            assert _levels(alone[slot], ends[slot]) <= LEVELS_MAX, joins_at
            assert ends[slot].batch_rows == 2
    shared_engine.spent()


def test_batches_of_two_keys_take_turns(shared_engine: DiffusionEngine) -> None:
    """Another size, model or adapter set flies in a batch of its own, aboard at the same time."""
    base = row(pattern_id="a.1")
    others = [
        row(pattern_id="b.1", width_px=96),
        row(pattern_id="c.1", adapters=(("linear", 1.0),)),
        row(pattern_id="d.1", model="xl"),
    ]
    for other in others:
        slots = [*shared_engine.add([base]), *shared_engine.add([other])]
        ends: dict[int, Any] = {}
        while len(ends) < 2:
            for slot in slots:
                if isinstance(slot, int) and slot not in ends:
                    ends |= shared_engine.step([slot])
        shared_engine.spent()
        for slot, one in enumerate((base, other)):
            assert _levels(drawn(shared_engine, [one])[0], ends[slot]) <= LEVELS_MAX
    assert ends[0].pixels.shape == (TILE_PX, TILE_PX, 3)


def test_a_decoding_that_failed_is_taken_again(
    shared_engine: DiffusionEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row has no step left then; the next step only makes its picture, the same one."""
    one = row(steps=2)
    expected = drawn(shared_engine, [one])[0]
    vae = shared_engine._loaded["sd@1"].pipe.vae
    (slot,) = shared_engine.add([one])
    assert isinstance(slot, int)
    assert shared_engine.step([slot]) == {}
    with monkeypatch.context() as broken:
        broken.setattr(vae, "decode", lambda _: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(Transient, match="failed in decode"):
            shared_engine.step([slot])
    (tile,) = shared_engine.step([slot]).values()
    assert isinstance(tile, Tile)
    assert np.array_equal(tile.pixels, expected.pixels)
    kinds = [forward.kind for forward in shared_engine.spent()]
    assert kinds == ["encode", "denoise", "decode", "decode"]


@pytest.mark.parametrize("lattice", ["straight", "half-drop"])
def test_plain_diffusers_draws_the_same_picture(
    shared_engine: DiffusionEngine, shelf: Path, lattice: str
) -> None:
    """The stock pipeline, made seamless by the one public call, agrees within one level."""
    folder = shelf / "models" / "sd"
    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    make_seamless(pipe, lattice)
    image = pipe(
        "navy dots on cream",
        num_inference_steps=6,
        guidance_scale=4.0,
        width=TILE_PX,
        height=TILE_PX,
        generator=torch.Generator("cpu").manual_seed(11),
        output_type="np",
    ).images[0]
    ours = drawn(shared_engine, [row(seed=11, steps=6, guidance=4.0, lattice=lattice)])[0]
    assert np.abs(ours.pixels.astype(float) - image * 255).max() <= 1.5


def test_plain_diffusers_xl_draws_the_same_picture(
    shared_engine: DiffusionEngine, shelf: Path
) -> None:
    """Two encoders, zeros for nothing said and the size conditions are as in the stock pipeline."""
    folder = shelf / "models" / "xl"
    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipe.scheduler = DDIMScheduler.from_config(
        pipe.scheduler.config, clip_sample=False, set_alpha_to_one=True
    )
    pipe.set_progress_bar_config(disable=True)
    make_seamless(pipe, "brick")
    image = pipe(
        "navy dots on cream",
        num_inference_steps=5,
        guidance_scale=4.0,
        width=TILE_PX,
        height=TILE_PX,
        generator=torch.Generator("cpu").manual_seed(11),
        output_type="np",
    ).images[0]
    one = row(model="xl", seed=11, steps=5, guidance=4.0, lattice="brick")
    assert np.abs(drawn(shared_engine, [one])[0].pixels - image * 255).max() <= 1.5


@MODELS
@pytest.mark.parametrize("name", ["peft", "kohya"])
def test_adapters_of_both_formats_change_the_picture(
    shared_engine: DiffusionEngine, model: str, name: str
) -> None:
    """The LoRA shows, more at a higher scale; at 0 and after it the model is as before."""
    base = drawn(shared_engine, [row(model=model)])[0]
    half, full, off = (
        drawn(shared_engine, [row(model=model, adapters=((name, scale),))])[0]
        for scale in (0.5, 1.0, 0.0)
    )
    assert _levels(full, base) > 8
    assert _levels(half, full) > 2
    assert np.array_equal(off.pixels, base.pixels)
    assert np.array_equal(drawn(shared_engine, [row(model=model)])[0].pixels, base.pixels)
    assert f"adapter {name}" in full.versions


@MODELS
def test_adapted_tiles_still_wrap(shared_engine: DiffusionEngine, model: str) -> None:
    """With a LoRA on convolutions the wrap is a line like any other, in a half-drop too."""
    one = row(model=model, lattice="half-drop", adapters=(("peft", 1.0),))
    tile = drawn(shared_engine, [one])[0].pixels.astype(int)
    inside = np.abs(np.diff(tile, axis=1)).mean(axis=(0, 2))
    across = np.abs(tile[:, -1] - np.roll(tile[:, 0], TILE_PX // 2, axis=0)).mean()
    assert across <= 1.3 * np.percentile(inside, 99)


def test_adapters_come_and_go_within_their_limit(shared_engine: DiffusionEngine) -> None:
    """Two fit; using a third and the first again changes nothing in what they draw."""
    sets: list[tuple[tuple[str, float], ...]] = [
        (("peft", 1.0),),
        (("kohya", 1.0),),
        (("linear", 1.0),),
        (("peft", 1.0),),
        (("peft", 0.7), ("linear", 0.4)),
        (("peft", 1.0),),
    ]
    tiles = [drawn(shared_engine, [row(adapters=one)])[0].pixels for one in sets]
    assert np.array_equal(tiles[0], tiles[3])
    assert np.array_equal(tiles[0], tiles[5])
    assert not np.array_equal(tiles[0], tiles[4])


def test_adapters_that_do_not_fit_harm_nobody(settings: LoomSettings, tmp_path: Path) -> None:
    """Foreign layers, wrong shapes, pickles and paths are refused; the model stays as it was."""
    from safetensors.torch import save_file  # noqa: PLC0415

    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    save_file(
        {f"{layer}.lora_A.weight": torch.ones(4, 99), f"{layer}.lora_B.weight": torch.ones(99, 4)},
        tmp_path / "shape.safetensors",
    )
    save_file({"unet.nowhere.lora_A.weight": torch.ones(4, 4)}, tmp_path / "foreign.safetensors")
    save_file({"cheese": torch.ones(4, 4)}, tmp_path / "cheese.safetensors")
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04\x95" + b"x" * 100)
    (tmp_path / "plain.pt").write_bytes(b"\x80\x04\x95")
    engine = DiffusionEngine(replace(settings, adapters_folders=(tmp_path,)))
    base = drawn(engine, [row()])[0]
    for name in ("shape", "foreign", "cheese", "pickle", "plain", "absent", "../sd", ""):
        (end,) = run(engine, [row(adapters=((name, 1.0),))]).ends
        assert isinstance(end, Ended), name
        assert (end.outcome, end.field) == ("rejected", "adapters"), name
        assert str(tmp_path) not in end.reason
        assert np.array_equal(drawn(engine, [row()])[0].pixels, base.pixels), name


@MODELS
@pytest.mark.parametrize(
    "prompt", ["", " ", "rose " * 2000, "😀" * 10_000, "\ud800 broken", "\x00\x07", "ROSE\n\n"]
)
def test_any_words_make_a_tile(shared_engine: DiffusionEngine, model: str, prompt: str) -> None:
    """Nothing anybody types breaks the loom; what was cut is counted."""
    tile = drawn(shared_engine, [row(model=model, prompt=prompt, steps=1)])[0]
    assert (tile.tokens_cut > 0) == (len(prompt) > 1000)


def test_prompts_are_never_printed(
    shared_engine: DiffusionEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    """Too long a prompt makes the vendors quote it in a warning; here nobody does."""
    drawn(shared_engine, [row(prompt="secretword " * 200, negative_prompt="hidden " * 200)])
    out, err = capfd.readouterr()
    assert "secretword" not in out + err + repr(row(prompt="secretword"))
    assert "hidden" not in out + err


def test_a_cancelled_row_leaves_at_the_next_step(shared_engine: DiffusionEngine) -> None:
    """Its neighbour goes on undisturbed, and pays alone from then on."""
    steps_seen: list[int] = []
    rows = [row(pattern_id="stay.1", steps=6), row(pattern_id="go.1", steps=6)]
    batch = run(
        shared_engine,
        rows,
        cancelled=lambda name: name == "go.1" and len(steps_seen) >= 2,
        on_step=steps_seen.append,
    )
    stayed, gone = batch.ends
    assert isinstance(gone, Ended)
    assert gone.outcome == "cancelled"
    assert isinstance(stayed, Tile)
    assert _levels(stayed, drawn(shared_engine, [rows[0]])[0]) <= LEVELS_MAX
    denoise = [one for one in batch.forwards if one.kind == "denoise"]
    assert [len(one.parts) for one in denoise] == [2, 1]
    assert steps_seen == [1, 2, 3, 4, 5, 6]


def test_bad_rows_beside_good_ones(shared_engine: DiffusionEngine) -> None:
    """Every kind of impossible row ends in its own place, by name and limit."""
    rows = [
        row(model="nobody"),
        row(seed=5),
        row(width_px=62),
        row(lattice="half-drop", height_px=TILE_PX + 4),
    ]
    ends = run(shared_engine, rows).ends
    fields = [end.field if isinstance(end, Ended) else "" for end in ends]
    assert fields == ["model", "", "width_px", "height_px"]
    with pytest.raises(Rejected, match="no model"):
        shared_engine.key(rows[0])


def test_a_picture_that_is_not_finite_is_a_failure(settings: LoomSettings) -> None:
    """Weights that overflow give an honest end, not a black tile."""
    engine = DiffusionEngine(settings)
    engine.warm()
    loaded = engine._loaded["sd@1"]
    with torch.no_grad():
        loaded.pipe.unet.conv_out.bias.fill_(float("nan"))
    (end,) = run(engine, [row()]).ends
    assert isinstance(end, Ended)
    assert end.outcome == "failed"


def test_too_little_memory_means_smaller_forwards(
    settings: LoomSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a forward does not fit, the same rows go in smaller portions; one alone is Transient."""
    engine = DiffusionEngine(settings)
    rows = [row(pattern_id=f"r.{at}", seed=at) for at in range(5)]
    expected = drawn(engine, rows)
    unet = engine._loaded["sd@1"].pipe.unet
    fits, real = [4], unet.forward

    def forward(sample: Any, *args: Any, **more: Any) -> Any:
        if len(sample) > fits[0]:
            raise torch.OutOfMemoryError
        return real(sample, *args, **more)

    monkeypatch.setattr(unet, "forward", forward)
    for tile, one in zip(expected, drawn(engine, rows), strict=True):
        assert _levels(tile, one) <= LEVELS_MAX
        assert one.batch_rows <= 2  # each guided row takes two places
    fits[0] = 0
    with pytest.raises(Transient, match="memory"):
        run(engine, rows[:1])


def test_no_network_is_ever_touched(
    settings: LoomSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading both kinds of model and an adapter opens no socket."""

    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    engine = DiffusionEngine(settings)
    for model in ("sd", "xl"):
        drawn(engine, [row(model=model, adapters=(("peft", 1.0),), steps=1)])
    engine.close()
    engine.close()
