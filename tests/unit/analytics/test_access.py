"""Access on a server: readers get views alone, tenants their own rows."""

from __future__ import annotations

import re

import pytest

from analytics.access import READERS, TENANT_ROLE, access
from analytics.contract import READER, TENANT_VIEWS, VIEWS, WRITER, tenant_reader
from analytics.endpoint.limits import Limits, reader_bounds, spill_settings
from schemas.errors import Unusable


def test_readers_are_granted_the_documented_views_and_nothing_else() -> None:
    """No table, no database, no system; and each view runs with its definer's rights."""
    text = "\n".join(access(["acme"]))
    granted = re.findall(r"GRANT SELECT ON heddle\.(\w+) TO `?([\w-]+)`?", text)
    assert {view for view, role in granted if role == READERS} == set(VIEWS)
    assert {view for view, role in granted if role == f"{TENANT_ROLE}_acme"} == set(TENANT_VIEWS)
    assert {role for _, role in granted} == {READERS, f"{TENANT_ROLE}_acme"}
    assert set(re.findall(r"ALTER TABLE heddle\.(\w+) MODIFY SQL SECURITY DEFINER", text)) == set(
        VIEWS
    )


def test_every_view_of_a_tenant_has_a_policy_for_everybody_who_may_see_it() -> None:
    """One policy hides a view from all others: so the house's readers have one too."""
    text = "\n".join(access(["acme", "dye-works"]))
    for view in TENANT_VIEWS:
        policies = re.findall(
            rf"ROW POLICY OR REPLACE [\w`-]+ ON heddle\.{view} FOR SELECT USING (.+) TO (.+)", text
        )
        assert policies == [
            ("1", "heddle_readers, heddle_writer"),
            ("tenant = 'acme'", "`heddle_tenant_acme`"),
            ("tenant = 'dye-works'", "`heddle_tenant_dye-works`"),
        ]


def test_tenants_whose_names_differ_in_a_dash_share_nothing() -> None:
    """Each has a role, a policy on each view and a user of its own: no name is made twice."""
    tenants = ["a-b", "a__b", "a_b", "a--b", "a"]
    text = access(tenants)
    policies = r"CREATE ROW POLICY OR REPLACE (\S+) ON (\S+) FOR SELECT USING (.+) TO (.+)"
    found = [match.groups() for one in text if (match := re.match(policies, one))]
    assert len({(name, view) for name, view, _, _ in found}) == len(found)
    for view in TENANT_VIEWS:
        cut = {who: rows for _, on, rows, who in found if on == f"heddle.{view}"}
        for tenant in tenants:
            assert cut[f"`{TENANT_ROLE}_{tenant}`"] == f"tenant = '{tenant}'"
    for tenant in tenants:
        own = f"GRANT `{TENANT_ROLE}_{tenant}` TO `{tenant_reader(tenant)}`"
        assert [one for one in text if one.endswith(f"TO `{tenant_reader(tenant)}`")] == [own]


def test_no_user_is_called_as_a_role() -> None:
    """GRANT ... TO name would not tell which; the tenants' names are the hardest there are."""
    tenants = ["s", "s_acme", "limits", "quota", "all", "tenant_acme", "acme"]
    text = "\n".join(access(tenants))
    users = set(re.findall(r"CREATE USER IF NOT EXISTS `?([\w-]+)", text))
    roles = set(re.findall(r"CREATE ROLE IF NOT EXISTS `?([\w-]+)", text))
    assert users == {WRITER, READER, *map(tenant_reader, tenants)}
    assert len(roles) == len(tenants) + 1
    assert not users & roles


def test_a_role_that_two_tenants_shared_is_taken_from_both() -> None:
    """Earlier versions made `heddle_readers_a__b` for a-b and for a__b: it goes first, and users
    that were there already get their new role as the default one."""
    text = access(["a-b", "a__b"])
    assert text[0] == "DROP ROLE IF EXISTS heddle_readers_a__b"
    assert not any("heddle_readers_" in one for one in text[1:])
    for tenant in ("a-b", "a__b"):
        told = f"ALTER USER `heddle_reader_{tenant}` DEFAULT ROLE `heddle_tenant_{tenant}`"
        assert told in text


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
    assert text.endswith("TO `heddle_tenant_acme`, `heddle_tenant_dye-works`")
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
