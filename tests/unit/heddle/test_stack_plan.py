"""Which processes a stack has, in which order they start and stop, and what they are told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from heddle.stack import kafka, ports, processes
from heddle.stack.kept import LOG_BYTES_MAX, Kept, Process
from heddle.stack.layout import StackFolder
from heddle.stack.processes import StackOptions
from heddle.stack.restarts import RestartPolicy
from heddle.stack.supervisor import StackFacts, Supervisor, stop_waves
from schemas.errors import EXIT_PORT_TAKEN, Unusable


def _process(name: str, *after: str, one_shot: bool = False) -> Process:
    return Process(
        name=name, argv=("true",), env={}, log=Path("unused"), after=after, one_shot=one_shot
    )


def test_stopping_goes_back_up_the_chain() -> None:
    """What others need stops after them; a one-shot that still runs goes with the first."""
    chain = [
        _process("kafka"),
        _process("ledger"),
        _process("topics", "kafka", one_shot=True),
        _process("route", "topics"),
        _process("record", "topics", "ledger"),
    ]
    assert stop_waves(chain) == [
        frozenset({"route", "record", "topics"}),
        frozenset({"kafka", "ledger"}),
    ]
    assert stop_waves([_process("only", one_shot=True)]) == [frozenset({"only"})]


@pytest.mark.parametrize("after", ["later", "nobody", "self"])
def test_an_order_that_cannot_be_kept_is_a_mistake(after: str) -> None:
    """Coming after oneself, a later or an unknown one is refused before anything starts."""
    wrong = [_process("self", after), _process("later")]
    with pytest.raises(ValueError, match="self: named twice, or comes after"):
        Supervisor(wrong, StackFacts(run_id="r"), state_path=Path("unused"))


def test_options_come_from_the_settings() -> None:
    """Each setting lands in its place; what is not set stays as it was; JSON keeps all of it."""
    chosen = StackOptions.from_environ({"HEDDLE_KAFKA_PORT": "9092", "HEDDLE_PARTITIONS": "2"})
    assert chosen == StackOptions(ports={"kafka": 9092}, partitions=2)
    assert StackOptions.from_environ({}) == StackOptions()
    assert StackOptions.from_json(chosen.to_json()) == chosen


@pytest.mark.parametrize("port", [1, 65_535])
def test_the_ends_of_the_range_are_inside(port: int) -> None:
    """The lowest and the highest port may be asked for."""
    assert StackOptions.from_environ({"HEDDLE_LIVE_PORT": str(port)}).ports == {"live": port}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("HEDDLE_KAFKA_PORT", "0"),
        ("HEDDLE_LEDGER_PORT", "65536"),
        ("HEDDLE_LIVE_PORT", "nine"),
        ("HEDDLE_PARTITIONS", "0"),
        ("HEDDLE_PARTITIONS", "1001"),
    ],
)
def test_an_impossible_setting_is_named(setting: str, value: str) -> None:
    """The sentence holds the setting, what was given, and the range."""
    with pytest.raises(Unusable, match=rf"{setting} is '{value}': .*number, 1 to"):
        StackOptions.from_environ({setting: value})


def test_everything_that_listens_has_a_port_of_its_own(tmp_path: Path) -> None:
    """No name is forgotten, no port given twice, and a chosen one is kept."""
    (wanted,) = ports.free_ports(1)
    chosen = processes.choose_ports(StackOptions(ports={"ledger": wanted}), {})
    assert chosen["ledger"] == wanted
    assert len(set(chosen.values())) == len(chosen)
    told = processes.stage_environment(chosen, _made(tmp_path), partitions=4)
    assert told["HEDDLE_LEDGER_URL"] == f"http://127.0.0.1:{wanted}"
    assert told["HEDDLE_ASSETS"] == (tmp_path / "assets").as_uri()
    assert told["HEDDLE_PARTITIONS"] == "4"
    assert Path(told["HEDDLE_LEDGER_WRITER_PASSWORD_FILE"]).exists()


def test_a_cluster_id_is_never_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id that would begin with a dash is drawn again; others keep their 22 characters."""
    drawn = iter([uuid.UUID(int=0xFB << 120), uuid.UUID(int=0xFF << 120)])
    monkeypatch.setattr(uuid, "uuid4", lambda: next(drawn))
    assert kafka.new_cluster_id() == "_wAAAAAAAAAAAAAAAAAAAA"


def test_ports_are_kept_from_one_run_to_the_next() -> None:
    """A port of the last run is taken again while free, another one when not."""
    before = processes.choose_ports(StackOptions(), {})
    with socket.create_server(("127.0.0.1", before["live"])):
        again = processes.choose_ports(StackOptions(), {**before, "unknown": 1})
    assert again.pop("live") != before.pop("live")
    assert again == before


def test_a_chosen_port_is_chosen_by_nobody_else() -> None:
    """A process beside this one cannot mark a port that this one was given, until it ends."""
    (port,) = ports.free_ports(1)
    ask = f"from heddle.stack import ports; print(ports.mark({port}), ports.mark({port}))"
    beside = [sys.executable, "-c", ask]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.check_output(beside, text=True, env=env).split() == ["False", "False"]
    assert ports.mark(port)
    ports.unmark(port)
    assert subprocess.check_output(beside, text=True, env=env).split() == ["True", "True"]
    assert ports.mark(port)


def test_a_taken_port_is_refused_with_advice() -> None:
    """The sentence names port, purpose and setting; the exit code is the one for ports."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(Unusable, match=rf"port {port} .* for live, is taken: .*X_PORT") as no:
            ports.require_free(port, what="live", setting="X_PORT")
    assert no.value.exit_code == EXIT_PORT_TAKEN
    ports.require_free(port, what="live", setting="X_PORT")


def test_a_log_is_cut_at_its_limit(tmp_path: Path) -> None:
    """Nothing happens up to the limit; one byte more and it starts anew, its past beside it."""
    log = tmp_path / "one.log"
    kept = Kept(Process(name="one", argv=("true",), env={}, log=log), policy=RestartPolicy())
    kept.bound_log()
    with log.open("wb") as opened:
        opened.truncate(LOG_BYTES_MAX)
    kept.bound_log()
    assert log.stat().st_size == LOG_BYTES_MAX
    with log.open("ab") as opened:
        opened.write(b"x")
    kept.bound_log()
    assert log.stat().st_size == 0
    assert (tmp_path / "one.log.1").stat().st_size == LOG_BYTES_MAX + 1


def _made(root: Path) -> StackFolder:
    folder = StackFolder(root=root)
    folder.make()
    return folder


def test_commands_are_told_what_the_stages_are_told(tmp_path: Path) -> None:
    """Whatever a command needs to agree on with the stages is in `stack.json`: the count of
    partitions too, so that `heddle topics check` finds no difference in a stack of few."""
    folder = StackFolder(root=tmp_path)
    folder.make()
    names = ("kafka", "kafka_controller", *processes.SERVICES, *processes.STAGES)
    ports_by_name = dict(zip(names, range(30_001, 30_020), strict=False))
    told = processes.addresses(ports_by_name, folder, partitions=4)
    stages = processes.stage_environment(ports_by_name, folder, partitions=4)
    assert told["HEDDLE_PARTITIONS"] == "4"
    assert {name: stages[name] for name in told} == told
