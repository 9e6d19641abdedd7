"""Access on a server: readers get views alone, tenants their own rows."""

from __future__ import annotations

import re

import pytest

from analytics.access import READERS, access
from analytics.contract import TENANT_VIEWS, VIEWS
from analytics.endpoint.limits import Limits, reader_bounds, spill_settings
from schemas.errors import Unusable


def test_readers_are_granted_the_documented_views_and_nothing_else() -> None:
    """No table, no database, no system; and each view runs with its definer's rights."""
    text = "\n".join(access(["acme"]))
    granted = re.findall(r"GRANT SELECT ON heddle\.(\w+) TO (\w+)", text)
    assert {view for view, role in granted if role == READERS} == set(VIEWS)
    assert {view for view, role in granted if role == f"{READERS}_acme"} == set(TENANT_VIEWS)
    assert {role for _, role in granted} == {READERS, f"{READERS}_acme"}
    assert set(re.findall(r"ALTER TABLE heddle\.(\w+) MODIFY SQL SECURITY DEFINER", text)) == set(
        VIEWS
    )


def test_every_view_of_a_tenant_has_a_policy_for_everybody_who_may_see_it() -> None:
    """One policy hides a view from all others: so the house's readers have one too."""
    text = "\n".join(access(["acme", "dye-works"]))
    for view in TENANT_VIEWS:
        policies = re.findall(
            rf"ROW POLICY OR REPLACE \w+ ON heddle\.{view} FOR SELECT USING (.+) TO (.+)", text
        )
        assert policies == [
            ("1", "heddle_readers, heddle_writer"),
            ("tenant = 'acme'", "heddle_readers_acme"),
            ("tenant = 'dye-works'", "heddle_readers_dye__works"),
        ]


def test_a_tenant_s_policy_comes_before_its_question() -> None:
    """What the endpoint pins for a tenant's reader is pinned on a server too, and no tenant lacks
    the readers' limits."""
    (text,) = [one for one in access(["acme", "dye-works"]) if "heddle_tenant_limits" in one]
    assert "INHERIT 'heddle_reader_limits'" in text
    assert re.findall(r"(\w+) = (\S+) CONST", text) == [
        ("short_circuit_function_evaluation", "'force_enable'"),
        ("optimize_move_to_prewhere", "0"),
        ("optimize_move_to_prewhere_if_final", "0"),
    ]
    assert text.endswith("TO heddle_readers_acme, heddle_readers_dye__works")
    assert not any("heddle_tenant_limits" in one for one in access())


def test_readers_of_a_server_have_the_endpoints_bounds() -> None:
    """Large groups go on in files on a server too, as bounded as here, and no reader changes it;
    the other bounds may be lowered, not raised."""
    (text,) = [one for one in access() if "OR REPLACE heddle_reader_limits" in one]
    kept = re.findall(r"(\w+) = (\d+) CONST", text)
    spilled = [(name, str(value)) for name, value in spill_settings(Limits()).items()]
    assert kept == [*spilled, ("allow_ddl", "0")]
    bounded = [(name, str(value)) for name, value in reader_bounds(Limits()).items()]
    assert re.findall(r"(\w+) = (\d+) MAX \2\b", text) == bounded
    assert len(bounded) == 6


def test_users_come_without_a_way_in() -> None:
    """No password stands in a file that is shipped."""
    users = [one for one in access(["acme"]) if one.startswith("CREATE USER")]
    assert len(users) == 3
    assert all("HOST NONE" in one and "IDENTIFIED" not in one for one in users)


def test_names_are_checked_before_they_stand_in_sql() -> None:
    """Neither a tenant's nor a cluster's name brings a quote."""
    with pytest.raises(Unusable):
        access(["a'; DROP"])
    with pytest.raises(Unusable):
        access(cluster="a'b")


def test_on_a_cluster_every_statement_says_so() -> None:
    """Once each."""
    assert all(one.count("ON CLUSTER 'main'") == 1 for one in access(["acme"], cluster="main"))
