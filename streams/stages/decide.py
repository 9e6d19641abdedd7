"""Route's decisions on one request: rights, model, arm, canvas, recipe. Pure.

What is decided here is laid down in the request's claim, so that a second reading of the same
record, whatever changed in between, gives the same patterns.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from schemas import limits, names
from schemas.errors import Rejected
from schemas.records import Canvas, Pattern, PatternRouted
from streams.stages.order_labels import read_labels

if TYPE_CHECKING:
    from datetime import datetime

    from registry.book import Book
    from schemas.records import PatternRequested, Repeat, TenantChanged

TILE_PX_DEFAULT: Final = 256
"""Side of a tile where the book does not say what the model was trained at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The installation's own defaults."""

    model: str = "swatch"
    recipe: str = "web-preview"
    recipes: frozenset[str] = frozenset({"web-preview"})
    """Finishing recipes that exist here."""
    pools: tuple[tuple[str, str], ...] = ()
    """(model family, pool): which workers may take it; any other goes to `default`."""


def decide(
    request: PatternRequested,
    *,
    tenant: TenantChanged | None,
    book: Book,
    house: House,
    requested_at: datetime,
) -> Pattern:
    """The pattern with ordinal 1 that stands for all of the request's. Raises Rejected."""
    limits.check_request(request)
    # Colours that the table could not read are refused here, before anything is drawn.
    read_labels(request.labels)
    rights = _rights(request, tenant)
    wanted = request.model or rights.model or house.model
    choice = book.choose(wanted, unit=request.session or request.request_id, at=requested_at)
    _allowed(choice.family, rights.models, "model")
    recipe = request.recipe or rights.recipe or house.recipe
    _allowed(recipe, rights.recipes, "recipe")
    _known(recipe, house.recipes)
    if request.deadline is not None and request.deadline <= requested_at:
        limit = "after the request"
        raise Rejected(
            "deadline has passed",
            field="deadline",
            limit=limit,
            outcome="expired",
            dead_letter=False,
        )
    canvas = request.canvas or canvas_for(request.repeat, choice.tile_px or TILE_PX_DEFAULT)
    _within(canvas, rights.canvas_px_max)
    return replace(
        _asked(request, requested_at),
        pool=dict(house.pools).get(choice.family, "default"),
        canvas_width_px=canvas.width_px,
        canvas_height_px=canvas.height_px,
        model=choice.family,
        version=choice.version,
        recipe=recipe,
        consent=rights.consent and request.consent,
        experiment=choice.experiment,
        arm=choice.arm,
        arm_probability=choice.arm_probability,
        epoch=choice.epoch,
    )


def routed(claim: Pattern, request: PatternRequested) -> list[PatternRouted]:
    """The work orders of a claimed request, ordinal 1 to count."""
    return [
        PatternRouted(
            event_id=names.event_id(
                names.pattern_id(request.request_id, ordinal), "route", "PatternRouted"
            ),
            pattern=replace(claim, ordinal=ordinal),
            prompt=request.prompt,
            seed=names.seed_of(request.request_id, request.seed, ordinal=ordinal, attempt=1),
            given_seed=request.seed,
            negative_prompt=request.negative_prompt,
            adapters=request.adapters,
            steps=request.steps,
            guidance=request.guidance,
        )
        for ordinal in range(1, claim.count + 1)
    ]


def canvas_for(repeat: Repeat, tile_px: int) -> Canvas:
    """The canvas nearest to the repeat's aspect whose longer side is the model's own.

    Both sides are multiples of `CANVAS_PX_MULTIPLE`; where the aspect then misses by more than a
    pixel, the picture is brought to the repeat's exact aspect when it is finished.
    """
    longest_um = max(repeat.width_um, repeat.height_um)
    step = limits.CANVAS_PX_MULTIPLE

    def side(length_um: int) -> int:
        steps = round(tile_px * length_um / longest_um / step)
        return max(steps, 1) * step

    return Canvas(width_px=side(repeat.width_um), height_px=side(repeat.height_um))


def _rights(request: PatternRequested, tenant: TenantChanged | None) -> TenantChanged:
    if tenant is None or not tenant.active:
        limit = "a tenant of this installation (`heddle tenants set`)"
        raise Rejected(f"tenant {request.tenant} is unknown", field="tenant", limit=limit)
    _allowed(request.tier, tenant.tiers, "tier")
    if tenant.variations_max is not None and request.variations > tenant.variations_max:
        limit = f"at most {tenant.variations_max} for this tenant"
        raise Rejected("too many variations", field="variations", limit=limit)
    return tenant


def _allowed(value: str, allowed: Collection[str], field: str) -> None:
    if allowed and value not in allowed:
        limit = "for this tenant one of " + ", ".join(sorted(allowed))
        raise Rejected(f"{field} {value} is not allowed", field=field, limit=limit)


def _known(recipe: str, recipes: Collection[str]) -> None:
    if recipe not in recipes:
        limit = "one of " + ", ".join(sorted(recipes))
        raise Rejected(f"recipe {recipe} is unknown", field="recipe", limit=limit)


def _within(canvas: Canvas, px_max: int | None) -> None:
    if px_max is not None and max(canvas.width_px, canvas.height_px) > px_max:
        limit = f"at most {px_max} px for this tenant"
        raise Rejected("canvas too large", field="canvas", limit=limit)


def _asked(request: PatternRequested, requested_at: datetime) -> Pattern:
    """What the request alone says about its patterns."""
    return Pattern(
        request_id=request.request_id,
        ordinal=1,
        count=request.variations,
        tenant=request.tenant,
        session=request.session,
        labels=dict(request.labels),
        tier=request.tier,
        lattice=request.repeat.lattice,
        repeat_width_um=request.repeat.width_um,
        repeat_height_um=request.repeat.height_um,
        palette_max=request.palette_max,
        deadline=request.deadline,
        callback=request.callback,
        prompt_hash=names.prompt_digest(request.prompt),
        prompt_length=len(request.prompt.text or ""),
        payload_hash=names.payload_hash(request),
        requested_at=requested_at,
        traceparent=request.traceparent,
    )
