"""A tenant's reader sees that tenant alone, by whatever way it asks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics.contract import TENANT_VIEWS, VIEWS
from schemas.records import Record
from tests.services.ledger_break_outs import BREAK_OUTS, surrounded
from tests.services.ledger_child import Ledger, running
from tests.services.ledger_lives import hang_up, refresh, write, writer
from tests.services.test_ledger_reader import ALLOWED
from tests.unit.analytics import events
from tests.unit.analytics.events import pattern

MARK = "MARK"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as one:
        sink = writer(one)
        for number, tenant in enumerate(("acme", "mill", "acme", "mill")):
            name = f"{tenant}-{number}"
            secret = "" if tenant == "acme" else MARK
            of = pattern(name, tenant=tenant, labels={"season": secret or "ss27"},
                         prompt_hash=secret, tier="draft" if secret else "standard")  # fmt: skip
            word = replace(events.feedback(of), reviewer=secret or "p", reasons=(secret,))
            stray = replace(word, request_id=f"no-{name}", event_id=f"stray-{name}")
            used = events.usage({(of.pattern_id, 1): 75_000_000}, 0, -900, event_id=name)
            records: list[Record] = [
                events.routed(of), used, events.generated(of), events.published(of), word, stray,
                events.failed(pattern(f"ref-{name}", ordinal=0, count=0, tenant=tenant)),
            ]  # fmt: skip
            write(sink, records, 100 * number)
        sink.close()
        refresh(one)
        yield one
        hang_up()


@pytest.fixture(scope="module")
def acme(ledger: Ledger) -> Iterator[Any]:
    client = ledger.client("reader_acme", autogenerate_session_id=False)
    yield client
    client.close()


def test_the_list_is_every_view_with_a_tenant(ledger: Ledger) -> None:
    """A new view with the column must be listed, and no view without it may be."""
    client = ledger.client("reader")
    sql = "SELECT table FROM system.columns WHERE name = 'tenant'"
    assert {row[0] for row in client.query(sql).result_rows} == set(TENANT_VIEWS)
    client.close()


@pytest.mark.parametrize("view", TENANT_VIEWS)
def test_every_view_shows_the_tenant_alone(ledger: Ledger, acme: Any, view: str) -> None:
    """Its rows are the tenant's, all of them; the house's reader sees the others' too."""
    own = acme.query(f"SELECT * FROM {view}").result_rows  # noqa: S608
    assert own
    assert MARK not in repr(own)
    assert "mill" not in repr(own)
    client = ledger.client("reader")
    everything = client.query(f"SELECT * FROM {view}").result_rows  # noqa: S608
    mine = client.query(f"SELECT * FROM {view} WHERE tenant = 'acme'").result_rows  # noqa: S608
    client.close()
    assert sorted(map(repr, own)) == sorted(map(repr, mine))
    assert "mill" in repr(everything)


@pytest.mark.parametrize("view", sorted(set(VIEWS) - set(TENANT_VIEWS)))
def test_views_of_the_house_are_not_there(acme: Any, view: str) -> None:
    """Machines, prices and audits are nobody's in particular."""
    for sql in (f"SELECT * FROM {view}", f"DESCRIBE TABLE {view}", f"EXISTS TABLE heddle.{view}"):  # noqa: S608
        with pytest.raises(DatabaseError, match="not a documented view"):
            acme.raw_query(sql)


def test_what_the_house_may_ask_is_no_leave_for_a_tenant(ledger: Ledger, acme: Any) -> None:
    """The guard remembers what it let pass, for whoever asked it alone."""
    sql = "SELECT count() FROM machine_time"
    client = ledger.client("reader")
    first = client.raw_query(sql, fmt="TSV")
    assert client.raw_query(sql, fmt="TSV") == first
    client.close()
    with pytest.raises(DatabaseError, match="not a documented view"):
        acme.raw_query(sql)


def test_the_catalogue_shows_the_tenants_views_alone(acme: Any) -> None:
    """What cannot be asked is not listed."""
    tables = acme.query("SELECT name FROM system.tables").result_rows
    assert {row[0] for row in tables} == set(TENANT_VIEWS)


