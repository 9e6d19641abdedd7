"""ClickHouse's error codes, as we call them: the engine and the endpoint call them so too."""

from __future__ import annotations

from pathlib import Path

from analytics.codes import Code
from analytics.endpoint import faults
from tests.services.ledger_child import running


def test_codes_have_the_engine_s_own_names(tmp_path: Path) -> None:
    """Asked of the engine; a number that is mistyped would wait for what never passes."""
    numbers = ", ".join(str(int(one)) for one in Code)
    with running(tmp_path / "ledger") as ledger:
        client = ledger.client("writer")
        sql = f"SELECT n, errorCodeToName(n) FROM (SELECT arrayJoin([{numbers}])::UInt32 AS n)"  # noqa: S608
        named = dict(client.query(sql).result_rows)
        client.close()
    assert named == {int(one): one.name for one in Code}


def test_the_endpoint_speaks_of_the_same_codes() -> None:
    """What it answers with is what a client here reads."""
    kinds = [one for one in vars(faults).values() if isinstance(one, faults.FaultKind)]
    shared = [one for one in kinds if one.code in {*Code}]
    assert len(shared) >= 4
    assert all(Code(one.code).name == one.name for one in shared)
