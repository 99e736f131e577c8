"""Partitions are added to a topic while it is being consumed.

Their first records were there before the group knew of the partition: they are read too, even where the group
began at the end of the topic.
"""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("begins_with_the_earliest", [True, False], ids=["from the beginning", "from the end"])
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_first_records_of_a_new_partition_are_read(
    new_scenario, protocol, offset_storage, begins_with_the_earliest
):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {
        **consumer_of(protocol),
        "offset_storage": offset_storage,
        "start_with_earliest_message": begins_with_the_earliest,
    }
    scenario.consumer["config"] |= {"topic.metadata.refresh.interval.ms": 2000}
    worker = scenario.ready_worker()
    # Its place in the topic is known once it has committed it.
    wait_for(lambda: scenario.committed.read() == {0: 0}, 20, worker.tail)
    scenario.load.sent(10)

    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    admin.create_partitions([NewPartitions(scenario.topic, 3)])[scenario.topic].result(20)
    scenario.load.wait_for_partitions(3)
    scenario.load.sent(10, partition=1)
    scenario.load.sent(10, partition=2)

    scenario.wait_handled(40)
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
