"""What finish asks of the table: colours from labels, means from settings, known patterns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.errors import Rejected
from schemas.records import Pattern
from streams.stages.finish_order import Table, order_of
from streams.stages.known import KNOWN_MAX, TENANTS_MAX, Known

TABLE = Table(recipes={})
PATTERN = Pattern(
    request_id="r",
    ordinal=1,
    count=2,
    tenant="mill",
    lattice="straight",
    repeat_width_um=64_000,
    repeat_height_um=64_000,
)


def test_colours_of_an_order_come_in_labels() -> None:
    """Locked colours, a limit, two colourways in the order of their names, and the design's."""
    labels = {
        "design": "daisies",
        "season": "SS27",
        "locked": "navy #1a2b4c, chalk 95 0 5",
        "lock-delta-e": "12.5",
        "lab": "D50/2",
        "colourway.noon": "#ffffff, #102030",
        "colourway.dusk": "#332211, #ddccbb",
    }
    order = order_of(replace(PATTERN, labels=labels), TABLE)
    assert [swatch.name for swatch in order.locked] == ["navy", "chalk"]
    assert order.locked[1].lab == pytest.approx((95, 0, 5))
    assert order.lock_delta_e_max == 12.5
    assert [colourway.name for colourway in order.colourways] == ["dusk", "noon"]
    assert order.design == "daisies"


def test_no_label_asks_for_nothing() -> None:
    """Without them the recipe's own colours hold, and files are named by the pattern."""
    order = order_of(PATTERN, TABLE)
    assert (order.locked, order.colourways, order.lock_delta_e_max) == ((), (), 0)
    assert order.design == "r.1"


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("locked", "navy"),
        ("lock-delta-e", "far"),
        ("lock-delta-e", "nan"),
        ("lab", "D93/10"),
        ("colourway.dusk", ""),
        ("colourway.", "#ffffff"),
        ("colourway.original", "#ffffff"),
    ],
)
def test_a_label_that_cannot_be_read_is_named(label: str, text: str) -> None:
    """The refusal's field is the label, so that whoever sent it finds it."""
    with pytest.raises(Rejected) as refused:
        order_of(replace(PATTERN, labels={label: text}), TABLE)
    assert refused.value.field in (f"labels.{label}", "labels.colourway")
    assert refused.value.limit


def test_too_many_colourways_are_refused() -> None:
    """Each draws every file once more, so their number is bounded."""
    labels = {f"colourway.{number}": "#ffffff" for number in range(9)}
    with pytest.raises(Rejected, match="9 colourways"):
        order_of(replace(PATTERN, labels=labels), TABLE)


def test_neighbours_are_the_tenants_other_requests() -> None:
    """Neither this request's own patterns nor another tenant's are compared with."""
    known = Known()
    known.add(PATTERN, "aa")
    known.add(replace(PATTERN, request_id="s"), "bb")
    known.add(replace(PATTERN, request_id="t"), "")
    known.add(replace(PATTERN, tenant="shop", request_id="u"), "cc")
    assert known.others(replace(PATTERN, ordinal=2)) == (("s.1", "bb"),)
    assert known.others(replace(PATTERN, tenant="new")) == ()


def test_memory_of_neighbours_is_bounded() -> None:
    """The oldest pattern of a tenant goes first, then the tenant that was quiet longest."""
    known = Known()
    for number in range(KNOWN_MAX + 1):
        known.add(replace(PATTERN, request_id=f"r{number}"), "aa")
    assert len(known.others(PATTERN)) == KNOWN_MAX
    assert known.others(PATTERN)[0][0] == "r1.1"
    for number in range(TENANTS_MAX):
        known.add(replace(PATTERN, tenant=f"t{number}"), "bb")
    assert known.others(PATTERN) == ()