ROUND_ABOUT = [
    "SELECT * FROM patterns WHERE tenant = 'mill'",
    "SELECT * FROM patterns WHERE tenant = 'mill' OR 1",
    "SELECT * FROM heddle.patterns AS x WHERE x.tenant != 'acme'",
    "SELECT * FROM patterns AS costs",
    "SELECT * FROM (SELECT * FROM patterns)",
    "WITH p AS (SELECT * FROM patterns) SELECT * FROM p AS a, p AS b",
    "SELECT * FROM costs UNION ALL SELECT * FROM heddle.costs",
    "SELECT * FROM patterns p FULL JOIN verdicts v ON p.tenant = v.tenant",
    "SELECT * FROM patterns p RIGHT JOIN verdicts v ON p.pattern_id = v.pattern_id",
    "SELECT p.*, q.* FROM patterns p CROSS JOIN patterns q",
    "SELECT * FROM patterns WHERE tenant NOT IN (SELECT tenant FROM patterns)",
    "SELECT (SELECT groupArray(prompt_hash) FROM patterns)",
    "SELECT groupArray(labels) OVER () FROM patterns",
    "SELECT * FROM patterns ORDER BY tenant = 'mill' DESC LIMIT 1",
    "SELECT 'acme' AS tenant, prompt_hash FROM patterns",
    "SELECT tenant AS t, prompt_hash AS tenant FROM patterns WHERE tenant = tenant",
    "WITH 'acme' AS tenant SELECT prompt_hash FROM patterns",
    "SELECT tenant, count() FROM patterns GROUP BY tenant WITH TOTALS",
    "SELECT * FROM {v:Identifier}",
    "SELECT DISTINCT toString(tuple(*)) FROM verdicts",
    # Had the filter come after them, these would fail on the other's rows and tell of them.
    "SELECT count() FROM patterns WHERE throwIf(tenant = 'mill') = 0",
    "SELECT count() FROM patterns WHERE throwIf(prompt_hash = 'MARK') = 0",
    "SELECT sum(throwIf(prompt_hash = 'MARK')) FROM patterns",
    "SELECT throwIf(prompt_hash = 'MARK') x, count() FROM patterns GROUP BY x",
    "SELECT count() FROM patterns WHERE intDiv(1, tier = 'standard') = 1",
    "SELECT count() FROM daily_patterns WHERE throwIf(tier = 'draft') = 0",
    "SELECT count() FROM verdicts WHERE throwIf(reviewer = 'MARK') = 0",
    "SELECT count() FROM acceptance WHERE throwIf(tier = 'draft') = 0",
    "SELECT count() FROM patterns p JOIN verdicts v ON throwIf(v.reviewer = 'MARK') = 0",
    "SELECT any(tier) OVER (ORDER BY throwIf(tier = 'draft')) FROM patterns",
    "SELECT count() FROM patterns WHERE request_id IN"
    " (SELECT request_id FROM patterns WHERE throwIf(tier = 'draft') = 0)",
    "SELECT count() FROM patterns HAVING count() > 1 AND throwIf(countIf(tier = 'draft') > 0) = 0",
]


@pytest.mark.parametrize("sql", ROUND_ABOUT)
def test_no_way_round_the_filter(acme: Any, sql: str) -> None:
    """Aliases, joins, subqueries, unions, windows, and functions that fail on what they see."""
    answer = acme.raw_query(sql, fmt="TSV", parameters={"v": "patterns"})
    assert MARK.encode() not in answer
    assert b"mill" not in answer


def test_the_filter_cannot_be_lifted(ledger: Ledger, acme: Any) -> None:
    """Neither in the address nor in the question, nor by naming the setting's parts."""
    for name in ("additional_table_filters", "additional_result_filter", "readonly", "role"):
        who = "user=heddle_reader_acme&password=acme-only"
        text = ledger.page(f"/?{who}&query=SELECT+count()+FROM+patterns&{name}=0")[1]
        assert text == "2\n" or "READONLY" in text, name
    with pytest.raises(DatabaseError):
        acme.raw_query("SELECT * FROM patterns SETTINGS additional_table_filters = {}")


def test_errors_quote_the_tenants_own_data_alone(acme: Any) -> None:
    """A conversion that fails quotes the first cell it met: never the other's."""
    for column in ("prompt_hash", "labels['season']", "reasons[1]"):
        with contextlib.suppress(DatabaseError):
            acme.raw_query(f"SELECT max(toInt8OrZero({column})) FROM patterns")  # noqa: S608
        with pytest.raises(DatabaseError) as refusal:
            acme.raw_query(f"SELECT sum(toInt8(concat('x', {column}))) FROM patterns")  # noqa: S608
        assert MARK not in str(refusal.value)


def test_what_every_reader_may_holds_here_too(acme: Any) -> None:
    """The house's own list of questions, as this reader."""
    for sql in ALLOWED:
        acme.raw_query(sql, fmt="JSON")


def test_what_no_reader_may_holds_here_too(ledger: Ledger, acme: Any, tmp_path: Path) -> None:
    """The house's own list of break-outs, each refused by the same code."""
    with surrounded(ledger, tmp_path) as around:
        for way in BREAK_OUTS:
            with pytest.raises(DatabaseError) as refusal:
                acme.raw_query(around.places(way.sql), parameters={"table": "raw_failed"})
            assert refusal.value.code == way.code, way.sql
            assert MARK not in str(refusal.value)
        around.check_untouched()
