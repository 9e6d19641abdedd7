"""Who may read what on a ClickHouse server: users, roles, quotas, row policies. Pure.

The embedded engine has no users, so there the endpoint is the guard (`endpoint/guard.py`); these
statements say the same to a server, with the same figures. Views run with the writer's rights, so
that readers need none on the tables behind them. Users are made without a way in (HOST NONE): a
person gives them passwords. Run it after every migration: a view made anew forgets its definer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from schemas.errors import Unusable
from schemas.names import TENANT

from .contract import DATABASE, READER, TENANT_VIEWS, VIEWS, WRITER, tenant_reader
from .endpoint.limits import Limits, reader_bounds, spill_settings
from .migrate import CLUSTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

READERS: Final = "heddle_readers"
"""Role of whoever may see every tenant."""
TENANT_ROLE: Final = "heddle_tenant"
"""What a tenant's own role begins with, and the policies that cut to it; the tenant's name follows
as it is. No user of ours begins so, because SQL does not tell a user from a role."""
QUESTIONS_AN_HOUR_MAX: Final = 10_000
SECONDS_AN_HOUR_MAX: Final = 3_600
_MADE: Final = re.compile(
    r"^(?:CREATE|ALTER|DROP) (?:USER|ROLE|SETTINGS PROFILE|QUOTA|ROW POLICY|TABLE)"
    r"(?: IF NOT EXISTS| IF EXISTS| OR REPLACE)? [\w.`-]+|^GRANT"
)


def access(tenants: Sequence[str] = (), *, cluster: str = "") -> tuple[str, ...]:
    """Statements for an administrator, in order; each may run again. Raises Unusable on a name."""
    for tenant in tenants:
        if not TENANT.fullmatch(tenant):
            raise Unusable(f"{tenant!r} is no tenant's name")
    statements = [
        *_forgotten(tenants),
        *_users(tenants),
        # `record` migrates ON CLUSTER, which is a right of its own.
        *([f"GRANT CLUSTER ON *.* TO {WRITER}"] if cluster else []),
        _profile(Limits()),
        *([_tenant_profile(tenants)] if tenants else []),
        f"CREATE QUOTA OR REPLACE heddle_reader_quota KEYED BY user_name FOR INTERVAL 1 hour "
        f"MAX queries = {QUESTIONS_AN_HOUR_MAX}, execution_time = {SECONDS_AN_HOUR_MAX} "
        f"TO {', '.join([READERS, *map(_role, tenants)])}",
        *(
            f"ALTER TABLE {DATABASE}.{view} MODIFY SQL SECURITY DEFINER DEFINER = {WRITER}"
            for view in VIEWS
        ),
        *_grants(READERS, VIEWS),
        *_policies(tenants),
    ]
    return tuple(_placed(one, cluster) for one in statements)


def _role(tenant: str) -> str:
    """Quoted, so that the name stands as it is and two tenants never share a role."""
    return f"`{TENANT_ROLE}_{tenant}`"


def _forgotten(tenants: Iterable[str]) -> list[str]:
    """Roles that earlier versions made: `a-b` and `a__b` had one, and with it each other's rows.
    Dropping a role takes it from whoever had it."""
    names = sorted({f"{READERS}_{one}".replace("-", "__") for one in tenants})
    return [f"DROP ROLE IF EXISTS {name}" for name in names]


def _users(tenants: Iterable[str]) -> list[str]:
    made = [f"CREATE USER IF NOT EXISTS {WRITER} HOST NONE",
            f"GRANT SELECT, INSERT, CREATE, DROP TABLE, DROP VIEW, ALTER, TRUNCATE, OPTIMIZE, "
            f"SYSTEM VIEWS, SYSTEM SYNC REPLICA ON {DATABASE}.* TO {WRITER}"]  # fmt: skip
    pairs = [(READERS, READER), *((_role(one), tenant_reader(one)) for one in tenants)]
    for role, user in pairs:
        made += [
            f"CREATE ROLE IF NOT EXISTS {role}",
            f"CREATE USER IF NOT EXISTS `{user}` HOST NONE DEFAULT ROLE {role}",
            f"GRANT {role} TO `{user}`",
            # A user that was there already keeps the default it was made with.
            f"ALTER USER `{user}` DEFAULT ROLE {role}",
        ]
    return made


def _profile(limits: Limits) -> str:
    bounds = [f"{name} = {value} MAX {value}" for name, value in reader_bounds(limits).items()]
    bounds += [f"{name} = {value} CONST" for name, value in spill_settings(limits).items()]
    return (
        f"CREATE SETTINGS PROFILE OR REPLACE heddle_reader_limits SETTINGS {', '.join(bounds)}, "
        f"readonly = 2, allow_ddl = 0 CONST TO {READERS}"
    )


def _tenant_profile(tenants: Iterable[str]) -> str:
    """As the endpoint asks for a tenant: the policy is through with a row before anything of the
    question sees it, or an error raised on another tenant's row would tell what stands there."""
    return (
        "CREATE SETTINGS PROFILE OR REPLACE heddle_tenant_limits SETTINGS "
        "INHERIT 'heddle_reader_limits', "
        "short_circuit_function_evaluation = 'force_enable' CONST, "
        "optimize_move_to_prewhere = 0 CONST, optimize_move_to_prewhere_if_final = 0 CONST "
        f"TO {', '.join(map(_role, tenants))}"
    )


def _grants(role: str, views: Iterable[str]) -> list[str]:
    return [f"GRANT SELECT ON {DATABASE}.{view} TO {role}" for view in views]


def _policies(tenants: Sequence[str]) -> list[str]:
    """As soon as a view has one policy, whoever is named by none sees nothing of it."""
    made = []
    for view in TENANT_VIEWS:
        place = f"ON {DATABASE}.{view} FOR SELECT"
        made.append(
            f"CREATE ROW POLICY OR REPLACE heddle_all {place} USING 1 TO {READERS}, {WRITER}"
        )
        made += [
            f"CREATE ROW POLICY OR REPLACE {_role(one)} {place} USING tenant = '{one}' "
            f"TO {_role(one)}"
            for one in tenants
        ]
    for tenant in tenants:
        made += _grants(_role(tenant), TENANT_VIEWS)
    return made


def _placed(statement: str, cluster: str) -> str:
    if not cluster:
        return statement
    if not CLUSTER.fullmatch(cluster):
        raise Unusable(f"cluster {cluster!r} is no name: letters, digits, _ and - only")
    return _MADE.sub(rf"\g<0> ON CLUSTER '{cluster}'", statement, count=1)
