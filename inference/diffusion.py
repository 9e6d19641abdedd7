"""Placeholder until the weaving is in: refuses to be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import Unusable

if TYPE_CHECKING:
    from inference.build import LoomSettings
    from inference.stand_in import StandIn


def DiffusionEngine(settings: LoomSettings) -> StandIn:  # noqa: N802
    raise Unusable("the diffusion engine is not in yet")
