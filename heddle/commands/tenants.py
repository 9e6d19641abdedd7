"""`heddle tenants list|set`."""

from __future__ import annotations

import argparse
import uuid
from typing import TYPE_CHECKING, Any, Final

from heddle import parts
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from schemas import topics
from schemas.errors import Undecodable
from schemas.limits import check_tenant
from schemas.plain import to_plain
from schemas.records import TenantChanged
from streams.kafka.producer import Producer
from streams.kafka.replay import read_all
from streams.stages.refusal import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heddle.settings import Settings

READ_S_MAX: Final = 30.0
SEND_S_MAX: Final = 30.0
COLUMNS: Final = ("tenant", "active", "tiers", "models", "recipes", "consent", "changed_at")


def add(commands: Commands) -> None:
    """Who may ask for what."""
    parser = command(
        commands,
        "tenants",
        None,
        does="who may ask for what; route refuses tenants it does not know",
        example="heddle tenants set acme --tier draft --tier standard --consent",
    )
    inner = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    with_json(
        command(
            inner,
            "list",
            _list,
            does="print every tenant's settings in force",
            example="heddle tenants list",
        )
    )
    _add_set(inner)


def _add_set(inner: Commands) -> None:
    setting = command(
        inner,
        "set",
        _set,
        does="put a tenant's settings in force, whole; what is left out is unrestricted",
        example="heddle tenants set acme --tier draft --variations-max 8",
    )
    setting.add_argument("tenant", nargs="+", help="one or several names")
    for name, choices in (("tier", topics.TIERS), ("model", None), ("recipe", None)):
        setting.add_argument(
            f"--{name}", action="append", default=[], choices=choices, help=f"an allowed {name}"
        )
    setting.add_argument("--default-model", help="where a request names none")
    setting.add_argument("--default-recipe", help="where a request names none")
    setting.add_argument("--canvas-px-max", type=int, help="longest side of a canvas")
    setting.add_argument("--variations-max", type=int, help="patterns of one request")
    setting.add_argument("--consent", action="store_true", help="training may use its patterns")
    setting.add_argument("--if-unknown", action="store_true", help="leave known ones alone")
    setting.add_argument("--inactive", action="store_true", help="refuse every request")
    with_json(setting)


def _list(given: argparse.Namespace, settings: Settings) -> int:
    found = sorted(in_force(settings).values(), key=lambda change: change.tenant)
    if given.json:
        as_json([to_plain(change) for change in found])
        return 0
    table(
        COLUMNS,
        [
            (
                change.tenant,
                change.active,
                " ".join(change.tiers) or "all",
                " ".join(change.models) or "all",
                " ".join(change.recipes) or "all",
                change.consent,
                change.changed_at.isoformat(),
            )
            for change in found
        ],
    )
    return 0


def _set(given: argparse.Namespace, settings: Settings) -> int:
    for tenant in given.tenant:
        check_tenant(tenant)
    known = in_force(settings) if given.if_unknown else {}
    fresh = [tenant for tenant in given.tenant if tenant not in known]
    set_tenants(
        settings,
        fresh,
        tiers=tuple(given.tier),
        models=tuple(given.model),
        recipes=tuple(given.recipe),
        model=given.default_model,
        recipe=given.default_recipe,
        canvas_px_max=given.canvas_px_max,
        variations_max=given.variations_max,
        consent=given.consent,
        active=not given.inactive,
    )
    if given.json:
        as_json({"in_force": given.tenant, "changed": fresh})
    else:
        say(f"in force: {' '.join(given.tenant)}")
    return 0


def set_tenants(settings: Settings, tenants: Sequence[str], **facts: Any) -> None:
    """Put settings in force; `facts` are fields of TenantChanged. Raises Transient."""
    events = parts.events(settings, "operator")
    changes = [
        TenantChanged(event_id=str(uuid.uuid4()), tenant=tenant, changed_at=now(), **facts)
        for tenant in tenants
    ]
    producer = Producer(parts.connection(settings), client_id="heddle.operator")
    producer.deliver([events.output(change) for change in changes], timeout_s=SEND_S_MAX)


def in_force(settings: Settings) -> dict[str, TenantChanged]:
    """Every tenant's newest settings."""
    events = parts.events(settings, "operator")
    name = topics.prefixed(settings["PREFIX"], topics.TENANTS.name)
    found: dict[str, TenantChanged] = {}
    for message in read_all(parts.connection(settings), [name], timeout_s=READ_S_MAX):
        try:
            change = events.record(message, TenantChanged)
        except Undecodable:
            found.pop((message.key or b"").decode(errors="replace"), None)
            continue
        found[change.tenant] = change
    return found
