"""Training from nothing to a diffusers folder, with nets so small that it takes seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline

from inference.seamless import make_seamless
from training import autoencode, course, diffuse, latents, reader, render
from training.draw import Drawer
from training.export import Card
from training.lattice import Lattice, right_neighbour
from training.model import TINY, autoencoder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> course.Course:
    return course.Course(
        folder=Path(tmp_path_factory.mktemp("run")),
        shape=TINY,
        shards=1,
        shard_tiles=64,
        autoencode=autoencode.Plan(steps=2, batch=2, pool=8),
        reader=reader.Plan(steps=2, batch=4),
        diffuse=diffuse.Plan(steps=4, batch=2, save_every=2),
    )


@pytest.fixture(scope="module")
def trained(small: course.Course) -> diffuse.Progress:
    return course.train(small)


def test_training_runs_through_all_stages(trained: diffuse.Progress) -> None:
    """Every stage leaves its result, and the losses are numbers."""
    assert trained.step == 4
    assert trained.loss == trained.loss
    assert trained.samples > 0


def test_training_goes_on_where_it_stopped(small: course.Course, trained: diffuse.Progress) -> None:
    """A second call with more steps starts at the checkpoint, not at nothing."""
    more = replace(small, diffuse=replace(small.diffuse, steps=6))
    again = course.weave(more)
    assert again.step == 6
    assert again.samples > trained.samples
    assert again.spread == trained.spread


def test_plain_diffusers_loads_what_is_exported(
    small: course.Course, trained: diffuse.Progress, tmp_path: Path
) -> None:
    """The folder needs no code of ours, holds safetensors alone, and draws a finite picture."""
    del trained
    size_bytes = course.ship(small, tmp_path / "model", Card())
    assert 0 < size_bytes < 24_000_000
    assert not list(tmp_path.rglob("*.bin"))
    pipe = DiffusionPipeline.from_pretrained(tmp_path / "model")
    tile = pipe("red hearts", num_inference_steps=2, output_type="pt").images
    assert tile.shape == (1, 3, 256, 256)
    assert torch.isfinite(tile).all()


def test_drawing_is_equivariant_to_the_wrap(
    small: course.Course, trained: diffuse.Progress, tmp_path: Path
) -> None:
    """Decoding the next unit's latents gives the next unit: the seam is no special place."""
    del trained
    course.ship(small, tmp_path / "model", Card())
    drawer = Drawer.load(tmp_path / "model")
    drawer.wrap.use(Lattice.HALF_DROP)
    here = torch.randn(1, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    after = right_neighbour(here, Lattice.HALF_DROP)
    shifted = torch.cat([here[..., 8:], after[..., :8]], -1)
    with torch.no_grad():
        whole = drawer.pipe.vae.decode(here).sample
        moved = drawer.pipe.vae.decode(shifted).sample
    expected = torch.cat([whole[..., 64:], right_neighbour(whole, Lattice.HALF_DROP)[..., :64]], -1)
    assert (moved - expected).abs().max() < 1e-4


def test_a_unit_laid_out_is_the_whole_tile_encoded() -> None:
    """Shards encode one unit of a tile that repeats inside; the latents are those of all of it."""
    torch.manual_seed(0)
    model = autoencoder(TINY).eval()
    wrap = make_seamless(model)
    generator = torch.Generator().manual_seed(2)
    for lattice in Lattice:
        group = ("heart", "tiny", lattice)
        tiles = render.render([render.draw_swatch(group, generator) for _ in range(2)], 128)
        height, width = latents.unit_px(tiles, lattice)
        assert height * width < 128 * 128
        whole = autoencode.encode(model, wrap, tiles, lattice)
        assert (latents.encoded(model, wrap, tiles, lattice) - whole).abs().max() < 1e-4
    single = render.render([render.draw_swatch(("heart", "large", Lattice.BRICK), generator)], 64)
    assert latents.unit_px(single, Lattice.BRICK) == (64, 64)


def test_training_can_begin_from_a_shipped_folder(
    small: course.Course, trained: diffuse.Progress, tmp_path: Path
) -> None:
    """Autoencoder and text encoder are taken as they are; what a run already has stays."""
    del trained
    course.ship(small, tmp_path / "model", Card())
    fresh = replace(small, folder=tmp_path / "run")
    course.begin_from(fresh, tmp_path / "model")
    held = AutoencoderKL.from_pretrained(tmp_path / "model/vae").float()
    kept = course.prepare(fresh)
    tile = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wide, narrow = held.encode(tile).latent_dist, kept.encode(tile).latent_dist
        assert (wide.mean[:, :4] - narrow.mean).abs().max() < 1e-5
        assert (wide.logvar[:, :4] - narrow.logvar).abs().max() < 1e-5
        assert not wide.mean[:, 4:].any()
        drawn = held.decode(torch.cat([narrow.mean, torch.randn_like(narrow.mean)], 1)).sample
        assert (drawn - kept.decode(narrow.mean).sample).abs().max() < 1e-5
    stamp = (fresh.folder / "reader.safetensors").stat().st_mtime_ns
    course.begin_from(fresh, tmp_path / "model")
    assert (fresh.folder / "reader.safetensors").stat().st_mtime_ns == stamp
