"""One record through blocking work: retries, refusal, breaker, hurry."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from schemas.errors import Rejected, Transient, Unusable
from streams.kafka import dead_letter
from streams.kafka.message import Message, Output, Place
from streams.loop.stage import Limits
from streams.ops import Ops
from streams.stages.carry import Carrier

MESSAGE = Message(Place("patterns.generated", 0, 7), b"r1", b"value")
RESULT = Output("out", b"r1", b"result")


class Job:
    """Work that answers what it is told to, in turn; the last answer for ever."""

    name = "finish"

    def __init__(self, *answers: Exception | Sequence[Output]) -> None:
        self.answers = list(answers)
        self.calls = 0

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def __call__(self, message: Message) -> Sequence[Output]:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """A text that names outcome, reason, limit and attempts."""
        text = f"{refused.outcome}|{refused.reason}|{refused.limit}|{attempts}"
        return Output("failed", message.key, text.encode())


class Broker:
    """Keeps what it is given; `refuse` may raise."""

    def __init__(self, refuse: Callable[[Output], None] = lambda output: None) -> None:
        self.refuse = refuse
        self.has: list[Output] = []

    def deliver(self, outputs: Sequence[Output], *, timeout_s: float) -> None:
        """Take them all or raise."""
        for output in outputs:
            self.refuse(output)
            self.has.append(output)

    @property
    def topics(self) -> list[str]:
        """Where they went, in order."""
        return [output.topic for output in self.has]


def carrier(job: Job, broker: Broker, *, errors_max: int = 5, backoff_ms: int = 1) -> Carrier:
    """A carrier with short waits."""
    limits = Limits(
        tries_max=3, backoff_ms=backoff_ms, breaker_errors_max=errors_max, probe_ms=60_000
    )
    return Carrier(job, broker, limits=limits, ops=Ops("finish"))


def test_a_passing_failure_is_tried_again() -> None:
    """Transient twice, then done: three calls, one result."""
    job, broker = Job(Transient("away"), Transient("away"), [RESULT]), Broker()
    assert carrier(job, broker).carry(MESSAGE)
    assert (job.calls, broker.has) == (3, [RESULT])


def test_exhausted_attempts_are_refused_raw_record_first() -> None:
    """After the last attempt the raw record goes aside, then the failure tells of it."""
    job, broker = Job(Transient("away")), Broker()
    assert carrier(job, broker).carry(MESSAGE)
    assert broker.topics == ["patterns.generated.finish.dlq", "failed"]
    assert broker.has[0].value == b"value"
    assert broker.has[1].value == b"failed|away|3 attempts|3"


def test_a_failed_gate_makes_no_dead_letter() -> None:
    """A refusal without dead letter writes the failure alone, at once."""
    gate = Rejected("seam", limit="1.2", outcome="failed", dead_letter=False)
    job, broker = Job(gate), Broker()
    assert carrier(job, broker).carry(MESSAGE)
    assert (job.calls, broker.topics) == (1, ["failed"])


def test_an_unexpected_error_tells_kind_and_spot_alone() -> None:
    """The text of a stranger's exception, which may hold anything, is told to nobody."""
    job, broker = Job(ValueError("a secret prompt")), Broker()
    assert carrier(job, broker).carry(MESSAGE)
    assert b"unexpected ValueError at test_carry.py:" in (broker.has[1].value or b"")
    assert b"secret" not in b"".join(output.value or b"" for output in broker.has)


def test_undelivered_outputs_leave_the_record_unfinished() -> None:
    """A broker that takes neither result nor dead letter ends the worker, not the record."""

    def away(output: Output) -> None:
        raise Transient("broker away")

    for job in (Job([RESULT]), Job(Rejected("bad"))):
        with pytest.raises(Transient, match="broker away"):
            carrier(job, Broker(away)).carry(MESSAGE)
        assert job.calls == 1


