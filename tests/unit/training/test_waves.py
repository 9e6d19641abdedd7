"""Lattice waves: one period per repeat of what is drawn, and the same across every edge."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from inference.seamless import make_seamless
from training import latents, placing, render, repeats
from training.folder import Sample
from training.latents import ShardPlan, Shards, write_shard
from training.lattice import Lattice, window
from training.model import (
    LATENT_STRIDE,
    PICTURE_CHANNELS,
    TINY,
    autoencoder,
    scheduler,
)
from training.motifs import NAMES, SCALES
from training.waves import CHANNELS, HEIGHT, Plane, periods, waves, ways

LATTICES = list(Lattice)


@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("lattice", LATTICES)
def test_waves_run_on_across_every_edge(lattice: Lattice, side: int) -> None:
    """A plane wave moved is the same wave turned by one angle, wherever the window is put."""
    drawn = partial(latents.named, tile_px=side * LATENT_STRIDE)
    for motif in NAMES:
        for scale in (one for one in SCALES if drawn(motif, one)):
            wave = waves(motif, scale, lattice, side)
            assert wave.shape == (CHANNELS, side, side)
            for right, down in ((1, 0), (0, 1), (side // 2, 3)):
                moved = window(wave, lattice, right, down)
                for first in (0, 2):
                    before = torch.complex(wave[first], wave[first + 1])
                    after = torch.complex(moved[first], moved[first + 1])
                    turn = after / before
                    assert (turn - turn[0, 0]).abs().max() < 1e-3
                    assert before.abs().sub(HEIGHT).abs().max() < 1e-4


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("motif", [name for name in NAMES if name != "terrazzo"])
def test_equal_waves_mean_equal_cloth(motif: str, lattice: Lattice) -> None:
    """Every move that leaves the waves as they are leaves the cloth as it is, and some do."""
    generator = torch.Generator().manual_seed(NAMES.index(motif))
    group = (motif, "medium", lattice)
    many = (render.draw_swatch(group, generator) for _ in range(200))
    swatch = next(one for one in many if len(one.inks) < 3)  # A third dyes every second cell.
    tile = render.render([swatch], 128)[0]
    wave = waves(motif, "medium", lattice, 128)
    alike = (wave - wave[:, :1, :1]).abs().amax(0) < 1e-3
    moves = torch.nonzero(alike).tolist()
    assert len(moves) >= 4
    for down, right in moves:
        assert (window(tile, lattice, right, down) - tile).abs().max() < 2e-3


@pytest.mark.parametrize("tile_px", [64, 128])
def test_shards_pair_tiles_with_the_waves_of_what_they_show(tmp_path: Path, tile_px: int) -> None:
    """Small tiles have the waves of the corner of a whole tile that they are labelled as."""
    side = tile_px // LATENT_STRIDE
    model = autoencoder(TINY).eval()
    plan = ShardPlan(tile_px=tile_px, tiles=64)
    write_shard(model, make_seamless(model), tmp_path, index=0, plan=plan)
    shards = Shards(tmp_path, tile_px)
    generator = torch.Generator().manual_seed(0)
    seen = 0
    for lattice in filter(shards.holds, LATTICES):
        pictures, places, rows = shards.batch(lattice, 16, generator)
        assert pictures.shape == places.shape == (16, CHANNELS, side, side)
        for place, row in zip(places, rows, strict=True):
            motif, scale = NAMES[row[0]], SCALES[row[1]]
            if motif not in {"wave", "terrazzo"}:  # Their counts do not halve.
                corner = waves(motif, scale, lattice, 32)[:, :side, :side]
                assert (place - corner).abs().max() < 1e-3
                seen += 1
    assert seen > 10


class Telling:
    """Stands where the UNet stands: the picture it guesses is as wrong as the waves it is shown."""

    def __init__(self, picture: torch.Tensor, waves: torch.Tensor) -> None:
        self.picture, self.waves = picture, waves
        self.alphas = scheduler().alphas_cumprod

    def __call__(
        self, noisy: torch.Tensor, steps: torch.Tensor, words: torch.Tensor
    ) -> SimpleNamespace:
        assert len(words) == len(steps) == len(noisy)
        kept = self.alphas[steps].sqrt()[:, None, None, None]
        lost = (1 - self.alphas[steps]).sqrt()[:, None, None, None]
        shown = noisy[:, PICTURE_CHANNELS:] / kept
        guess = torch.cat([self.picture + shown - self.waves, shown], 1)
        return SimpleNamespace(sample=(kept * noisy - guess) / lost)


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("turns", [(0.0, 0.0), (0.25, 0.5), (0.875, 0.375)])
def test_tiles_are_placed_where_the_model_knows_the_picture(
    lattice: Lattice, turns: tuple[float, float]
) -> None:
    """Of all waves with so many periods, those with which it is denoised best; staggered or not."""
    for staggered in ways(4, 2, lattice):
        truth = Plane(periods=(4, 2), lattice=lattice, staggered=staggered, turns=turns).waves(16)
        picture = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(1))
        pipe = SimpleNamespace(unet=Telling(picture, truth), scheduler=scheduler())
        sample = Sample(
            prompt="hearts", lattice=lattice, pixels=torch.zeros(3, 128, 128), repeats=(4, 2)
        )
        found = placing.place(pipe, sample, picture, torch.zeros(1, 48, TINY.text_width))
        assert (found.waves(16) - truth).abs().max() < 1e-3


@pytest.mark.parametrize("lattice", LATTICES)
def test_a_moved_window_has_moved_waves(lattice: Lattice) -> None:
    """Waves at an offset are those of the cloth seen from there."""
    for staggered in ways(4, 6, lattice):
        plane = Plane(periods=(4, 6), lattice=lattice, staggered=staggered, turns=(0.1, 0.7))
        seen = window(plane.waves(16), lattice, 3, 3)
        assert (plane.waves(16, moved=3 / 16) - seen).abs().max() < 1e-3


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("motif", ["heart", "ring", "gingham", "daisy", "diamond"])
def test_pixels_tell_how_often_a_tile_repeats(motif: str, lattice: Lattice) -> None:
    """As often as it was drawn; loose chips never do."""
    generator = torch.Generator().manual_seed(2)
    many = (render.draw_swatch((motif, "medium", lattice), generator) for _ in range(200))
    tile = render.render([next(one for one in many if len(one.inks) < 3)], 256)[0]
    assert repeats.count(tile, lattice, 32) == periods(motif, "medium")
    chips = render.draw_swatch(("terrazzo", "medium", lattice), generator)
    assert repeats.count(render.render([chips], 256)[0], lattice, 32) == (1, 1)
    assert repeats.count(torch.full((3, 64, 64), 0.5), lattice, 8) == (1, 1)
