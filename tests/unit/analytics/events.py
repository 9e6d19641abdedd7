"""Records for tests, every field that matters given by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from analytics.usage import INTERVAL_US_MAX
from schemas.records import (
    AssetPublished,
    CancelRequested,
    FeedbackGiven,
    File,
    Forward,
    Gate,
    Part,
    Pattern,
    PatternFailed,
    PatternRequested,
    PatternRouted,
    Prompt,
    Record,
    RegistryChanged,
    Repeat,
    RequestCompleted,
    TenantChanged,
    TileGenerated,
    UsageMeasured,
)

T0 = datetime(2026, 11, 3, 23, 59, 50, tzinfo=UTC)
"""Ten seconds before midnight: days are UTC days."""
WORDS = "zebra-striped secret wish"


def at(seconds: float) -> datetime:
    """So many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def pattern(request_id: str = "r1", ordinal: int = 1, **given: Any) -> Pattern:
    base = Pattern(
        request_id=request_id,
        ordinal=ordinal,
        count=2,
        tenant="acme",
        session="s1",
        labels={"season": "ss27"},
        tier="standard",
        pool="small",
        lattice="half-drop",
        repeat_width_um=640_000,
        repeat_height_um=640_000,
        canvas_width_px=256,
        canvas_height_px=256,
        model="swatch",
        version="1",
        recipe="wallpaper",
        prompt_hash="ab" * 32,
        prompt_length=len(WORDS),
        payload_hash="cd" * 32,
        requested_at=T0,
    )
    return replace(base, **given)


def requested(request_id: str = "r1", **given: Any) -> PatternRequested:
    base = PatternRequested(
        request_id=request_id,
        tenant="acme",
        prompt=Prompt(text=WORDS),
        negative_prompt=Prompt(text=WORDS),
        repeat=Repeat(lattice="straight", width_um=640_000, height_um=640_000),
    )
    return replace(base, **given)


def routed(of: Pattern, **given: Any) -> PatternRouted:
    base = PatternRouted(
        event_id=f"{of.pattern_id}/route", pattern=of, prompt=Prompt(text=WORDS), seed=7,
        negative_prompt=Prompt(text=WORDS), steps=20, guidance=5.0,
    )  # fmt: skip
    return replace(base, **given)


def file(role: str = "tile", size_bytes: int = 1000) -> File:
    return File(
        role=role, key=f"acme/{role}", display_name=role, media_type="image/png",
        size_bytes=size_bytes, sha256="00",
    )  # fmt: skip


GATE = Gate(name="seam_p", artefact="tile", figure=0.5, limit=1.0, comparison="<=", passed=True)


def generated(of: Pattern, seconds: float = 5, attempt: int = 1, **given: Any) -> TileGenerated:
    base = TileGenerated(
        event_id=f"{of.pattern_id}/generate", pattern=of, file=file(), gates=(GATE,), seed=7,
        attempt=attempt, steps=20, guidance=5.0, model_hash="m", manifest_key="k",
        generated_at=at(seconds), gpu_us=1234, batch_rows=4, batch_slot=1,
    )  # fmt: skip
    return replace(base, **given)


def published(of: Pattern, seconds: float = 9, attempt: int = 1, **given: Any) -> AssetPublished:
    base = AssetPublished(
        event_id=f"{of.pattern_id}/finish", pattern=of, files=(file(), file("print", 2000)),
        gates=(GATE,), seed=7, attempt=attempt, steps=20, guidance=5.0, model_hash="m",
        recipe_hash="h", manifest_key="k", generated_at=at(5), published_at=at(seconds),
        gpu_us=1234, cpu_us=99, palette=("#ffffff", "#000000"),
    )  # fmt: skip
    return replace(base, **given)


def failed(of: Pattern, seconds: float = 6, outcome: str = "failed", **given: Any) -> PatternFailed:
    base = PatternFailed(
        event_id=f"{of.pattern_id}/generate/failed", pattern=of, stage="generate",
        outcome=outcome, reason="seam", field="seam_p", limit="1.0", attempts=3,
        failed_at=at(seconds),
    )  # fmt: skip
    return replace(base, **given)


def feedback(
    of: Pattern, kind: str = "accepted", seconds: float = 100, event_id: str = ""
) -> FeedbackGiven:
    return FeedbackGiven(
        event_id=event_id or f"{of.pattern_id}/{kind}/{seconds}", request_id=of.request_id,
        ordinal=of.ordinal, tenant=of.tenant, kind=kind, happened_at=at(seconds),
        reasons=("colour off",), reviewer="p-17",
    )  # fmt: skip


def usage(
    parts: dict[tuple[str, int], int], interval: int = 0, seconds: float = 1, **given: Any
) -> UsageMeasured:
    """One busy interval with one forward; `parts` maps (pattern_id, attempt) to microseconds.

    Of a forward longer than an interval it is the last one, as workers tell it.
    """
    total_us = sum(parts.values())
    split = tuple(Part(pattern_id=p, attempt=a, duration_us=us) for (p, a), us in parts.items())
    base = UsageMeasured(
        event_id=f"inc/{interval}", worker="w1", incarnation="inc", interval=interval,
        stage="generate", pool="small", device="cpu", state="busy", started_at=at(seconds),
        duration_us=min(total_us + 1000, INTERVAL_US_MAX), model="swatch", version="1",
        forwards=(Forward(kind="denoise", duration_us=total_us, parts=split),),
    )  # fmt: skip
    return replace(base, **given)


def cut(record: UsageMeasured) -> list[UsageMeasured]:
    """The same stretch of time as a worker tells it: cut at ten seconds, forwards in the last."""
    whole, rest_us = divmod(record.duration_us, INTERVAL_US_MAX)
    lengths_us = [INTERVAL_US_MAX] * whole + [rest_us] * bool(rest_us)
    return [
        replace(
            record,
            event_id=f"{record.event_id}.{number}",
            interval=record.interval + number,
            started_at=record.started_at + timedelta(microseconds=number * INTERVAL_US_MAX),
            duration_us=us,
            forwards=record.forwards if number == len(lengths_us) - 1 else (),
        )
        for number, us in enumerate(lengths_us)
    ]


def one_of_each() -> list[Record]:
    """Every kind of record, all about request r1."""
    of = pattern()
    return [
        requested(),
        routed(of),
        generated(of),
        published(of),
        failed(pattern(ordinal=2)),
        RequestCompleted(
            event_id="c", request_id="r1", tenant="acme", count=2, published=(1,), failed=(2,),
            cancelled=(), expired=(), completed_at=at(10),
        ),
        feedback(of),
        CancelRequested(event_id="x", request_id="r1", tenant="acme", happened_at=at(3)),
        usage({("r1.1", 1): 700, ("r1.2", 1): 300}),
        TenantChanged(event_id="t", tenant="acme", changed_at=T0),
        RegistryChanged(
            event_id="g", family="swatch", epoch=1, kind="alias-moved", changed_at=T0, version="1"
        ),
    ]  # fmt: skip
