"""The live view as a process of its own between real topics."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from heddle.stack import ports
from schemas import names
from schemas.errors import Unusable
from streams.kafka import admin
from streams.kafka.message import Output
from streams.kafka.plan import changelog_name, planned
from streams.live.app import LiveSettings, run
from tests.services.live_view import (
    PARTITIONS,
    River,
    failed,
    generated,
    published,
    routed,
    wait_for,
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def river(broker: str, prefix: str, tmp_path: Path) -> River:
    """Topics of an own prefix."""
    return River(broker, prefix, tmp_path / "live.log")


def test_a_request_is_followed_to_its_end(river: River) -> None:
    """Status over HTTP on the way, one RequestCompleted at the end, exit 0 on SIGTERM."""
    with river.live() as child:
        river.say(routed("a", 1, 2), routed("a", 2, 2), generated("a", 1, 2))
        wait_for(lambda: (river.ask("/requests/a")[1] or {}).get("progress") == 0.25)
        status, body = river.ask("/requests/a")
        assert (status, body["state"], body["counts"]) == (
            200,
            "running",
            {"generated": 1, "routed": 1},
        )
        assert river.ask("/readyz")[0] == 200
        assert river.ask("/livez")[0] == 200
        assert river.ask("/requests/nobody") == (
            404,
            {"error": "unknown request", "request_id": "nobody"},
        )
        assert river.ask("/requests/%20")[0] == 400
        river.say(published("a", 1, 2), failed("a", 2, 2, "cancelled"))
        (completed,) = river.completed(at_least=1)
        assert completed.event_id == names.event_id("a.0", "live", "RequestCompleted")
        assert (completed.published, completed.cancelled) == ((1,), (2,))
        assert river.ask("/requests/a")[1]["completed"]["cancelled"] == [2]
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0, river.log.read_text()


def test_bad_records_are_skipped(river: River) -> None:
    """Garbage, a tombstone and an impossible ordinal disturb no neighbour."""
    topic = f"{river.prefix}.patterns.published"
    with river.live():
        river.producer.deliver(
            [Output(topic, b"x", b"garbage"), Output(topic, None, None)], timeout_s=20
        )
        river.say(published("b", 3, 2), failed("refused", 0, 0, "rejected"), published("c"))
        wait_for(lambda: river.state("c") == "completed")
        wait_for(lambda: river.state("refused") == "rejected")
        assert river.ask("/requests/refused")[1]["refusal"]["field"] == "seam_p"
        assert river.state("b") is None
        assert [each.request_id for each in river.completed(at_least=1)] == ["c"]


def test_a_killed_live_loses_nothing(river: River) -> None:
    """SIGKILL in the middle of a stream: after a restart every request is known and completed.

    Its seek is made slow enough for Faust's fetcher to come in between, as on a busy machine.
    """
    wanted = {f"k{number}" for number in range(300)}
    with river.live() as child:
        river.say(routed("warm"))
        wait_for(lambda: river.state("warm") == "running")
        for name in sorted(wanted)[:150]:
            river.say(routed(name), generated(name), published(name))
        child.kill()
        child.wait(10)
    for name in sorted(wanted)[150:]:
        river.say(published(name), routed(name))
    with river.live(busy_ms=40):
        wait_for(lambda: all(river.state(name) == "completed" for name in wanted), wait_s=60)
        assert river.state("warm") == "running"
        found = river.completed(at_least=300)
    by_id: dict[str, set[tuple[int, ...]]] = {}
    for each in found:
        by_id.setdefault(each.event_id, set()).add(each.published)
    assert {each.request_id for each in found} == wanted
    assert by_id == {
        names.event_id(f"{name}.0", "live", "RequestCompleted"): {(1,)} for name in wanted
    }


def test_a_replay_changes_nothing_sent(river: River) -> None:
    """After a restart, a replay that publishes a failed pattern sends no second event."""
    with river.live() as child:
        river.say(failed("r", 1, 1, "failed"))
        wait_for(lambda: river.state("r") == "completed")
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    with river.live():
        wait_for(lambda: river.state("r") == "completed")
        river.say(published("r"))
        wait_for(lambda: river.ask("/requests/r")[1]["counts"] == {"published": 1})
        (completed,) = river.completed(at_least=1)
        assert (completed.failed, completed.published) == ((1,), ())


def test_the_table_is_bounded(river: River) -> None:
    """Over its maximum live forgets ended requests, in the changelog too, and no running one."""
    with river.live(requests_max=20) as child:
        river.say(routed("runs"))
        river.say(*(published(f"e{number}") for number in range(60)))
        wait_for(
            lambda: (river.ask("/counts")[1] or {}).get("draft") == {"published": 19, "routed": 1}
        )
        # What is not committed is said again after a kill, and then not yet forgotten.
        wait_for(river.all_committed)
        child.kill()
        child.wait(10)
    with river.live(requests_max=1000):
        wait_for(lambda: river.ask("/readyz")[0] == 200)
        assert river.ask("/counts")[1]["draft"]["routed"] == 1
        assert river.ask("/counts")[1]["draft"]["published"] < 25


def test_two_lives_share_and_inherit(river: River) -> None:
    """Each answers for its own partitions; when one leaves, the other knows everything."""
    (other,) = ports.free_ports(1)
    names_ = [f"s{number}" for number in range(30)]

    def known(port: int) -> set[str]:
        return {n for n in names_ if river.ask(f"/requests/{n}", port=port)[0] == 200}

    with river.live():
        river.say(*(routed(name) for name in names_))
        wait_for(lambda: len(known(river.port)) == 30)
        with river.live(port=other) as second:
            wait_for(lambda: river.ask("/readyz", port=other)[0] == 200)
            wait_for(lambda: known(river.port).isdisjoint(known(other)))
            assert known(river.port) | known(other) == set(names_)
            assert known(other)
            river.say(*(published(name) for name in names_))
            assert len(river.completed(at_least=30)) == 30
            second.send_signal(signal.SIGTERM)
            assert second.wait(60) == 0
        wait_for(lambda: len(known(river.port)) == 30)
        assert all(river.state(name) == "completed" for name in names_)
    assert len(river.completed(at_least=30)) == 30


def test_it_is_rebuilt_by_replay(river: River) -> None:
    """Without its table, reading the topics again gives the same statuses and the same events."""
    names_ = [f"x{number}" for number in range(10)]
    with river.live() as child:
        river.say(*(routed(name) for name in names_), *(published(name) for name in names_[:6]))
        wait_for(
            lambda: (river.ask("/counts")[1] or {}).get("draft") == {"published": 6, "routed": 4}
        )
        before = river.completed(at_least=6)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    forget(river)
    with river.live():
        wait_for(
            lambda: (river.ask("/counts")[1] or {}).get("draft") == {"published": 6, "routed": 4}
        )
        after = river.completed(at_least=12)
    assert len(after) == 12
    assert {repr(each) for each in after} == {repr(each) for each in before}


def forget(river: River) -> None:
    """Take the changelog and the group away; make the changelog again, empty."""
    cluster = AdminClient({"bootstrap.servers": river.bootstrap})
    app_id = f"{river.prefix}.heddle.live"
    changelog = changelog_name(river.prefix, "requests")
    cluster.delete_topics([changelog])[changelog].result(10)
    cluster.delete_consumer_groups([app_id])[app_id].result(10)
    wait_for(lambda: changelog not in cluster.list_topics(timeout=10).topics)
    plan = planned(river.prefix, partitions=PARTITIONS)
    admin.create(river.connection, [each for each in plan if each.name == changelog])


def test_it_starts_with_a_clear_line_where_topics_differ(river: River, prefix: str) -> None:
    """Another partition count than the topics have is refused by name, before Faust crashes."""
    settings = LiveSettings(connection=river.connection, prefix=prefix, port=0, partitions=6)
    with pytest.raises(Unusable, match="has 3 partitions, the plan says 6"):
        run(settings)


@pytest.mark.skipif("HEDDLE_MEASURE" not in os.environ, reason="figures, for people")
def test_figures(river: River) -> None:
    """Idle CPU, memory, time to readiness and CPU per record."""
    begun = time.monotonic()
    with river.live(requests_max=10_000) as child:
        wait_for(lambda: river.ask("/readyz")[0] == 200)
        print(f"ready after {time.monotonic() - begun:.1f} s")
        process = psutil.Process(child.pid)
        time.sleep(5)
        before = sum(process.cpu_times()[:2])
        time.sleep(20)
        print(f"idle {(sum(process.cpu_times()[:2]) - before) / 20:.2%} of a core")
        print(f"resident {process.memory_info().rss / 1e6:.0f} MB")
        before = sum(process.cpu_times()[:2])
        river.say(*(published(f"m{number}") for number in range(5000)))
        begun = time.monotonic()
        wait_for(lambda: (river.ask("/counts")[1] or {}).get("draft") == {"published": 5000})
        print(f"{5000 / (time.monotonic() - begun):.0f} records/s")
        print(f"{(sum(process.cpu_times()[:2]) - before) / 5000 * 1e6:.0f} us CPU per record")
        print(f"resident {process.memory_info().rss / 1e6:.0f} MB")
