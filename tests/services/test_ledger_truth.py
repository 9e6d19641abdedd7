"""Whatever order, repetition or loss of connections events come with: the views tell one truth."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from analytics.ask import answer, questions
from analytics.moments import CLAIMS
from analytics.sink import Sink
from schemas.errors import Rejected, Transient, Unusable
from schemas.names import STOP_INTERVAL
from tests.services.ledger_child import READER_PASSWORD, WRITER_PASSWORD, Ledger, free_port, running
from tests.services.ledger_lives import (
    BOOK,
    CPU,
    ask,
    hang_up,
    reading,
    refresh,
    story,
    write,
    writer,
)
from tests.unit.analytics import events
from tests.unit.analytics.events import T0, at, pattern


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        yield process
        hang_up()


@pytest.fixture(scope="module")
def sink(ledger: Ledger) -> Iterator[Sink]:
    sink = writer(ledger)
    yield sink
    sink.close()


def facts(ledger: Ledger, request_id: str) -> dict[str, list[dict[str, Any]]]:
    """Every view that speaks of patterns, about one request."""
    one, all_of = {"r": request_id}, {"r": f"{request_id}.%"}
    questions_of = {
        "patterns": ("patterns WHERE request_id = {r:String} ORDER BY ordinal", one),
        "costs": ("costs WHERE pattern_id LIKE {r:String} ORDER BY ALL", all_of),
        "latency": ("stage_latency WHERE pattern_id LIKE {r:String} ORDER BY ALL", all_of),
        "requests": ("requests WHERE request_id = {r:String}", one),
        "verdicts": ("verdicts WHERE pattern_id LIKE {r:String} ORDER BY ALL", all_of),
    }
    return {
        view: ask(ledger, f"SELECT * FROM {rest}", **given)  # noqa: S608
        for view, (rest, given) in questions_of.items()
    }


def waiting(ledger: Ledger, request_id: str) -> list[dict[str, Any]]:
    """Its words in quarantine."""
    sql = "SELECT tenant, field FROM quarantine WHERE subject_id LIKE {r:String} ORDER BY ALL"
    return ask(ledger, sql, r=f"{request_id}.%")


def test_one_request_by_hand(ledger: Ledger, sink: Sink) -> None:
    """Every figure of a small story, computed by hand."""
    write(sink, story("hand"))
    found = facts(ledger, "hand")
    one, two = found["patterns"]
    assert (one["outcome"], one["verdict"], one["is_accepted"]) == ("published", "accepted", True)
    assert (two["outcome"], two["verdict"], two["failure_stage"]) == ("failed", "", "generate")
    assert (one["published_at"], one["failed_at"]) == (at(9), None)
    assert (two["published_at"], two["failed_at"]) == (None, at(6))
    assert (one["attempt"], one["files"], one["files_bytes"]) == (2, 2, 3000)
    assert one["labels"] == {"season": "ss27"}
    # The table's 99 us stand on the asset itself.
    assert (one["machine_us"], one["waste_us"]) == (5_000_099, 3_000_000)
    assert (two["machine_us"], two["waste_us"]) == (1_000_000, 1_000_000)
    whole = CPU * 5_000_099 / 3_600_000_000
    assert one["cost"] == whole.quantize(Decimal("1e-12"), rounding="ROUND_DOWN")
    assert one["waste_cost"] == (CPU * 3 / 3600).quantize(Decimal("1e-12"), rounding="ROUND_DOWN")
    assert one["currency"] == "EUR"
    assert [(c["day"].isoformat(), c["kind"], c["duration_us"]) for c in found["costs"]] == [
        ("2026-11-03", "waste", 3_000_000),
        ("2026-11-03", "direct", 99),
        ("2026-11-03", "waste", 1_000_000),
        ("2026-11-04", "direct", 2_000_000),
    ]
    latency = {(row["pattern_id"], row["stage"]): row["duration_us"] for row in found["latency"]}
    assert latency == {
        ("hand.1", "route"): 200_000_000,
        ("hand.1", "generate"): -195_000_000,
        ("hand.1", "finish"): 4_000_000,
        ("hand.1", "total"): 9_000_000,
        ("hand.2", "route"): 200_000_000,
    }
    request = found["requests"][0]
    assert (request["patterns"], request["published"], request["failed"]) == (2, 1, 1)
    acceptance = ask(ledger, "SELECT sum(published) p, sum(accepted) a FROM acceptance")[0]
    assert acceptance["p"] >= acceptance["a"] >= 1


@pytest.mark.parametrize("seed", range(2))
def test_replay_order_and_repetition_change_nothing(ledger: Ledger, sink: Sink, seed: int) -> None:
    """Any range again, any order, any batches, other offsets: every view stays as it was."""
    name, draw = f"replay{seed}", random.Random(seed)
    records = story(name)
    write(sink, records, topic=name)
    before = facts(ledger, name)
    assert before["patterns"][0]["machine_us"] == 5_000_099
    start = draw.randrange(len(records))
    write(sink, records[start:], start, topic=name)
    write(sink, records[::-1], 500, topic=name)
    for _ in range(2):
        draw.shuffle(records)
        for cut in range(0, len(records), 3):
            write(sink, records[cut : cut + 3], draw.randrange(10_000), topic=name)
    assert facts(ledger, name) == before
    client = ledger.client("writer")
    for table in ("pattern_life", "usage_shares", "raw_usage", "raw_feedback"):
        client.command(f"OPTIMIZE TABLE heddle.{table} FINAL")
    client.close()
    assert facts(ledger, name) == before


def test_an_asset_after_a_failure_supersedes_it(ledger: Ledger, sink: Sink) -> None:
    """A replayed pattern is published; its failure is no longer counted, nor its time as waste."""
    of = pattern("super")
    write(sink, [events.published(of), events.failed(of), events.usage({("super.1", 1): 10}, 7)])
    found = facts(ledger, "super")["patterns"][0]
    assert (found["outcome"], found["failed_at"], found["waste_us"]) == ("published", None, 0)


def test_the_latest_word_counts_and_can_be_withdrawn(ledger: Ledger, sink: Sink) -> None:
    """By the time it happened, not by the time it came."""
    of = pattern("words")
    write(sink, [events.feedback(of, "accepted", 50), events.published(of)])
    write(sink, [events.feedback(of, "rejected", 40)], 10)
    assert facts(ledger, "words")["patterns"][0]["verdict"] == "accepted"
    write(sink, [events.feedback(of, "withdrawn", 60)], 20)
    found = facts(ledger, "words")["patterns"][0]
    assert (found["verdict"], found["is_accepted"]) == ("", False)


def test_words_wait_for_their_pattern(ledger: Ledger, sink: Sink) -> None:
    """A word before its asset counts once the asset is there; one of a foreign tenant never."""
    of = pattern("early")
    foreign = events.feedback(replace(of, tenant="other"), "rejected", 70)
    write(sink, [events.feedback(of), foreign])
    assert facts(ledger, "early")["patterns"] == []
    assert len(waiting(ledger, "early")) == 2
    write(sink, [events.published(of)], 5)
    found = facts(ledger, "early")
    assert (found["patterns"][0]["verdict"], found["patterns"][0]["tenant"]) == ("accepted", "acme")
    sql = "SELECT labels['season'] AS s, mapKeys(labels) AS names, session IS NULL AS gone"
    told = ask(ledger, f"{sql} FROM patterns WHERE request_id = 'early'")
    assert told == [{"s": "ss27", "names": ["season"], "gone": 0}]
    assert waiting(ledger, "early") == [{"tenant": "other", "field": "request_id"}]


def test_a_word_counts_once_there_is_an_asset(ledger: Ledger, sink: Sink) -> None:
    """Nobody can accept what is not there: until then the word waits, with its reason."""
    of = pattern("hasty", tenant="hasty")
    write(sink, [events.routed(of), events.feedback(of)])
    counted = "SELECT judged, accepted FROM {} WHERE tenant = 'hasty'"
    told = "SELECT verdict, is_accepted FROM patterns WHERE tenant = 'hasty'"
    why = "SELECT field, broken_limit, reason FROM quarantine WHERE tenant = 'hasty'"
    refresh(ledger)
    assert ask(ledger, told) == [{"verdict": "accepted", "is_accepted": False}]
    assert ask(ledger, counted.format("daily_patterns")) == [{"judged": 0, "accepted": 0}]
    assert ask(ledger, why) == [
        {"field": "request_id", "broken_limit": "a pattern with an asset",
         "reason": "the pattern has no asset (yet)"}
    ]  # fmt: skip
    write(sink, [events.published(of)], 5)
    refresh(ledger)
    assert ask(ledger, told) == [{"verdict": "accepted", "is_accepted": True}]
    for view in ("daily_patterns", "acceptance"):
        assert ask(ledger, counted.format(view)) == [{"judged": 1, "accepted": 1}]
    assert ask(ledger, why) == []


def test_a_refusal_is_no_pattern_and_routing_lifts_it(ledger: Ledger, sink: Sink) -> None:
    """Ordinal 0 counts nowhere; a PatternRouted of the request supersedes it."""
    refused = replace(pattern("refused"), ordinal=0, count=0)
    write(sink, [events.failed(refused, outcome="rejected")])
    assert facts(ledger, "refused")["patterns"] == []
    sql = "SELECT field FROM refusals WHERE request_id = 'refused'"
    assert ask(ledger, sql) == [{"field": "seam_p"}]
    write(sink, [events.routed(pattern("refused"))], 5)
    assert ask(ledger, sql) == []


def test_bad_events_stand_in_quarantine_and_the_rest_goes_on(ledger: Ledger, sink: Sink) -> None:
    """A batch with an impossible event keeps its neighbours, and its offsets are whole."""
    bad = events.usage({("quar.1", 1): 5}, 9, duration_us=-1, incarnation="quar")
    write(
        sink, [events.published(pattern("quar")), bad, events.feedback(pattern("quar"))], topic="q"
    )
    assert facts(ledger, "quar")["patterns"][0]["verdict"] == "accepted"
    rows = ask(ledger, "SELECT field, broken_limit FROM quarantine WHERE subject_id = 'quar/9'")
    assert rows == [{"field": "duration_us", "broken_limit": "0 to 10000000"}]
    offsets = ask(ledger, "SELECT recorded, missing, doubled FROM offsets WHERE topic = 'q'")
    assert offsets == [{"recorded": 3, "missing": 0, "doubled": 0}]


def test_an_hour_of_clock_skew(ledger: Ledger, sink: Sink) -> None:
    """What claims to have happened an hour after it was sent stands in quarantine with the reason,
    whatever kind it is; what is an hour late counts, and so does the rest of the batch."""
    sent_at = at(200)
    batch: dict[int, list[Any]] = {hours: [] for hours in (1, -1)}
    for record in events.one_of_each():
        for field in CLAIMS[type(record)]:
            for hours, claimed in batch.items():
                name = f"skew/{hours}/{type(record).__name__}.{field}"
                moved = {field: sent_at + timedelta(hours=hours), "event_id": name}
                claimed.append(replace(record, **moved))
    batch[1].append(events.usage({}, STOP_INTERVAL, state="stopped", event_id="skew/1/stop",
                                 started_at=sent_at, duration_us=3_600_000_000))  # fmt: skip
    good = events.published(pattern("skew", tenant="skew"))
    write(sink, [*batch[1], *batch[-1], events.routed(good.pattern), good], topic="skew")
    sql = "SELECT * FROM quarantine WHERE startsWith(event_id, 'skew/') ORDER BY event_id"
    found = {row["event_id"]: row for row in ask(ledger, sql)}
    assert set(found) == {one.event_id for one in batch[1]}
    for event_id, row in found.items():
        _, _, named = event_id.split("/")
        kind, _, field = named.partition(".")
        if named == "stop":
            kind, field = "UsageMeasured", "duration_us"
        assert (row["record"], row["field"]) == (kind, field)
        assert row["reason"].endswith("3600 s after the broker's timestamp")
        assert row["broken_limit"] == "at most 900 s ahead of the broker's clock"
    assert facts(ledger, "skew")["patterns"][0]["outcome"] == "published"
    offsets = ask(ledger, "SELECT recorded, missing FROM offsets WHERE topic = 'skew'")
    assert offsets == [{"recorded": len(batch[1]) + len(batch[-1]) + 2, "missing": 0}]


def test_lost_and_doubled_offsets_are_seen(ledger: Ledger, sink: Sink) -> None:
    """A hole is missing; the same event at two offsets is doubled; a replayed offset is neither."""
    one, two = events.feedback(pattern("lost")), events.feedback(pattern("lost"), "rejected")
    sink.write([(one, "lost", 4, 10, T0), (one, "lost", 4, 11, T0), (two, "lost", 4, 15, T0)])
    sink.write([(two, "lost", 4, 15, T0), (None, "lost", 4, 12, T0)])
    rows = ask(ledger, "SELECT recorded, missing, doubled FROM offsets WHERE topic = 'lost'")
    assert rows == [{"recorded": 4, "missing": 2, "doubled": 1}]


def test_parts_sum_to_their_forwards(ledger: Ledger, sink: Sink) -> None:
    """The invariant's view is empty, and machine time counts every interval once."""
    write(sink, story("sums"))
    assert ask(ledger, "SELECT * FROM audit_forwards") == []
    total = ask(ledger, "SELECT sum(forwards_us) f, sum(parts_us) p FROM machine_time")[0]
    assert total["f"] == total["p"] > 0


