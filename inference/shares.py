"""Who pays for a shared forward: exact division of machine time over rows. Pure.

A row's weight is its pixels, doubled when guidance makes the model run it twice. Shares are whole
microseconds by the largest-remainder method, so that they sum to the whole without a rounding loss
(DESIGN.md section 5). Nothing here measures or prices anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from inference.engine import Forward, ForwardKind, Part, Row


def weight(width_px: int, height_px: int, guidance: float) -> int:
    """What one row costs in a forward, in pixels: doubled when guidance is above 1."""
    return width_px * height_px * (2 if guidance > 1 else 1)


def split(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Divide `total` (>= 0) over `weights` (> 0 each): whole numbers that sum to it exactly.

    Largest remainder; equal remainders go to the earlier row, so the answer is one and the same
    everywhere. No share differs from its exact value by 1 or more. Raises ValueError on a
    negative total, no weights, or a weight that is not positive.
    """
    if total < 0 or not weights or min(weights) <= 0:
        msg = f"cannot divide {total} over {list(weights)}"
        raise ValueError(msg)
    whole = sum(weights)
    shares = [total * part // whole for part in weights]
    remainders = [total * part % whole for part in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -remainders[place])
    for place in by_remainder[: total - sum(shares)]:
        shares[place] += 1
    return tuple(shares)


def forward(
    kind: ForwardKind,
    rows: Sequence[tuple[Row, int]],
    *,
    started_at: int,
    duration_us: int,
) -> Forward:
    """A Forward whose duration is split over `rows`, each given with its weight."""
    shares = split(duration_us, [part for _, part in rows])
    parts = tuple(
        Part(pattern_id=row.pattern_id, attempt=row.attempt, duration_us=share)
        for (row, _), share in zip(rows, shares, strict=True)
    )
    return Forward(kind=kind, started_at=started_at, duration_us=duration_us, parts=parts)
