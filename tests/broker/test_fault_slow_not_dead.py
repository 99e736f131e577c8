"""Slow, not dead: a broker answers each request after nine seconds, a database at a hundred times its latency.

The consumer begins, handles and commits, only later; nobody is thrown out of the group, no attempt is used, nothing
becomes a dead letter, and memory stays as it was.
"""

from __future__ import annotations

import pytest

from tests.faults.distance import DistantKafka
from tests.faults.proxy import Proxy
from tests.faults.watching import resident_mib
from tests.faults.weather import Weather

SECONDS_OF_AN_ANSWER = 9.0
# Each refresh makes the leader of a classic group begin to join anew, if it is waiting for the topics' partitions.
REFRESHES_SELDOM = {"topic.metadata.refresh.interval.ms": 30_000}


@pytest.mark.faults
@pytest.mark.timeout(500)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_broker_that_answers_after_nine_seconds_is_consumed_from(scenario_on, offset_storage):
    with DistantKafka() as kafka:
        kafka.weather[0].delay_seconds = SECONDS_OF_AN_ANSWER / 2
        scenario = scenario_on(kafka.cluster, 2)
        scenario.kafka["endpoints"] = [kafka.bootstrap]
        # The sessions of the other scenarios are shorter than such an answer.
        scenario.consumer |= {"offset_storage": offset_storage, "config": REFRESHES_SELDOM}
        scenario.load.sent(200)
        worker = scenario.worker()
        worker.wait_for_output("assigned", 150)

        scenario.wait_handled(180)
        before = resident_mib(worker.pid)
        with scenario.load.flowing(100):
            scenario.wait_handled(60, count=600)
        scenario.wait_handled(60)
        scenario.wait_committed(60)

        after = resident_mib(worker.pid)
        print(f"resident memory: {before:.0f} MiB, after {len(scenario.load.acknowledged)} records {after:.0f} MiB")
        assert after < before + 20
        assert worker.output().count(": assigned") == 1, worker.tail()
        assert worker.terminate() == 0
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}


@pytest.mark.parametrize("offset_storage", ["database", pytest.param("kafka", marks=pytest.mark.faults)])
def test_a_database_at_a_hundred_times_its_latency_is_worked_with(scenario, postgres, offset_storage):
    # A round trip on loopback takes a tenth of a millisecond.
    with Proxy(postgres.port, weather=Weather(delay_seconds=0.005, jitter_seconds=0.002)) as proxy:
        scenario.consumer |= {"offset_storage": offset_storage}
        scenario.load.sent(100)
        through = scenario.database_url.replace(f":{postgres.port}/", f":{proxy.port}/")

        worker = scenario.worker(env={"DATABASE_URL": through})

        scenario.wait_handled()
        scenario.wait_committed()
        assert worker.terminate() == 0
    assert worker.output().count(": assigned") == 1, worker.tail()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
