"""A rough network: packets late, lost, repeated and out of order; and connections of which only one end still knows.

TCP hides packets from both ends, and there is no netem here: what is left of it to see, delays that vary and pieces of
any size, a proxy makes on the way to the broker and to the database. It leaves connections half open too: nothing
comes through any more and nobody is told, so that the ends have to find out, within a bound. Each record has its
effect, once.
"""

from __future__ import annotations

import pytest

from tests.faults.distance import DistantKafka
from tests.faults.proxy import Proxy
from tests.faults.weather import Weather

ROUGH = {"delay_seconds": 0.005, "jitter_seconds": 0.2, "piece_bytes": 700}
RECORDS = 300
# librdkafka waits for an answer for a minute (socket.timeout.ms); then it connects again, and joins.
BOUND_SECONDS = 90


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_late_packets_and_small_pieces_lose_and_repeat_nothing(scenario_on, postgres, offset_storage):
    with (
        DistantKafka() as kafka,
        Proxy(postgres.port, weather=Weather(delay_seconds=0.001, jitter_seconds=0.02, piece_bytes=50)) as proxy,
    ):
        for name, value in ROUGH.items():
            setattr(kafka.weather[0], name, value)
        scenario = scenario_on(kafka.cluster)
        scenario.kafka["endpoints"] = [kafka.bootstrap]
        scenario.consumer |= {"offset_storage": offset_storage}
        through = scenario.database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
        workers = [scenario.worker(env={"DATABASE_URL": through}) for _ in range(2)]
        with scenario.watch_commits() as commits:
            scenario.load.sent(RECORDS)
            scenario.wait_handled(90)
            scenario.wait_committed()
        assert [worker.terminate() for worker in workers] == [0] * len(workers)
    assert not commits.too_high
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_half_open_connections_are_said_and_left_behind_within_a_bound(scenario_on, offset_storage):
    with DistantKafka() as kafka:
        scenario = scenario_on(kafka.cluster)
        scenario.kafka["endpoints"] = [kafka.bootstrap]
        # As it comes out of the box.
        scenario.consumer |= {"offset_storage": offset_storage, "config": {}}
        worker = scenario.ready_worker()
        with scenario.watch_commits() as commits:
            with scenario.load.flowing(20):
                scenario.wait_handled(count=20)

                assert kafka.proxies[0].strand() > 0

                handled = len(scenario.load.acknowledged)
                worker.wait_for_output("has answered nothing for", 40)
                scenario.wait_handled(BOUND_SECONDS, count=handled + 20)
            scenario.wait_handled()
            scenario.wait_committed()
        assert worker.terminate() == 0
    assert not commits.too_high
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    if offset_storage == "database":
        scenario.assert_nothing_twice()