def test_errors_are_told_as_what_they_are(ledger: Ledger) -> None:
    """Nobody there: try again. Wrong password: a person must act. Bad SQL: never again."""
    nobody = Sink(
        url=f"http://127.0.0.1:{free_port()}", user="heddle_writer", password="x", prices=BOOK
    )
    with pytest.raises(Transient):
        nobody.write([(None, "t", 0, 0, T0)])
    stranger = Sink(url=ledger.url, user="heddle_writer", password="wrong", prices=BOOK)
    with pytest.raises(Unusable, match="does not know user"):
        stranger.write([(None, "t", 0, 0, T0)])
    with pytest.raises(Rejected, match="missing_column"):
        ask(ledger, "SELECT missing_column FROM patterns")
    with pytest.raises(Rejected, match="no question is called"):
        ask(ledger, "no_such_question")
    reader = Sink(url=ledger.url, user="heddle_reader", password=READER_PASSWORD, prices=BOOK)
    with pytest.raises(Unusable):
        reader.write([(None, "t", 0, 0, T0)])


def test_a_cluster_that_the_ledger_does_not_know_ends_the_writer(ledger: Ledger) -> None:
    """The sink migrates ON its cluster; a refusal of that is nobody's record, so nothing is
    rejected and a person must act. The embedded engine has no cluster at all."""
    sink = Sink(
        url=ledger.url,
        user="heddle_writer",
        password=WRITER_PASSWORD,
        prices=BOOK,
        cluster="nowhere",
    )
    with pytest.raises(Unusable, match="cannot be brought up to date"):
        sink.write([(None, "t", 0, 0, T0)])
    sink.close()


@pytest.mark.parametrize("name", sorted(questions()))
def test_named_questions_have_answers(ledger: Ledger, sink: Sink, name: str) -> None:
    """Each question of the house answers with rows once there is a story."""
    write(sink, story("asked"))
    if "daily_" in questions()[name].sql:
        refresh(ledger)
    assert answer(reading(ledger), name).rows
