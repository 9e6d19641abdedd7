"""The page's days: as many as were asked for, today among them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from analytics.report import first_day


@pytest.mark.parametrize(("days", "first"), [(1, date(2026, 11, 30)), (30, date(2026, 11, 1))])
def test_a_report_covers_as_many_days_as_asked(days: int, first: date) -> None:
    """Today is one of them: thirty at the end of November are November, and one is today."""
    for now in (
        datetime(2026, 11, 30, tzinfo=UTC),
        datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    ):
        assert first_day(days, now=now) == first
