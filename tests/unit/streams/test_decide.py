"""Route's decisions: pure, repeatable, and each refusal names its field and limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry.book import ALIAS_MOVED, VERSION_REGISTERED, Book
from schemas.errors import Rejected
from schemas.records import (
    Canvas,
    Pattern,
    PatternRequested,
    Prompt,
    RegistryChanged,
    Repeat,
    TenantChanged,
)
from streams.stages.decide import House, canvas_for, decide, routed

AT = datetime(2026, 11, 1, tzinfo=UTC)
HOUSE = House(model="swatch", recipe="web-preview", recipes=frozenset({"web-preview", "vector"}))
TENANT = TenantChanged(event_id="e", tenant="acme", changed_at=AT, consent=True)
REQUEST = PatternRequested(
    request_id="r1",
    tenant="acme",
    prompt=Prompt(text="navy dots"),
    repeat=Repeat(lattice="straight", width_um=640_000, height_um=640_000),
    variations=3,
)


def change(kind: str, epoch: int, version: str, **facts: Any) -> RegistryChanged:
    """An entry of the book; alias moves happen a day apart."""
    return RegistryChanged(
        event_id=f"{kind}{epoch}{version}",
        family="swatch",
        epoch=epoch,
        kind=kind,
        changed_at=AT + timedelta(days=epoch - 1),
        version=version,
        tile_px=256,
        **facts,
    )


def book(*moves: RegistryChanged) -> Book:
    """Two versions, version 1 stable from the first epoch on."""
    made = Book()
    for entry in (
        change(VERSION_REGISTERED, 0, "1"),
        change(VERSION_REGISTERED, 0, "2"),
        change(ALIAS_MOVED, 1, "1"),
        *moves,
    ):
        made.apply(entry)
    return made


def decided(request: PatternRequested = REQUEST, **given: Any) -> Pattern:
    """The decision, with defaults for what a test does not care about."""
    facts = {"tenant": TENANT, "book": book(), "house": HOUSE, "requested_at": AT} | given
    return decide(request, **facts)


def test_one_request_becomes_its_patterns() -> None:
    """Ordinals 1 to count, derived ids, one seed each, prompt only in the work order."""
    orders = routed(decided(), REQUEST)
    assert [order.pattern.ordinal for order in orders] == [1, 2, 3]
    assert len({order.event_id for order in orders}) == 3
    assert len({order.seed for order in orders}) == 3
    assert all(order.pattern.count == 3 for order in orders)
    assert "navy" not in repr(orders[0].pattern)


def test_a_given_seed_is_used_as_it_is_for_the_first() -> None:
    """Ordinal 1 gets the seed itself, the others one derived from it."""
    orders = routed(decided(), replace(REQUEST, seed=7))
    assert orders[0].seed == 7
    assert 7 not in {order.seed for order in orders[1:]}


def test_consent_needs_both() -> None:
    """The tenant allows it and the request says yes; one alone is not enough."""
    yes = replace(REQUEST, consent=True)
    assert decided(yes).consent
    assert not decided(REQUEST).consent
    assert not decided(yes, tenant=replace(TENANT, consent=False)).consent


@pytest.mark.parametrize(
    ("request_", "tenant", "field"),
    [
        (REQUEST, None, "tenant"),
        (REQUEST, replace(TENANT, active=False), "tenant"),
        (replace(REQUEST, tier="premium"), replace(TENANT, tiers=("draft",)), "tier"),
        (replace(REQUEST, tier="gold"), TENANT, "tier"),
        (replace(REQUEST, model="unknown"), TENANT, "model"),
        (replace(REQUEST, model="swatch@9"), TENANT, "model"),
        (replace(REQUEST, model="swatch"), replace(TENANT, models=("other",)), "model"),
        (replace(REQUEST, recipe="none"), TENANT, "recipe"),
        (REQUEST, replace(TENANT, variations_max=2), "variations"),
        (REQUEST, replace(TENANT, canvas_px_max=128), "canvas"),
        (replace(REQUEST, deadline=AT - timedelta(1)), TENANT, "deadline"),
        (replace(REQUEST, prompt=Prompt(text="  ")), TENANT, "prompt"),
    ],
)
def test_every_refusal_names_its_field(
    request_: PatternRequested, tenant: TenantChanged | None, field: str
) -> None:
    """Rights, names and limits: the first that is broken is told, with what would be allowed."""
    with pytest.raises(Rejected) as refused:
        decided(request_, tenant=tenant)
    assert refused.value.field == field
    assert refused.value.limit
    assert "navy" not in str(refused.value)


def test_the_arm_is_drawn_by_hash_and_by_the_epoch_of_the_request() -> None:
    """Same session, same arm; about the share of sessions; requests before the canary know none."""
    canary = change(ALIAS_MOVED, 2, "1", canary="2", share=0.2, salt="s", experiment="x")
    later = AT + timedelta(days=2)
    arms = [
        decided(replace(REQUEST, session=f"s{n}"), book=book(canary), requested_at=later).arm
        for n in range(2_000)
    ]
    assert 0.16 < arms.count("canary") / 2_000 < 0.24
    again = decided(replace(REQUEST, session="s1"), book=book(canary), requested_at=later)
    assert again.arm == arms[1]
    assert decided(book=book(canary), requested_at=AT).epoch == 1
    assert decided(book=book(canary), requested_at=AT).experiment is None


def test_a_pinned_version_is_no_arm() -> None:
    """Whoever names a version gets it and stands outside every experiment."""
    pinned = decided(replace(REQUEST, model="swatch@2"))
    assert (pinned.version, pinned.arm, pinned.experiment) == ("2", "pinned", None)


def test_the_canvas_follows_the_repeat() -> None:
    """The longer side is the model's own, both are multiples of 64."""
    assert canvas_for(REQUEST.repeat, 256) == Canvas(width_px=256, height_px=256)
    tall = Repeat(lattice="straight", width_um=320_000, height_um=640_000)
    assert canvas_for(tall, 256) == Canvas(width_px=128, height_px=256)


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({"locked": "navy"}, "labels.locked"),
        ({"colourway.dusk": "#12"}, "labels.colourway.dusk"),
        ({"lock-delta-e": "-1"}, "labels.lock-delta-e"),
    ],
)
def test_colours_that_cannot_be_read_are_refused_at_the_door(
    labels: dict[str, str], field: str
) -> None:
    """Nothing is drawn for an order that the finishing table would refuse."""
    with pytest.raises(Rejected) as refused:
        decide(
            replace(REQUEST, labels=labels),
            tenant=TENANT,
            book=book(),
            house=HOUSE,
            requested_at=AT,
        )
    assert refused.value.field == field
