"""The worker is cut off, from one broker of three or from the database: nothing comes through, no connection is closed.

What the other brokers lead flows on; what doesn't is said. When the way is open again all resumes unaided: nothing is
lost, nothing becomes a dead letter, and with "database" nothing has two effects.
"""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.distance import DistantKafka
from tests.faults.proxy import Proxy
from tests.faults.watching import elapse
from tests.faults.weather import Weather
from tests.waiting import wait_for

pytestmark = pytest.mark.faults

# Partition 0 is led by the first broker, and so on.
LEADERS = [[1, 2, 3], [2, 3, 1], [3, 1, 2]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("is_coordinator", [False, True])
def test_of_three_brokers_one_may_be_out_of_the_workers_reach(scenario_on, offset_storage, is_coordinator):
    with DistantKafka(brokers=3) as kafka:
        scenario = scenario_on(kafka.cluster, 3, replica_assignment=LEADERS)
        scenario.kafka["endpoints"] = kafka.bootstrap.split(",")
        # As it comes out of the box: a session outlives the cut.
        scenario.consumer |= {"offset_storage": offset_storage, "config": {}}
        worker = scenario.ready_worker()
        scenario.load.sent(30)
        scenario.wait_handled()
        coordinator = coordinator_of(scenario)
        cut_off = coordinator if is_coordinator else (coordinator + 1) % 3
        with scenario.watch_commits() as commits:
            with scenario.load.flowing(50):
                kafka.weather[cut_off].still()

                for partition in {0, 1, 2} - {cut_off}:
                    seen = len(scenario.effects.offsets()[partition])
                    wait_for(lambda p=partition, n=seen: len(scenario.effects.offsets()[p]) >= n + 100, 30, worker.tail)
                worker.wait_for_output("has answered nothing for", 40)

                kafka.weather[cut_off].clear()
            scenario.wait_handled(60)
        scenario.wait_committed(30)
        assert worker.terminate() == 0
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
    if offset_storage == "database":
        scenario.assert_nothing_twice()


@pytest.mark.parametrize("offset_storage", ["database", "kafka"])
def test_the_database_may_be_out_of_reach(scenario, postgres, offset_storage):
    weather = Weather()
    with Proxy(postgres.port, weather=weather) as proxy:
        scenario.consumer |= {"offset_storage": offset_storage}
        through = scenario.database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
        worker = scenario.worker(env={"DATABASE_URL": through})
        with scenario.watch_commits() as commits:
            with scenario.load.flowing(50):
                scenario.wait_handled(count=50)
                weather.still()
                # Longer than the session: who didn't poll would be thrown out.
                elapse(5)
                weather.clear()
            scenario.wait_handled()
        assert worker.terminate() == 0
    assert "to the group without notice" not in worker.output()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}


def coordinator_of(scenario) -> int:
    """The broker that coordinates the scenario's group, counted from 0."""
    admin = AdminClient({"bootstrap.servers": scenario.bootstrap, "log_level": 0})
    group = admin.describe_consumer_groups([scenario.group])[scenario.group].result(20)
    return int(group.coordinator.id) - 1
