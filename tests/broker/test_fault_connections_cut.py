"""The connections to Kafka are cut five hundred times.

The worker connects again each time, loses nothing, and in the end has as many open files and threads as before.
"""

from __future__ import annotations

from time import monotonic

import pytest

from tests.faults.proxy import Proxy
from tests.faults.watching import elapse, open_files, threads
from tests.services.ports import free_port

RECONNECTS = 500
QUICKLY = {"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50}


@pytest.mark.faults
@pytest.mark.timeout(400)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_open_files_and_threads_stay_as_they_were(start_kafka, scenario_on, offset_storage):
    port = free_port()
    with Proxy(port) as proxy:
        advertised = {"advertised.listeners": f"PLAIN://127.0.0.1:{proxy.port}"}
        scenario = scenario_on(start_kafka(port=port, properties=advertised))
        scenario.consumer |= {"offset_storage": offset_storage}
        scenario.consumer["config"] = {**scenario.consumer["config"], **QUICKLY}
        worker = scenario.ready_worker()
        for _ in range(5):
            cut_under_load(proxy, scenario)
        # Not before it has claimed its partitions, for which it has a client of its own.
        scenario.load.flush(60)
        scenario.wait_handled()
        # Nor before it has said how far it is, for which it asks the brokers by another client again.
        worker.wait_for_output("handled in", 60)
        before = (fewest(open_files, worker.pid), fewest(threads, worker.pid))

        while proxy.accepted < RECONNECTS:
            cut_under_load(proxy, scenario)
        scenario.load.flush(60)
        scenario.wait_handled()

        after = (fewest(open_files, worker.pid), fewest(threads, worker.pid))
        print(f"open files and threads: {before}, after {proxy.accepted} connections {after}")
        assert after[0] <= before[0] + 5
        assert after[1] <= before[1] + 2
        scenario.assert_nothing_lost()
        if offset_storage == "database":
            scenario.assert_nothing_twice()
        assert worker.terminate() == 0


def fewest(count, pid: int) -> int:
    """Within the time in which each client that is made for a moment, to look how far groups are behind, has ended."""
    counts = []
    give_up_at = monotonic() + 10
    while monotonic() < give_up_at:
        counts.append(count(pid))
        elapse(0.2)
    return min(counts)


def cut_under_load(proxy, scenario) -> None:
    scenario.load.send(2)
    elapse(0.2)
    proxy.cut()
