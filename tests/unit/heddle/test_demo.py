"""The demo's own parts: orders as an upstream system has them, and the contact sheet."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heddle.demo.main import ORDERS
from heddle.demo.orders import read_orders
from heddle.demo.sheet import Shown, repeated, write_html, write_png
from schemas.errors import Rejected
from schemas.plain import moment
from schemas.records import Adapter, AssetPublished, Pattern


def asset(lattice: str, design: str = "<b>x</b>") -> AssetPublished:
    """A published pattern that was never made."""
    pattern = Pattern(
        request_id="r",
        ordinal=1,
        count=1,
        lattice=lattice,
        labels={"design": design},
        repeat_width_um=64_000,
        repeat_height_um=64_000,
    )
    at = moment(0)
    return AssetPublished(
        event_id="e", pattern=pattern, files=(), gates=(), seed=1, attempt=1, steps=1, guidance=1.0,
        model_hash="", recipe_hash="", manifest_key="", generated_at=at, published_at=at,
        palette=("#112233",),
    )  # fmt: skip


def test_the_example_orders_are_what_the_readme_says() -> None:
    """20 requests for 24 patterns, three tiers, several tenants, both lattices, each checked."""
    orders = read_orders(ORDERS, run="t")
    assert len(orders) == 20
    assert sum(order.variations for order in orders) == 24
    assert {order.tier for order in orders} == {"draft", "standard", "premium"}
    assert {order.repeat.lattice for order in orders} == {"straight", "half-drop"}
    assert len({order.tenant for order in orders}) == 3
    assert len({order.request_id for order in orders}) == 20


def test_a_bad_order_is_named_by_its_line(tmp_path: Path) -> None:
    """The line and the field that is missing."""
    path = tmp_path / "orders.jsonl"
    path.write_text(
        '{"tenant": "a", "prompt": "x", "repeat": {"lattice": "straight"}, "design": "d"}'
    )
    with pytest.raises(Rejected) as refused:
        read_orders(path, run="t")
    assert refused.value.field == "orders.jsonl line 1"


def test_an_order_names_adapters_with_scales(tmp_path: Path) -> None:
    """In their order, the scale 1 where none is told; told otherwise, the line and a sample."""
    path = tmp_path / "orders.jsonl"
    order = {
        "tenant": "a", "prompt": "dots", "design": "d",
        "repeat": {"lattice": "straight", "size": "64x64cm"},
    }  # fmt: skip
    adapters: object = [{"name": "indigo"}, {"name": "keyline", "scale": 0.5}]
    path.write_text(json.dumps({**order, "adapters": adapters}))
    (read,) = read_orders(path, run="t")
    assert read.adapters == (Adapter(name="indigo"), Adapter(name="keyline", scale=0.5))
    for wrong in ([{"nam": "indigo"}], ["indigo"], 7):
        path.write_text(json.dumps({**order, "adapters": wrong}))
        with pytest.raises(Rejected) as refused:
            read_orders(path, run="t")
        assert refused.value.field == "orders.jsonl line 1"
        assert "indigo" in refused.value.limit


def test_a_half_drop_is_repeated_by_its_lattice() -> None:
    """Each next column sits half a tile lower."""
    tile = np.zeros((8, 8, 3), np.uint8)
    tile[0] = 255
    shown = Shown(asset=asset("half-drop"), tile=tile, prompt="p", cost="")
    picture = repeated(shown)
    assert picture.shape == (24, 24, 3)
    assert picture[0, 0, 0] == 255
    assert picture[0, 8, 0] == 0
    assert picture[4, 8, 0] == 255


def test_the_sheet_says_which_adapters_were_worn() -> None:
    """By name, with the scale where it is not 1."""
    tile = np.zeros((8, 8, 3), np.uint8)
    worn = replace(
        asset("straight"), adapters=(Adapter(name="indigo"), Adapter(name="b", scale=0.5))
    )
    assert Shown(asset=worn, tile=tile, prompt="p", cost="").facts.endswith(" · indigo · b 0.5")
    assert "indigo" not in Shown(asset=asset("straight"), tile=tile, prompt="p", cost="").facts


def test_the_sheet_escapes_what_people_wrote(tmp_path: Path) -> None:
    """A design name and a prompt are text on the page, never markup; the picture opens."""
    tile = np.full((16, 16, 3), 200, np.uint8)
    items = [Shown(asset=asset("straight"), tile=tile, prompt="<script>", cost="1 EUR")] * 5
    page = write_html(items, tmp_path, title="t").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    write_png(items, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1_000
