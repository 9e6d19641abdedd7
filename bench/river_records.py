"""Records for the river's bench: a request as the demo sends it, and the order made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from registry.book import ALIAS_MOVED, VERSION_REGISTERED, Book
from schemas.records import (
    EPOCH,
    PatternRequested,
    PatternRouted,
    Prompt,
    Record,
    RegistryChanged,
    Repeat,
    TenantChanged,
)
from streams.stages.decide import House, decide, routed

REQUESTED_AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
TENANT = TenantChanged(event_id="t", tenant="acme", changed_at=EPOCH, consent=True)
ENTRIES = tuple(
    RegistryChanged(
        event_id=kind,
        family="swatch",
        version="1.0",
        tile_px=256,
        kind=kind,
        epoch=epoch,
        changed_at=EPOCH,
        sha256="ab" * 32,
    )
    for kind, epoch in ((VERSION_REGISTERED, 0), (ALIAS_MOVED, 1))
)
REQUEST = PatternRequested(
    request_id="",
    tenant="acme",
    prompt=Prompt(text="navy and cream art deco fans, fine gold outlines, flat colours"),
    repeat=Repeat(lattice="half-drop", width_um=640_000, height_um=640_000),
    session="spring-27",
    labels={"design": "fans", "season": "spring"},
    recipe="web-preview",
    consent=True,
)


def entries() -> Iterable[Record]:
    """What route has to know first."""
    return (*ENTRIES, TENANT)


def requests(numbers: Iterable[int]) -> Iterator[PatternRequested]:
    """Requests for one pattern each."""
    for number in numbers:
        trace = f"00-{number + 1:032x}-{number + 1:016x}-01"
        yield replace(REQUEST, request_id=f"bench-{number:08d}", traceparent=trace)


def orders(numbers: Iterable[int]) -> Iterator[PatternRouted]:
    """What route makes of them."""
    book = Book()
    for entry in ENTRIES:
        book.apply(entry)
    for request in requests(numbers):
        claim = decide(request, tenant=TENANT, book=book, house=House(), requested_at=REQUESTED_AT)
        yield from routed(claim, request)
