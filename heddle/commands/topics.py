"""`heddle topics plan|check|apply`; `rights` is in a file of its own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from heddle import parts
from heddle.commands import rights
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from streams.kafka import admin, plan

if TYPE_CHECKING:
    from heddle.settings import Settings


def add(commands: Commands) -> None:
    """What the cluster must hold."""
    parser = command(
        commands,
        "topics",
        None,
        does="the topics and rights this installation needs; nothing is created unasked",
        example="heddle topics plan",
    )
    inner = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    with_json(
        command(
            inner,
            "plan",
            _plan,
            does="print topics with their settings, and least-privilege ACLs",
            example="heddle topics plan --json",
        )
    )
    with_json(
        command(
            inner,
            "check",
            _check,
            does="compare the cluster with the plan; exit 1 where it differs",
            example="heddle topics check",
        )
    )
    with_json(
        command(
            inner,
            "apply",
            _apply,
            does="create what is missing; nothing that is there is changed",
            example="heddle topics apply",
        )
    )
    rights.add(inner)


def _planned(settings: Settings) -> list[plan.PlannedTopic]:
    return plan.planned(
        settings["PREFIX"],
        partitions=settings.whole("PARTITIONS", lowest=1),
        intakes=list(parts.intakes(settings).tenants),
    )


def _plan(given: argparse.Namespace, settings: Settings) -> int:
    acls = plan.acls(settings["PREFIX"], intakes=list(parts.intakes(settings).tenants))
    if given.json:
        as_json(
            {
                "topics": [
                    {"name": t.name, "partitions": t.partitions, "config": dict(t.config)}
                    for t in _planned(settings)
                ],
                "acls": [
                    {
                        "stage": acl.stage,
                        "resource": acl.resource,
                        "name": acl.name,
                        "operation": acl.operation,
                    }
                    for acl in acls
                ],
            }
        )
        return 0
    rows = [
        (t.name, t.partitions, " ".join(f"{name}={value}" for name, value in t.config.items()))
        for t in _planned(settings)
    ]
    table(("topic", "partitions", "config"), rows)
    say()
    table(
        ("principal", "operation", "resource", "name"),
        [(acl.stage, acl.operation, acl.resource, acl.name) for acl in acls],
    )
    return 0


def _check(given: argparse.Namespace, settings: Settings) -> int:
    found = admin.problems(parts.connection(settings), _planned(settings))
    if given.json:
        as_json({"differences": found})
        return 1 if found else 0
    for line in found:
        say(line)
    say("the cluster is as planned" if not found else f"{len(found)} differences")
    return 1 if found else 0


def _apply(given: argparse.Namespace, settings: Settings) -> int:
    made = admin.create(
        parts.connection(settings),
        _planned(settings),
        replication=settings.whole("REPLICATION", lowest=1),
    )
    if given.json:
        as_json({"created": made})
    else:
        say(f"{len(made)} topics created" if made else "nothing was missing")
    return 0
