"""With `"group_protocol": "auto"` members join as their group does already, and as the cluster can where it has none.

In a rolling deployment, from workers that ask for the classic protocol to ones that leave it open, all speak the
classic one to the end; only a group that has stopped begins anew with KIP-848. A cluster may know that protocol and
have it switched off: then it is the classic one.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import SESSION, consumer_of
from tests.services.kafka_jars import missing_for_kip_848
from tests.services.presence import require

pytestmark = pytest.mark.faults

AUTO = {"group_protocol": "auto", "config": SESSION}
CLASSIC, NEW = 'its group_protocol is "classic"', 'its group_protocol is "consumer"'


@pytest.fixture(autouse=True)
def needs_the_new_protocol():
    require(missing_for_kip_848())


@pytest.mark.timeout(240)
def test_a_group_that_is_rolled_keeps_its_protocol_and_one_that_starts_takes_the_new_one(scenario):
    workers = [scenario.ready_worker(**consumer_of("range")), scenario.ready_worker(**consumer_of("range"))]
    with scenario.load.flowing(60):
        scenario.wait_handled(count=60)
        for index, old in enumerate(workers):
            workers[index] = scenario.ready_worker(**AUTO)
            scenario.wait_handled(count=scenario.effects.count() + 30)
            assert old.terminate() == 0, old.tail()
    scenario.wait_handled()
    assert [worker.terminate() for worker in workers] == [0, 0]
    assert all(CLASSIC in worker.output() and NEW not in worker.output() for worker in workers)

    workers = [scenario.ready_worker(**AUTO)]
    workers.append(scenario.ready_worker(**AUTO))
    scenario.load.sent(40)
    scenario.wait_handled()

    assert [worker.terminate() for worker in workers] == [0, 0]
    assert all(NEW in worker.output() and CLASSIC not in worker.output() for worker in workers)
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()


@pytest.mark.timeout(240)
def test_members_join_a_live_group_of_the_new_protocol_by_it(scenario):
    first = scenario.ready_worker(**consumer_of("consumer"))

    second = scenario.ready_worker(**AUTO)
    scenario.load.sent(40)
    scenario.wait_handled()

    assert [first.terminate(), second.terminate()] == [0, 0]
    assert NEW in second.output()
    scenario.assert_nothing_twice()


@pytest.mark.timeout(240)
def test_a_cluster_that_has_the_new_protocol_switched_off_is_joined_by_the_classic_one(start_kafka, scenario_on):
    scenario = scenario_on(start_kafka(properties={"group.coordinator.rebalance.protocols": "classic"}))

    workers = [scenario.ready_worker(**AUTO), scenario.ready_worker(**AUTO)]
    scenario.load.sent(40)
    scenario.wait_handled()

    assert [worker.terminate() for worker in workers] == [0, 0]
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    assert 'refuses group_protocol "consumer", joining anew' in workers[0].output()
    assert all(CLASSIC in worker.output() for worker in workers)
