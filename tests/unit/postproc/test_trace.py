"""The vector covers the tile without a gap, joins itself, and is exactly as large as ordered."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

from postproc.lattice import HALF_DROP, LATTICES, STRAIGHT
from postproc.plates import separate
from postproc.seams import seam_figures
from postproc.svg import Sheet, rasterise, write_svg
from postproc.trace import trace
from schemas.errors import MissingPart, Rejected, Transient

SHEET = Sheet(width_px=128, height_px=128, width_um=641_350, height_um=320_000)
SVG = "{http://www.w3.org/2000/svg}"


def traced(periodic: Any, lattice: Any, *, seed: int = 0) -> Any:
    separation = separate(
        periodic(lattice, seed=seed, side_px=128, colours=5), lattice, colours_max=8
    )
    plates = trace(separation.index_map, separation.palette, lattice)
    return separation, plates, write_svg(plates, SHEET, title="Dots & <stripes>")


@pytest.mark.parametrize("lattice", LATTICES.values(), ids=lambda lattice: lattice.name)
def test_the_drawn_vector_passes_the_seam_gate(periodic: Any, lattice: Any) -> None:
    """Rendered at whole pixels and larger, the traced tile joins itself by its lattice."""
    _, _, svg = traced(periodic, lattice, seed=3)
    for scale in (1, 2):
        drawn = rasterise(svg, width_px=128 * scale, height_px=128 * scale)
        assert all(figure.passed for figure in seam_figures(drawn, lattice, scale=scale))


def test_the_drawn_vector_is_the_flat_art(periodic: Any) -> None:
    """The vector lies exactly on the index map, and away from edges has its very colours."""
    separation, _, svg = traced(periodic, STRAIGHT, seed=5)
    drawn = rasterise(svg, width_px=128, height_px=128).astype(int)
    flat = separation.palette.paint(separation.index_map).astype(int)
    errors = {
        (dx, dy): np.abs(np.roll(drawn, (dy, dx), (0, 1)) - flat).mean()
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
    }
    assert min(errors, key=errors.__getitem__) == (0, 0)
    inside = np.abs(drawn - flat).max(axis=2) <= 2
    assert inside.mean() > 0.8
    assert np.abs(drawn.mean(axis=(0, 1)) - flat.mean(axis=(0, 1))).max() < 2.5


def test_the_file_is_as_large_as_ordered_with_a_group_per_ink(periodic: Any) -> None:
    """Millimetres are exact, groups are named in printing order, titles are escaped."""
    separation, plates, svg = traced(periodic, STRAIGHT)
    root = ET.fromstring(svg)  # noqa: S314 - our own file
    assert (root.get("width"), root.get("height")) == ("641.35mm", "320mm")
    assert root.get("viewBox") == "0 0 1280 1280"
    assert root.findtext(f"{SVG}title") == "Dots & <stripes>"
    groups = root.findall(f"{SVG}g/{SVG}g")
    assert [group.get("id")[:3] for group in groups] == [f"{n:02d}-" for n in range(1, 6)]
    assert [group.get("fill") for group in groups] == [i.hex for i in separation.palette.inks]
    assert len(plates) == 5


def test_the_ground_bleeds_past_the_tile(periodic: Any) -> None:
    """At fractional scales a viewer finds colour beyond the edge instead of nothing."""
    root = ET.fromstring(traced(periodic, STRAIGHT)[2])  # noqa: S314 - our own file
    rect = root.find(f"{SVG}g/{SVG}g/{SVG}rect")
    assert float(rect.get("x")) <= -5
    assert float(rect.get("width")) >= 1290


def test_the_same_map_gives_the_same_bytes(periodic: Any) -> None:
    """Keys are content-addressed, so the file must not change by itself."""
    assert traced(periodic, HALF_DROP)[2] == traced(periodic, HALF_DROP)[2]


def test_opposite_edges_agree(periodic: Any) -> None:
    """A strip inside the left edge equals its copy past the right one, so tiles meet."""
    separation = separate(periodic(STRAIGHT, seed=8, side_px=128), STRAIGHT, colours_max=6)
    cloth = np.tile(separation.index_map, (1, 2))
    single = trace(separation.index_map, separation.palette, STRAIGHT)
    double = trace(cloth, separation.palette, STRAIGHT)
    one = write_svg(single, SHEET, title="")
    two_sheet = Sheet(width_px=256, height_px=128, width_um=2, height_um=1)
    two = write_svg(double, two_sheet, title="")
    left = rasterise(one, width_px=512, height_px=512).astype(int)
    both = rasterise(two, width_px=1024, height_px=512).astype(int)
    assert (np.abs(np.tile(left, (1, 2, 1)) - both).max(axis=2) > 8).mean() < 0.002


def test_a_missing_potrace_names_its_package(
    periodic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the program the error ends with the command that installs it."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingPart, match="apt-get install potrace"):
        traced(periodic, STRAIGHT)


def test_a_potrace_that_hangs_is_tried_again(
    periodic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past its time the program is ended and the fault is Transient."""

    def hang(*_args: object, **_kwargs: object) -> None:
        raise subprocess.TimeoutExpired("potrace", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(Transient, match="longer than"):
        traced(periodic, STRAIGHT)


def test_foreign_drawings_are_refused() -> None:
    """A root without a size cannot be drawn at exact pixels."""
    with pytest.raises(Rejected):
        rasterise(b"<svg/>", width_px=8, height_px=8)
