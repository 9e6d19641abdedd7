"""The comparison of network and Lanczos measures what it says, on tiles and on photographs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from postproc.lattice import HALF_DROP, STRAIGHT, Lattice
from schemas.errors import Unusable
from training import superres_compare
from training.__main__ import main
from training.superres_compare import TEXTURES, answers, case_of, measure, psnr_db, sharpness
from training.superres_net import Compact, plant, write_onnx


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small planted network: a smooth enlargement."""
    net = Compact(4, 1)
    plant(net)
    path = tmp_path_factory.mktemp("network") / "planted.onnx"
    write_onnx(net, path)
    return path


def bars(width_px: int) -> superres_compare.Bytes:
    """Vertical bars, 32 px of each, whose edges take `width_px` pixels."""
    ramp = np.clip((np.arange(16) - 8) / width_px + 0.5, 0, 1)
    line = np.concatenate([ramp, np.ones(16), ramp[::-1], np.zeros(16)])
    levels = np.rint(40 + 160 * np.tile(line, 2)).astype(np.uint8)
    return np.repeat(np.broadcast_to(levels, (128, 128))[..., None], 3, axis=2)


def test_psnr_is_the_textbook_figure() -> None:
    """One level everywhere is 20 log10(255); nothing at all is the bound."""
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert psnr_db(grey + 1, grey) == pytest.approx(48.13, abs=0.01)
    assert psnr_db(grey, grey) == 99.0


@pytest.mark.parametrize("lattice", [STRAIGHT, HALF_DROP], ids=lambda lattice: lattice.name)
def test_sharpness_is_the_edge_width_and_knows_no_contrast(
    lattice: Lattice,
) -> None:
    """An edge that takes four pixels instead of two is half as sharp, pale or dark."""
    truth, broad = bars(2), bars(4)
    assert sharpness(truth, truth, lattice) == 1.0
    assert sharpness(broad, truth, lattice) == pytest.approx(0.5, abs=0.05)
    pale = [(one // 2 + 90).astype(np.uint8) for one in (broad, truth)]
    assert sharpness(pale[0], pale[1], lattice) == pytest.approx(0.5, abs=0.05)


def test_sharpness_over_one_is_overdone() -> None:
    """Ringing beside an edge does not pass for a good edge: the figure leaves 1 upwards."""
    truth = bars(4)
    sharpened = np.asarray(Image.fromarray(truth).filter(ImageFilter.UnsharpMask(2, 200, 0)))
    assert sharpness(sharpened, truth, STRAIGHT) > 1.2


def test_a_mirrored_photograph_repeats(network: Path) -> None:
    """Any photograph becomes a tile that passes the gate, whatever its sides."""
    noise = np.random.default_rng(0).integers(0, 256, (70, 91), dtype=np.uint8)
    case = case_of("noise", noise)
    assert case.large.shape == (136, 136, 3)
    assert case.small.shape == (34, 34, 3)
    row = measure(case, answers(case, network))
    assert row["truth_seam_pass"] == 1.0
    assert row["lanczos_psnr_db"] < 40


def test_scikit_image_ships_the_textures() -> None:
    """Three real photographs come with the wheel; none is downloaded."""
    cases = superres_compare.photographed(None)
    assert [case.name for case in cases] == list(TEXTURES)
    assert all(case.large.shape == (1024, 1024, 3) for case in cases)


def test_an_empty_folder_of_photographs_says_so(tmp_path: Path) -> None:
    """Nothing to measure is an error, not an empty table."""
    with pytest.raises(Unusable, match="no photograph"):
        superres_compare.photographed(tmp_path)


def test_the_command_writes_figures_and_a_picture(network: Path, tmp_path: Path) -> None:
    """One tile of each kind and one photograph: every figure for both ways, a strip for each."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.effect_noise((160, 160), 60).save(folder / "plaster.png")
    figures, picture = tmp_path / "figures.json", tmp_path / "strips.png"
    options = ["--network", network, "--tiles", 1, "--photographs", folder]
    outputs = ["--json", figures, "--picture", picture]
    assert main(["superres-compare", *map(str, [*options, *outputs])]) == 0
    told = json.loads(figures.read_text())
    rows = [told[kind] for kind in superres_compare.KINDS] + [told["photographs"]["plaster"]]
    for row in rows:
        for way in ("lanczos", "network"):
            assert 10 < row[f"{way}_psnr_db"] < 99
            assert 0 < row[f"{way}_edges"] < 2
            assert row[f"{way}_seam_pass"] in {0.0, 1.0}
    with Image.open(picture) as strips:
        assert strips.height == 4 * (4 * superres_compare._SHOWN_PX + 4)
