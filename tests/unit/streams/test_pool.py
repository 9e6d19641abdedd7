"""The finishing pool under processes that die: tests start real ones, and kill them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from schemas.errors import Deadly, Rejected
from streams.stages.pool import CountedPool


def double(number: int) -> int:
    """Well-behaved work."""
    return number * 2


def die(_: int) -> int:
    """Work that kills its process."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def die_once(mark: str) -> str:
    """Work whose process dies the first time only."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def refuse(_: int) -> int:
    """Work that says no."""
    raise Rejected("too blue", field="colour", limit="less blue", outcome="failed")


def test_deaths_are_counted_alone_and_end(tmp_path: Path) -> None:
    """A record that kills its process each time is Deadly after the named number of deaths; one
    that died by bad luck is done again; the pool works on."""
    pool = CountedPool(processes_max=1, deaths_max=2)
    try:
        assert pool.run("a", double, 2) == 4
        with pytest.raises(Deadly):
            pool.run("b", die, 0)
        assert pool.run("c", die_once, str(tmp_path / "mark")) == "done"
        assert pool.run("a", double, 3) == 6
    finally:
        pool.close()


def test_a_refusal_crosses_the_process_whole() -> None:
    """Field, limit and outcome are the same on this side."""
    pool = CountedPool(processes_max=1)
    try:
        with pytest.raises(Rejected) as refused:
            pool.run("a", refuse, 0)
        told = refused.value
        assert (told.field, told.limit, told.outcome) == ("colour", "less blue", "failed")
    finally:
        pool.close()
