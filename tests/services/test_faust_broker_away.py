"""Both Faust processes while their broker goes away and comes back."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from heddle.stack import kafka, ports
from tests.services.live_view import River, published, routed, wait_for
from tests.services.test_faust_finish import Bench, numbered

AWAY_S = 30.0


@pytest.mark.timeout(400)
def test_both_outlive_their_broker(tmp_path: Path) -> None:
    """Broker away for 30 s: the same processes go on with it afterwards, and nothing is lost."""
    (port,) = ports.free_ports(1)
    data, values = tmp_path / "kafka", numbered(40)
    with ExitStack() as processes:
        with kafka.running(data, port=port) as bootstrap:
            bench = Bench(bootstrap, "away", tmp_path / "finish.log")
            finish = processes.enter_context(bench.worker(work_ms=100))
            river = River(bootstrap, "seen", tmp_path / "live.log")
            live = processes.enter_context(river.live())
            bench.put(values[:20])
            river.say(routed("before"))
            assert bench.read("patterns.published", bool)
            wait_for(lambda: river.state("before") == "running")
        before_s = [_cpu_s(finish.pid), _cpu_s(live.pid)]
        time.sleep(AWAY_S)
        spent_s = [_cpu_s(finish.pid) - before_s[0], _cpu_s(live.pid) - before_s[1]]
        print(f"CPU while away, finish and live: {[f'{s / AWAY_S:.1%}' for s in spent_s]}")
        assert finish.poll() is None, bench.log.read_text()[-4000:]
        assert live.poll() is None, river.log.read_text()[-4000:]
        assert river.state("before") == "running"
        with kafka.running(data, port=port):
            bench.put(values[20:])
            river.say(published("before"), published("after"))
            assert set(bench.published(values)) == set(values)
            wait_for(lambda: river.state("after") == "completed")
            assert {e.request_id for e in river.completed(at_least=2)} == {"before", "after"}
            assert [finish.poll(), live.poll()] == [None, None]


def _cpu_s(pid: int) -> float:
    return float(sum(psutil.Process(pid).cpu_times()[:2]))