def test_a_shelf_only_a_person_can_mend_ends_the_worker_not_the_record() -> None:
    """Not tried again, not put aside, told to nobody's topic: the record stays unfinished."""
    job, broker = Job(Unusable("the shelf denies access")), Broker()
    with pytest.raises(Unusable, match="denies access"):
        carrier(job, broker).carry(MESSAGE)
    assert (job.calls, broker.has) == (1, [])


def test_a_letter_too_large_for_its_topic_goes_without_the_record() -> None:
    """It still says why and where the record lies; the failure follows it."""

    def too_large(output: Output) -> None:
        if output.value == MESSAGE.value:
            raise Rejected("result too large", field="value")

    broker = Broker(too_large)
    assert carrier(Job(Rejected("bad", field="tier")), broker).carry(MESSAGE)
    assert broker.topics == ["patterns.generated.finish.dlq", "failed"]
    notes = dict(broker.has[0].headers)
    assert broker.has[0].value is None
    assert (notes[dead_letter.FIELD], notes[dead_letter.OFFSET]) == (b"tier", b"7")
    assert notes[dead_letter.CUT] == b"5 bytes of value, and the headers"


def test_an_undelivered_result_is_nobodys_failure() -> None:
    """Where the result cannot be delivered, no dead letter and no failure are written of it."""

    def lost(output: Output) -> None:
        if output is RESULT:
            raise Transient("broker away")

    broker = Broker(lost)
    with pytest.raises(Transient, match="broker away"):
        carrier(Job([RESULT]), broker).carry(MESSAGE)
    assert broker.has == []


def test_records_in_flight_are_counted() -> None:
    """While a record is worked on the gauge says one, and none afterwards."""
    ops = Ops("finish")
    seen: list[bool] = []
    one, none = (f'heddle_in_flight_rows{{stage="finish"}} {n}'.encode() for n in ("1.0", "0.0"))

    class Looking(Job):
        def __call__(self, message: Message) -> Sequence[Output]:
            seen.append(one in ops.text())
            return []

    assert Carrier(Looking(), Broker(), limits=Limits(), ops=ops).carry(MESSAGE)
    assert seen == [True]
    assert none in ops.text()


def test_a_result_the_broker_refuses_is_a_refusal() -> None:
    """A result too large for its topic ends the record as failed."""

    def too_large(output: Output) -> None:
        if output is RESULT:
            raise Rejected("result too large", field="value", outcome="failed")

    broker = Broker(too_large)
    assert carrier(Job([RESULT]), broker).carry(MESSAGE)
    assert broker.topics == ["patterns.generated.finish.dlq", "failed"]


def test_a_tombstone_ends_without_work() -> None:
    """A null value is skipped."""
    job, broker = Job([RESULT]), Broker()
    assert carrier(job, broker).carry(Message(MESSAGE.place, b"r1", None))
    assert (job.calls, broker.has) == (0, [])


def test_hurry_abandons_what_waits() -> None:
    """Told to hurry, a record between two attempts stays unfinished; nothing is written of it."""
    broker = Broker()
    waiting = carrier(Job(Transient("away")), broker, backoff_ms=60_000)
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(waiting.carry(MESSAGE)))
    thread.start()
    waiting.hurry(yes=True)
    thread.join(10)
    assert (ended, broker.has) == ([False], [])


def test_the_breaker_holds_after_errors_in_a_row() -> None:
    """After so many unexpected errors the next record waits; told to hurry, it is abandoned."""
    job, broker = Job(ValueError()), Broker()
    tired = carrier(job, broker, errors_max=2)
    assert tired.carry(MESSAGE)
    assert tired.carry(MESSAGE)
    assert tired.is_paused
    tired.hurry(yes=True)
    assert not tired.carry(MESSAGE)
    assert job.calls == 2


def test_refusals_do_not_count_towards_the_breaker() -> None:
    """Bad input never pauses a stage."""
    tired = carrier(Job(Rejected("bad")), Broker(), errors_max=1)
    assert tired.carry(MESSAGE)
    assert not tired.is_paused
