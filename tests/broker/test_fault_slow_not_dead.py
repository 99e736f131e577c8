"""Slow, not dead: a broker whose answers take nine seconds for a minute, a database at a hundred times its latency.

The consumer begins, handles and commits, only later; nobody is thrown out of the group, no attempt is used, nothing
becomes a dead letter, and memory stays as it was.
"""

from __future__ import annotations

import pytest

from tests.faults.distance import DistantKafka
from tests.faults.proxy import Proxy
from tests.faults.scenario import Scenario, consumer_of
from tests.faults.watching import elapse, resident_mib
from tests.faults.weather import Weather
from tests.processes import ChildProcess

pytestmark = pytest.mark.faults

SECONDS_OF_AN_ANSWER = 9.0
SLOW_SECONDS = 60.0
SECONDS_TO_JOIN = 150.0
# As they come out of the box: the sessions of the other scenarios are shorter than such an answer.
SESSION = {"session.timeout.ms": 45_000, "heartbeat.interval.ms": 3_000}
# Under KIP-848 librdkafka gives a heartbeat as long as the interval that the broker tells it, five seconds by default.
PATIENT_HEARTBEATS = {"group.consumer.heartbeat.interval.ms": 15_000}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("protocol", "offset_storage"), [("range", "kafka"), ("range", "database"), ("consumer", "database")]
)
def test_a_broker_that_answers_after_nine_seconds_for_a_minute_is_heard_out(scenario_on, protocol, offset_storage):
    with DistantKafka(properties=PATIENT_HEARTBEATS) as kafka:
        scenario = scenario_on(kafka.cluster, 2)
        scenario.kafka["endpoints"] = [kafka.bootstrap]
        scenario.consumer |= {"offset_storage": offset_storage, **consumer_of(protocol)}
        if protocol == "range":
            scenario.consumer["config"] |= SESSION
        worker = scenario.ready_worker()
        with scenario.watch_commits() as commits:
            with scenario.load.flowing(100):
                scenario.wait_handled(60, count=1000)
                before = resident_mib(worker.pid)
                kafka.weather[0].delay_seconds = SECONDS_OF_AN_ANSWER / 2

                elapse(SLOW_SECONDS)
                handled_slowly = scenario.effects.count()
                kafka.weather[0].delay_seconds = 0.0
                scenario.wait_handled(60, count=handled_slowly + 1000)
            scenario.wait_handled(60)
        scenario.wait_committed(30)
        grown = resident_mib(worker.pid) - before
        assert worker.terminate() == 0
    print(f"{len(scenario.load.acknowledged)} records, resident memory grew by {grown:.1f} MiB")
    assert "lost" not in worker.output(), worker.tail()
    assert_as_ever(scenario, worker)
    assert not commits.too_high
    assert grown < 20


@pytest.mark.timeout(400)
@pytest.mark.parametrize("protocol", ["range", "consumer"])
def test_a_worker_starts_though_a_broker_takes_nine_seconds_for_each_answer(scenario_on, protocol):
    with DistantKafka(properties=PATIENT_HEARTBEATS) as kafka:
        kafka.weather[0].delay_seconds = SECONDS_OF_AN_ANSWER / 2
        scenario = scenario_on(kafka.cluster, 2)
        scenario.kafka["endpoints"] = [kafka.bootstrap]
        scenario.consumer |= {"offset_storage": "database", **consumer_of(protocol)}
        if protocol == "range":
            scenario.consumer["config"] |= SESSION
        scenario.load.sent(200)

        worker = scenario.worker()

        worker.wait_for_output(": assigned", SECONDS_TO_JOIN)
        scenario.wait_handled(120)
        scenario.wait_committed(60)
        kafka.weather[0].delay_seconds = 0.0
        assert worker.terminate() == 0
    assert_as_ever(scenario, worker)


@pytest.mark.parametrize("offset_storage", ["database", "kafka"])
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
    assert_as_ever(scenario, worker)


def assert_as_ever(scenario: Scenario, worker: ChildProcess) -> None:
    """Only later: never out of the group, every message handled once, at the first attempt."""
    assert worker.output().count(": assigned") == 1, worker.tail()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
