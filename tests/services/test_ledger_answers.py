"""What people ask, on a house whose answers were worked out by hand: the page, bills, FOCUS."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analytics.ask import questions
from analytics.bill import Bill, bill, month_of
from analytics.dashboards import GROUPS, Panel
from analytics.focus import focus
from analytics.link import Address, Link
from heddle.__main__ import main
from schemas.errors import Rejected
from tests.services.ledger_child import READER_PASSWORD, TENANT_PASSWORDS, Ledger, running
from tests.services.ledger_known import write_known
from tests.services.ledger_lives import refresh, writer

PAGE = Path("docs/sql.md").read_text(encoding="utf-8")
ASKED = dict(
    re.findall(r"### (\d+)\. [^\n]+\n\n(?:[^\n`#]*`[^\n]*\n\n)?```sql\n(.*?)```", PAGE, re.DOTALL)
)
NOVEMBER = date(2026, 11, 1)


def eur(text: str) -> Decimal:
    """Money as the ledger writes it."""
    return Decimal(text)


DAY2, DAY3 = date(2026, 11, 2), date(2026, 11, 3)
ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "1": [("acme", NOVEMBER, eur("0.008"), eur("0.019375")),
          ("mill", NOVEMBER, eur("0.005"), eur("0.010625"))],
    "2": [("draft", eur("0.003")), ("premium", None), ("standard", eur("0.005"))],
    "3": [("swatch", "1", eur("0.010"), eur("0.023625")),
          ("swatch", "2", eur("0.003"), eur("0.006375"))],
    "4": [("wallpaper", 0, None), ("web-preview", 1, eur("0.003"))],
    "5": [(DAY2, 2, eur("0.0025")), (DAY3, 2, eur("0.004"))],
    "6": [("swatch", "1", eur("0.001"), 0.1), ("swatch", "2", eur("0.002"), 0.6667)],
    "7": [("swatch", "1", 3, 2, 1, 1), ("swatch", "2", 1, 1, 1, 0)],
    "8": [("canary", 1, 1, 1.0, eur("0.003")), ("stable", 3, 1, 0.3333, eur("0.003333333333"))],
    "9": [("colour off", 1)],
    "10": [(7048,)],
    "11": [("draft", 1, 152.0, 152.0), ("premium", 1, 631.0, 631.0), ("standard", 2, 241.0, 361.0)],
    "12": [("finish", 4, 180.0), ("generate", 4, 1200.0), ("route", 7, 9.0), ("total", 4, 1385.0)],
    "13": [("m.1", "premium", 631.0), ("a.1", "standard", 361.0), ("a.2", "standard", 241.0)],
    "14": [("generate", "cancelled", "", 1), ("generate", "failed", "seam_p", 1)],
    "15": [("mill", "repeat.width_um", 1)],
    "16": [(DAY2, 0.6667), (DAY3, 0.5294)],
    "17": [("busy", 900.0, eur("0.012")), ("idle", 825.0, eur("0.011")),
           ("loading", 75.0, eur("0.001")), ("starting", 375.0, eur("0.005"))],
    "18": [("acme", 2, eur("0.005")), ("mill", 3, eur("0.005"))],
    "19": [("swatch", "1", 1, 3), ("swatch", "2", 0, 1)],
    "20": [(DAY2, "acme", 8000, eur("0.000000006048")),
           (DAY3, "acme", 12000, eur("0.000000009072")),
           (DAY3, "mill", 4000, eur("0.000000003024"))],
    "21": [("known", 243, 0, 0)],
    "22": [(0, 0)],
    "23": [("FeedbackGiven", "request_id", 1)],
    "24": [],
}  # fmt: skip


def side(by: str, name: str, counts: tuple[int, int, int], *bases: str) -> tuple[Any, ...]:
    """A row of question 24: money (direct, loaded) over tiles, kept and orders, to 12 decimals."""
    per = [
        (eur(money) / count).quantize(Decimal("1e-12"), rounding="ROUND_DOWN") if count else None
        for money in bases
        for count in counts
    ]
    return (by, name, *counts, *per, "EUR")


# Four tiles: a.1 (accepted), a.2 and m.1, which nobody kept, and b.1 (ordered).
ANSWERS["24"] = [
    side("tenant", "acme", (3, 2, 1), "0.008", "0.019375"),
    side("tenant", "mill", (1, 0, 0), "0.005", "0.010625"),
    side("tier", "draft", (1, 1, 1), "0.003", "0.006375"),
    side("tier", "premium", (1, 0, 0), "0.005", "0.010625"),
    side("tier", "standard", (2, 1, 0), "0.005", "0.013"),
    side("model", "swatch@1", (3, 1, 0), "0.010", "0.023625"),
    side("model", "swatch@2", (1, 1, 1), "0.003", "0.006375"),
    side("recipe", "wallpaper", (3, 1, 0), "0.010", "0.023625"),
    side("recipe", "web-preview", (1, 1, 1), "0.003", "0.006375"),
    side("day", "2026-11-02", (2, 1, 0), "0.005", "0.013"),
    side("day", "2026-11-03", (2, 1, 1), "0.008", "0.017"),
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        sink = writer(process)
        write_known(sink)
        sink.close()
        refresh(process)
        yield process


@pytest.fixture
def address(ledger: Ledger) -> Address:
    return Address(url=ledger.url, user="heddle_reader", password=READER_PASSWORD)


@pytest.fixture
def settings(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEDDLE_STACK", str(tmp_path))
    monkeypatch.setenv("HEDDLE_LEDGER_URL", ledger.url)
    monkeypatch.setenv("HEDDLE_LEDGER_READER_PASSWORD", READER_PASSWORD)


def test_the_page_asks_twenty_and_each_has_its_answer_here() -> None:
    """Neither a question without an answer nor an answer without its question."""
    assert set(ASKED) == set(ANSWERS)
    assert len(ASKED) >= 20
    assert ASKED["24"].strip() == questions()["cost_per_pattern"].sql


@pytest.mark.parametrize("number", sorted(ANSWERS, key=int))
def test_the_answer_is_the_one_worked_out_by_hand(address: Address, number: str) -> None:
    """To the last decimal that the ledger keeps."""
    link = Link(address)
    found = link.rows(ASKED[number])[1]
    link.close()
    assert found == ANSWERS[number]


def test_a_bill_adds_up(address: Address) -> None:
    """Lines, storage, total, and what an accepted pattern cost, for both tenants."""
    acme, mill = (bill(address, tenant=one, month=NOVEMBER) for one in ("acme", "mill"))
    assert [(one.tier, one.machine_us, one.direct_cost, one.waste_cost) for one in acme.lines] == [
        ("draft", 225_000_000, eur("0.001"), eur("0.002")),
        ("standard", 375_000_000, eur("0.004"), eur("0.001")),
    ]
    assert (acme.cost, acme.loaded_cost, acme.currency) == (eur("0.008"), eur("0.019375"), "EUR")
    assert (acme.patterns, acme.published, acme.accepted, acme.ordered) == (4, 3, 2, 1)
    assert (acme.per(acme.accepted), acme.per(acme.ordered)) == (eur("0.004"), eur("0.008"))
    assert acme.per(acme.accepted, loaded=True) == eur("0.009687500")
    assert [(one.tier, one.open_cost) for one in mill.lines] == [("premium", eur("0.001"))]
    assert mill.per(mill.accepted) is None
    # Machines 0.012 and 0.017, the table's 0.001: every cent of them is on somebody's bill.
    assert acme.loaded_cost + mill.loaded_cost == eur("0.030")
    # Started for 0.005, loaded for 0.001; waited for 0.011.
    lines = [*acme.lines, *mill.lines]
    assert sum(line.load_cost for line in lines) == eur("0.006")
    assert sum(line.idle_cost for line in lines) == eur("0.011")
    assert acme.total == acme.loaded_cost + acme.storage_cost
    assert acme.storage_cost > 0
    assert acme.stored_bytes == 12_000


def test_nobodys_bill_and_another_months_are_empty(address: Address) -> None:
    """No lines, no cost, no failure."""
    for tenant, month in (("nobody", NOVEMBER), ("acme", date(2025, 1, 1))):
        found: Bill = bill(address, tenant=tenant, month=month)
        assert (found.lines, found.total, found.patterns) == ((), 0, 0)
        assert found.refreshed_at is None


@pytest.mark.parametrize("text", ["2026-13", "2026", "11-2026", "2026-1", "x"])
def test_a_month_that_is_none_is_refused(text: str) -> None:
    """With the form it should have."""
    with pytest.raises(Rejected) as refusal:
        month_of(text)
    assert refusal.value.limit == "YYYY-MM"


def test_the_command_prints_the_bill(
    settings: None, capsys: pytest.CaptureFixture[str], ledger: Ledger
) -> None:
    """As text with its total, and as JSON with every decimal."""
    assert main(["costs", "--tenant", "acme", "--month", "2026-11"]) == 0
    text = capsys.readouterr().out
    assert "acme, November 2026 (UTC), in EUR" in text
    assert "0.019375" in text
    assert main(["costs", "--tenant", "acme", "--month", "2026-11", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["month"], told["loaded_cost"]) == ("2026-11", "0.019375000000")
    assert told["cost_per_accepted"] == "0.004000000"
    assert main(["costs", "--month", "soon"]) == 1


def figures(told: Any) -> set[str]:
    """Every number of a JSON answer, money as the bill prints it."""
    if isinstance(told, dict | list):
        return set().union(*map(figures, told.values() if isinstance(told, dict) else told))
    is_money = isinstance(told, str) and re.fullmatch(r"-?\d+\.\d+", told)
    return {f"{Decimal(told):.6f}"} if is_money else {str(told)}


@pytest.mark.parametrize("tenant", ["acme", "mill", ""])
def test_everything_that_is_printed_is_in_the_json(
    settings: None, capsys: pytest.CaptureFixture[str], tenant: str
) -> None:
    """Each amount and each count of the printed bill; idle and every loaded figure by name."""
    asked = ["costs", "--tenant", tenant, "--month", "2026-11"]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(asked) == 0
    printed = set(re.findall(r"\d+\.\d{6}(?=\s|$)|(?<=  )\d+(?=  )", capsys.readouterr().out))
    assert len(printed) >= 7
    assert printed <= figures(told)
    for name in ("generated", "published", "accepted", "ordered"):
        for basis, whole in (("", "patterns_cost"), ("loaded_", "patterns_loaded_cost")):
            per, count = told[f"{basis}cost_per_{name}"], told[name]
            assert (per is None) == (count == 0)
            if count:
                assert abs(Decimal(per) * count - Decimal(told[whole])) < Decimal("1e-8")
    for line in told["lines"]:
        idle = Decimal(line["loaded_cost"]) - Decimal(line["cost"]) - Decimal(line["load_cost"])
        assert Decimal(line["idle_cost"]) == idle


@pytest.mark.parametrize(
    "panel", [one for _, group in GROUPS for one in group], ids=lambda one: one.title
)
def test_every_panel_of_the_dashboard_has_its_rows(address: Address, panel: Panel) -> None:
    """Each query runs as a reader, the plugin's macros put as it puts them; series have a time."""
    since, until = "'2026-11-01 00:00:00'", "'2026-11-30 00:00:00'"
    during = rf"\1 >= toDateTime({since}) AND \1 <= toDateTime({until})"
    sql = re.sub(r"\$__timeFilter\(([\w.]+)\)", during, panel.sql)
    days = r"\1 >= toDate('2026-11-01') AND \1 <= toDate('2026-11-30')"
    sql = re.sub(r"\$__dateFilter\((\w+)\)", days, sql)
    sql = sql.replace("$__fromTime", f"toDateTime({since})")
    sql = sql.replace("$__toTime", f"toDateTime({until})")
    assert "$" not in sql
    link = Link(address)
    columns, found = link.rows(sql)
    link.close()
    assert found or panel.title in {"Changes", "Worker lives whose time does not add up"}
    if panel.kind == "timeseries":
        assert columns[0] == "time"


MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory",
    "ServiceName",
}  # fmt: skip


def test_the_focus_file_has_its_columns_and_sums(
    settings: None, tmp_path: Path, address: Address
) -> None:
    """Mandatory columns of 1.2, ours with x_; costs add up to the bill; dates and units in form."""
    file = tmp_path / "acme.csv"
    assert main(["costs", "--tenant", "acme", "--month", "2026-11", "--focus", str(file)]) == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    own = {name for name in rows[0] if name.startswith("x_")}
    assert set(rows[0]) >= MANDATORY
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in set(rows[0]) - own)
    whole = bill(address, tenant="acme", month=NOVEMBER)
    machines = [row for row in rows if row["ServiceCategory"] != "Storage"]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == whole.total
    direct = [row for row in machines if row["x_CostBasis"] == "direct"]
    assert sum(Decimal(row["EffectiveCost"]) for row in direct) == whole.cost
    assert sum(Decimal(row["ConsumedQuantity"]) for row in direct) == 600
    for basis in ("load", "idle"):
        billed = [Decimal(row["BilledCost"]) for row in machines if row["x_CostBasis"] == basis]
        assert sum(billed) == sum(getattr(line, f"{basis}_cost") for line in whole.lines) > 0
    assert {row["SubAccountId"] for row in rows} == {"acme"}
    assert {row["ChargeClass"] for row in rows} == {""}
    assert rows[0]["BillingPeriodStart"] == "2026-11-01T00:00:00Z"
    assert rows[0]["BillingPeriodEnd"] == "2026-12-01T00:00:00Z"
    assert rows[0]["ChargePeriodStart"] == "2026-11-02T00:00:00Z"
    assert rows[0]["ChargePeriodEnd"] == "2026-11-03T00:00:00Z"
    for row in machines:
        priced = Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"])
        assert abs(priced - Decimal(row["ListCost"])) < Decimal("1e-9")
    assert json.loads(direct[0]["Tags"])["model"] == "swatch"


