"""The enlarging network learns in two phases from pairs that fit, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from schemas.errors import Unusable
from training import superres, superres_pool
from training.state import load_state
from training.superres import Plan
from training.superres_net import Compact, plant
from training.superres_pool import CROP_PX, HELD_OUT_SEED, KINDS, SCALE

TILE_PX = 64


def softened(tile: Tensor, _lattice: str, _generator: torch.Generator) -> Tensor:
    """A plain blur in place of an autoencoder: the pool asks for no more than a picture."""
    wrapped = functional.pad(tile[None], (1, 1, 1, 1), mode="circular")
    return functional.avg_pool2d(wrapped, 3, 1)[0]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One part of small tiles."""
    folder = tmp_path_factory.mktemp("pool")
    superres_pool.fill(folder, softened, tiles=1, tile_px=TILE_PX)
    return folder


def copied(pool: Path, folder: Path) -> Path:
    """The pool without anybody's checkpoints."""
    for part in pool.glob("crops-*.safetensors"):
        (folder / part.name).hardlink_to(part)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_small_and_large_are_the_same_cloth(kind: str) -> None:
    """No kind is shifted against its large picture: in its own place it fits better than beside."""
    errors = dict.fromkeys(((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)), 0.0)
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + 6):
        pair = superres_pool.pair(seed, softened, kind=kind, tile_px=TILE_PX)
        assert pair.kind == kind
        averaged = functional.avg_pool2d(pair.large, SCALE)
        for shift in errors:
            errors[shift] += float((pair.small.roll(shift, (1, 2)) - averaged).square().mean())
    assert min(errors, key=lambda shift: errors[shift]) == (0, 0)


def test_a_seed_gives_one_pair_and_all_kinds_come() -> None:
    """Pairs are the seed's own; among forty seeds every kind is met."""
    one, again = (superres_pool.pair(5, softened, tile_px=TILE_PX) for _ in range(2))
    assert torch.equal(one.small, again.small)
    assert torch.equal(one.large, again.large)
    kinds = {superres_pool.pair(seed, softened, tile_px=16).kind for seed in range(40)}
    assert kinds == set(KINDS)


def test_no_pool_reaches_the_held_out_seeds() -> None:
    """The command's own pool ends before the first tile that is only measured."""
    assert Plan().tiles + superres_pool.PART_TILES < HELD_OUT_SEED


def test_painting_in_a_pool_is_bounded() -> None:
    """An autoencoder that draws another picture is mixed until it is only a blurred one."""

    def wrong(tile: Tensor, _lattice: str, _generator: torch.Generator) -> Tensor:
        return 1 - tile

    painted = 0
    for seed in range(24):
        pair = superres_pool.pair(seed, wrong, tile_px=TILE_PX)
        plain = superres_pool.pair(seed, lambda tile, *_: tile, tile_px=TILE_PX)
        rms = float((pair.small - plain.small).square().mean().sqrt())
        assert rms <= 0.0601
        painted += pair.kind == "painted" and rms > 0
    assert painted > 4


def test_the_pool_holds_crops_that_belong_together(pool: Path) -> None:
    """Each small crop is near the average of its large one, as bytes."""
    small, large = superres_pool.load(pool)
    assert small.dtype == large.dtype == torch.uint8
    assert small.shape[2:] == (CROP_PX, CROP_PX)
    assert large.shape[2:] == (SCALE * CROP_PX, SCALE * CROP_PX)
    averaged = functional.avg_pool2d(large.float(), SCALE)
    own = (small.float() - averaged).square().mean((1, 2, 3))
    others = (
        (small.float() - averaged.roll(superres_pool.CROPS_PER_TILE, 0)).square().mean((1, 2, 3))
    )
    assert (own < others).float().mean() > 0.95


def test_training_learns_and_the_critic_takes_part(pool: Path, tmp_path: Path) -> None:
    """A few dozen steps come nearer than the planted start; the second phase moves the weights."""
    folder = copied(pool, tmp_path)
    plan = Plan(batch=4, steps=60, sharp_steps=12, critic_alone=4)
    torch.set_num_threads(1)
    net = superres.train(plan, folder)
    start = Compact()
    plant(start)
    small, large = (crop[::16].float() / 255 for crop in superres_pool.load(folder))
    with torch.no_grad():
        before, after = (superres._pixel_loss(one(small), large) for one in (start, net))
    assert after < before
    pixels, sharp = (load_file(folder / f"{name}.safetensors") for name in ("pixels", "sharp"))
    assert any(not torch.equal(pixels[name], sharp[name]) for name in pixels)
    critic = superres.Critic()
    assert load_state(folder / "critic.safetensors", critic) == plan.sharp_steps


def test_training_goes_on_where_it_stopped(pool: Path, tmp_path: Path) -> None:
    """A second sitting counts on; one without minutes gives the checkpoint, bit for bit."""
    folder = copied(pool, tmp_path)
    first = Plan(batch=2, steps=6, sharp_steps=0)
    superres.train(first, folder)
    assert load_state(folder / "pixels.safetensors", Compact()) == 6
    (folder / "sharp.safetensors").unlink()
    superres.train(Plan(batch=2, steps=9, sharp_steps=3), folder)
    assert load_state(folder / "pixels.safetensors", Compact()) == 9
    kept = Compact()
    assert load_state(folder / "sharp.safetensors", kept) == 3
    idle = superres.train(Plan(minutes=0, sharp_minutes=0), folder)
    wanted = kept.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in idle.state_dict().items())


def test_a_file_too_large_to_ship_is_not_left_behind(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the limit there is an error that names it, and no file."""
    folder = copied(pool, tmp_path)
    monkeypatch.setattr(superres, "SHIPPED_BYTES_MAX", 1000)
    target = tmp_path / "net.onnx"
    plan = Plan(tiles=1, minutes=0, sharp_minutes=0)
    with pytest.raises(Unusable, match="limit: 1000"):
        superres.make(plan, folder, Path("inference/builtin/swatch"), target)
    assert not target.exists()
