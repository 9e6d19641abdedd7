"""Lattice waves: one period per repeat of what is drawn, and the same across every edge."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from inference.seamless import make_seamless
from training import diffuse, latents, placing, render
from training.latents import ShardPlan, Shards, write_shard
from training.lattice import Lattice, window
from training.model import (
    LATENT_STRIDE,
    PICTURE_CHANNELS,
    TINY,
    autoencoder,
    scheduler,
    text_encoder,
    unet,
)
from training.motifs import NAMES, SCALES
from training.vocabulary import write
from training.waves import CHANNELS, HEIGHT, waves

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


class Knowing:
    """Stands where the UNet stands and knows what is behind the noise."""

    def __init__(self, clean: torch.Tensor) -> None:
        self.clean = clean
        self.alphas = scheduler().alphas_cumprod

    def __call__(
        self, noisy: torch.Tensor, steps: torch.Tensor, words: torch.Tensor
    ) -> SimpleNamespace:
        kept = self.alphas[steps].sqrt()[:, None, None, None]
        lost = (1 - self.alphas[steps]).sqrt()[:, None, None, None]
        return SimpleNamespace(sample=(kept * noisy - self.clean) / lost)


def some_clean() -> torch.Tensor:
    """Three latents of hearts with their waves."""
    pictures = torch.randn(3, PICTURE_CHANNELS, 16, 16, generator=torch.Generator().manual_seed(1))
    place = waves("heart", "small", Lattice.STRAIGHT, 16).expand(3, -1, -1, -1)
    return torch.cat([pictures, place], 1)


def test_waves_that_are_left_out_are_asked_for(tmp_path: Path) -> None:
    """A model that knows the truth has no loss, in rows that see waves and in rows that do not."""
    words = write(tmp_path / "tokenizer")
    model = torch.nn.ModuleDict(
        {"unet": unet(TINY), "text": text_encoder(TINY, len(words), words.eos_token_id)}
    )
    run = diffuse.Run(model, words, plan=diffuse.Plan(), folder=tmp_path, device="cpu")
    clean = some_clean()
    run.guess = Knowing(clean)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(2))
    steps, ids = torch.tensor([250, 300, 800]), torch.zeros(3, 48, dtype=torch.long)
    for blind in ([False, False, False], [True, False, True]):
        loss = run._loss(clean, noise, steps, ids, blind=torch.tensor(blind))
        assert float(loss) < 1e-8
    run.guess = Knowing(torch.cat([clean[:, :PICTURE_CHANNELS], -clean[:, PICTURE_CHANNELS:]], 1))
    assert float(run._loss(clean, noise, steps, ids, blind=torch.tensor([True] * 3))) > 1


def test_a_model_that_knows_places_tiles_exactly() -> None:
    """Whatever noise is shown, what is found are the waves, at their own height."""
    clean = some_clean()
    pipe = SimpleNamespace(unet=Knowing(clean), scheduler=scheduler())
    words = torch.zeros(3, 48, TINY.text_width)
    generator = torch.Generator().manual_seed(3)
    found = placing.place(pipe, clean[:, :PICTURE_CHANNELS], words, generator)
    assert (found - clean[:, PICTURE_CHANNELS:]).abs().max() < 1e-4
