"""One file per command, each with `add`, which says how it is called and what runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from heddle.commands import (
    ask,
    dlq,
    models,
    run,
    show_settings,
    sql,
    stack,
    tenants,
    topics,
    verdict,
)
from heddle.demo import main as demo

if TYPE_CHECKING:
    from heddle.commands.shape import Commands

COMMANDS: Final[tuple[Callable[[Commands], None], ...]] = (
    demo.add,
    stack.add,
    ask.add,
    verdict.add,
    sql.add,
    dlq.add,
    topics.add,
    tenants.add,
    models.add,
    show_settings.add,
    run.add,
)