def test_settings_of_one_answer_are_not_those_of_the_next(address: Address) -> None:
    """Whether that answer came or was refused, the next question on the line is asked plainly."""
    link, asked = Link(address), "SELECT toDateTime(0, 'UTC')"
    plain = link.raw(asked, "CSV", {}, {})
    as_iso = {"date_time_output_format": "iso"}
    assert link.raw(asked, "CSV", {}, as_iso) == b'"1970-01-01T00:00:00Z"\n'
    assert link.raw(asked, "CSV", {}, {}) == plain
    with pytest.raises(Rejected):
        link.raw("SELECT missing_column", "CSV", {}, as_iso)
    assert link.raw(asked, "CSV", {}, {}) == plain
    link.close()


def test_the_focus_file_as_parquet_holds_the_same(address: Address) -> None:
    """Read by another library; everybody's charges where no tenant is named."""
    parquet = pytest.importorskip("pyarrow.parquet")
    content = focus(address, tenant="", month=NOVEMBER, form="parquet")
    table = parquet.read_table(io.BytesIO(content))
    assert set(table.column_names) >= MANDATORY
    assert set(table.column("SubAccountId").to_pylist()) == {"acme", "mill"}
    machines = [row for row in table.to_pylist() if row["x_CostBasis"] != "storage"]
    assert sum(row["BilledCost"] for row in machines) == Decimal("0.03")
    assert table.schema.field("BilledCost").type.scale == 12
    with pytest.raises(Rejected, match="no FOCUS file"):
        focus(address, tenant="", month=NOVEMBER, form="xls")


