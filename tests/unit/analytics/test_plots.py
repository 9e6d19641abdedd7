"""Plots: every mark where its value says, texts escaped, nothing to fetch."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from analytics.plots import HEIGHT_PX, Series, interval, lines, nice, number_text, rows, stacked
from analytics.report import Facts, page, wilson

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (1.01, 2), (2.3, 2.5), (3, 5), (7, 10), (0.0031, 0.005)]
)
def test_scales_end_at_a_round_number(value: float, top: float) -> None:
    """The least of 1, 2, 2.5, 5 that holds the value."""
    assert nice(value) == pytest.approx(top)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00558, "0.00558"), (12.345, "12.3"), (631, "631"), (1234, "1,234"),
     (1e-7, "1.00e-07"), (1200.0, "1,200")],
)  # fmt: skip
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    """Short enough for an axis, exact enough to compare."""
    assert number_text(value) == text


def test_a_line_has_a_point_per_value_and_none_per_gap() -> None:
    """A day without an accepted pattern has no cost per accepted pattern, not a cost of zero."""
    svg = lines(DAYS, [Series(name="a", values=(1.0, None, 2.0))], unit="EUR")
    points = re.findall(r'cy="([\d.]+)"', svg)
    assert len(points) == 2
    assert float(points[0]) > float(points[1])


def test_stacked_bars_reach_their_sum() -> None:
    """The second layer begins where the first ends, and the highest bar ends at the scale's top."""
    layers = [Series(name="a", values=(1.0, 0.0)), Series(name="b", values=(1.0, 0.5))]
    svg = stacked(DAYS[:2], layers)
    bars = [
        tuple(map(float, one))
        for one in re.findall(r'y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', svg)
    ]
    first, second = bars[0], bars[1]
    assert second[0] + second[1] == pytest.approx(first[0])
    assert first[0] + first[1] == pytest.approx(HEIGHT_PX - 28)
    assert second[0] == pytest.approx(12)


def test_names_are_escaped_everywhere() -> None:
    """A model may be called anything; the page stays a page."""
    bad = "<script>&"
    for svg in (
        lines(DAYS, [Series(name=bad, values=(1, 2, 3))], unit=bad),
        stacked((bad,), [Series(name=bad, values=(1,))]),
        rows([bad], [Series(name=bad, values=(1,))], unit=bad),
    ):
        assert "<script" not in svg
        assert "&lt;script&gt;&amp;" in svg


def test_wilson_on_known_figures() -> None:
    """8 of 10 gives 0.4902 to 0.9433 (Wilson 1927, as tabulated); of nothing, nothing."""
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == pytest.approx(0.0)
    assert "80.0%" in interval(low, 0.8, high)


def test_an_empty_house_has_a_page_too() -> None:
    """And the page fetches nothing: no script, no address."""
    text = page(Facts(tenant="a&b", since=date(2026, 11, 1), patterns=(), money=(), latency=()))
    assert "a&amp;b" in text
    assert "Nothing yet." in text
    assert not re.search(r"<script|https?://|@import|url\(", text)


def test_a_page_tells_what_the_facts_say() -> None:
    """Headline figures by hand: 4 asked, 3 published, 2 accepted, 0.008 and 0.02 EUR."""
    row = {
        "day": date(2026, 11, 2), "model": "swatch", "version": "1", "patterns": 4, "generated": 3,
        "published": 3, "judged": 3, "accepted": 2, "ordered": 1, "cost": 0.008, "waste": 0.002,
        "loaded": 0.02, "currency": "EUR", "refreshed_at": datetime(2026, 11, 3, tzinfo=UTC),
    }  # fmt: skip
    money = {"day": date(2026, 11, 2), "direct": 0.006, "waste": 0.002, "open": 0.0, "idle": 0.012}
    latency = [
        {"day": date(2026, 11, 2), "stage": "total", "tier": "draft", "p50_s": 4.0, "p95_s": 9.0}
    ]
    text = page(Facts(tenant="", since=date(2026, 11, 1), patterns=(row,), money=(money,),
                      latency=tuple(latency)))  # fmt: skip
    for figure in ("<b>4</b>", "<b>66.7%</b>", "<b>0.004</b>", "<b>0.01</b>", "<b>25.0%</b>"):
        assert figure in text
    assert "swatch@1" in text
    assert "total, draft" in text
