"""Machine states from the worker's clock to the ledger's views, a killed worker's included."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analytics.ask import answer
from analytics.link import Address
from analytics.usage import STATES
from heddle.stack import ends
from heddle.stack.ports import free_ports
from schemas.names import STOPPED
from schemas.records import UsageMeasured
from tests.services.ledger_child import running
from tests.services.ledger_lives import ask, hang_up, refresh, writer
from tests.services.line import READER, Line
from tests.services.test_stack_supervisor import Keeper
from tests.unit.streams.generate_house import EVENTS, House, Slow

SPENT = "SELECT state, sum(v.duration_us) AS us FROM {} AS v GROUP BY state"


def whole_life(house: House) -> list[UsageMeasured]:
    """What a worker tells that is held by its breaker once and stopped with a row aboard."""
    house.submit(1)
    house.ended(1)
    house.until(lambda: house.usage.state == "idle")
    house.ops.ready("breaker", yes=False)
    house.submit(2)
    house.ended(2)
    house.until(lambda: house.usage.state == "failed")
    house.ops.ready("breaker", yes=True)
    house.submit(3, steps=20)
    house.until(lambda: house.usage.state == "busy")
    house.ops.ready("draining", yes=False)
    told = list(house.stage.asides())
    house.ended(3)
    told += house.stage.asides(last=True)
    return [EVENTS.codec.decode(output.value, UsageMeasured) for output in told]


def test_all_seven_states_reach_the_views(tmp_path: Path) -> None:
    """Every microsecond of the worker's clock, in its state, in `machine_time`, `daily_machines`
    and nowhere in quarantine."""
    house = House(tmp_path / "shelf", Slow(step_ms=5))
    try:
        told = whole_life(house)
    finally:
        house.stage.close(timeout_s=5)
    spent_us = Counter[str]()
    for event in told:
        spent_us[event.state] += event.duration_us
    assert set(spent_us) == set(STATES)
    with running(tmp_path / "ledger") as ledger:
        sink, now = writer(ledger), datetime.now(UTC)
        sink.write([(one, "patterns.usage", 0, n, now) for n, one in enumerate(told)])
        sink.close()
        refresh(ledger)
        for view in ("machine_time", "daily_machines"):
            found = ask(ledger, SPENT.format(view))
            assert {row["state"]: row["us"] for row in found} == spent_us
        assert ask(ledger, "SELECT * FROM quarantine") == []
        assert ask(ledger, "SELECT * FROM audit_states") == []
        hang_up()


@pytest.fixture
def line(broker: str, prefix: str, tmp_path: Path) -> Iterator[Line]:
    """Ledger and record; generate is the supervisor's."""
    made = Line(broker, prefix, tmp_path / "line")
    made.prepare("acme")
    made.start("ledger")
    made.start("record")
    yield made
    made.close()


@pytest.fixture
def keeper(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """A supervisor in a process of its own, which keeps one real generate worker."""
    for name, value in line.environment().items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "kept"
    folder.mkdir()
    port = free_ports(1)[0]
    made = Keeper(folder, f"generate=stage,{port}", policy="20,80,60000,4")
    yield made
    made.child.terminate()
    made.child.wait(20)


@pytest.mark.timeout(200)
def test_a_killed_workers_tail_is_failed_time(line: Line, keeper: Keeper) -> None:
    """SIGKILL to a real worker under a real supervisor: what it could not report any more is
    machine time of state `failed`, by the supervisor's clock, once its next life has told."""

    def asked(sql: str) -> list[tuple[Any, ...]]:
        url = line.environment()["HEDDLE_LEDGER_URL"]
        return list(answer(Address(url=url, user="heddle_reader", password=READER), sql).rows)

    wait(lambda: keeper.state().condition == "ready")
    line.until(lambda: line.events("patterns.usage"), 60, "a first report")
    pid = keeper.pid("generate")
    os.kill(pid, signal.SIGKILL)
    wait(lambda: ends.read(keeper.folder / "generate.ends.jsonl"))
    (life,) = ends.read(keeper.folder / "generate.ends.jsonl")
    tail = "SELECT sum(duration_us) FROM machine_time WHERE state = 'failed' AND stage = 'generate'"
    line.until(lambda: asked(tail)[0][0], 60, "the tail in the ledger")
    reported_us = max(
        round(event.started_at.timestamp() * 1_000_000) + event.duration_us
        for event in line.events("patterns.usage")
        if event.incarnation == life.incarnation and event.state != STOPPED
    )
    assert asked(tail) == [(life.stopped_ms * 1000 - reported_us,)]
    assert asked("SELECT count() FROM audit_states") == [(0,)]
    assert keeper.process("generate").restarts == 1


def wait(wanted: Callable[[], object]) -> None:
    """Return once `wanted` holds; a worker loads its libraries first."""
    deadline_s = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < deadline_s, "did not come about in time"
        time.sleep(0.05)