def test_a_bill_without_a_tenant_is_everybodys(
    settings: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], address: Address
) -> None:
    """As in the FOCUS file and on the report: all tenants' lines, files, counts, in one bill."""
    acme, mill, everybody = (
        bill(address, tenant=one, month=NOVEMBER) for one in ("acme", "mill", "")
    )
    assert everybody.total == acme.total + mill.total > 0
    assert everybody.stored_bytes == acme.stored_bytes + mill.stored_bytes
    assert [one.tier for one in everybody.lines] == ["draft", "premium", "standard"]
    for name in ("patterns", "generated", "published", "accepted", "ordered", "patterns_cost"):
        assert getattr(everybody, name) == getattr(acme, name) + getattr(mill, name)
    assert everybody.currency == "EUR"
    assert main(["costs", "--tenant", "", "--month", "2026-11"]) == 0
    assert "all tenants, November 2026 (UTC), in EUR" in capsys.readouterr().out
    file = tmp_path / "all.csv"
    assert main(["costs", "--tenant", "", "--month", "2026-11", "--focus", str(file)]) == 0
    rows = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == everybody.total


def test_a_tenants_reader_has_its_own_bill_alone(ledger: Ledger) -> None:
    """The same command, as that reader: its own figures, and nothing of the other's."""
    own = Address(url=ledger.url, user="heddle_reader_mill", password=TENANT_PASSWORDS["mill"])
    assert bill(own, tenant="mill", month=NOVEMBER).loaded_cost == eur("0.010625")
    assert bill(own, tenant="acme", month=NOVEMBER).lines == ()


def test_the_report_is_one_page_of_the_same_figures(settings: None, tmp_path: Path) -> None:
    """All tenants and one; a page that needs nothing but itself; too many days are refused."""
    days = (datetime.now(UTC).date() - date(2026, 11, 1)).days
    if days > 366:
        pytest.skip("the known house lies too far back for a report")
    file = tmp_path / "report.html"
    assert main(["report", "--html", str(file), "--days", str(days)]) == 0
    text = file.read_text(encoding="utf-8")
    assert "<b>7</b>" in text  # Patterns.
    assert "swatch@2" in text
    assert not re.search(r"<script|https?://", text)
    assert main(["report", "--html", str(file), "--days", str(days), "--tenant", "mill"]) == 0
    assert "swatch@2" not in file.read_text(encoding="utf-8")
    assert main(["report", "--html", str(file), "--days", "1000"]) == 1
