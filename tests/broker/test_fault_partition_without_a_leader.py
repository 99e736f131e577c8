"""The only broker of a partition is gone, with records that nobody has read: how many they are can't be known.

No number is made up for it. The consumer's log and `kafkagroups lag` say that it is unknown, and go on with the other
partitions; a run until caught up doesn't end.
"""

from __future__ import annotations

import json
import re

import pytest

from kafka_integration.consuming.group.report import INTERVAL_SECONDS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


def test_what_is_in_it_is_unknown_and_not_none(start_kafka, scenario_on):
    cluster = start_kafka(brokers=3)
    # In Kafka's own numbers, which begin at 1. The last broker is killed.
    scenario = scenario_on(cluster, partitions=3, replica_assignment=[[1], [2], [3]])
    scenario.load.sent(40, partition=0)
    scenario.load.sent(40, partition=2)
    worker = scenario.ready_worker()
    scenario.wait_handled()
    scenario.wait_committed()
    assert worker.terminate() == 0
    scenario.load.sent(400, partition=2)
    cluster.kill(2)

    worker = scenario.ready_worker()
    catching_up = scenario.worker("--until-caught-up", consumer_group=f"{scenario.group}-other")

    line = worker.wait_for_output(r"lag unknown since .*$", INTERVAL_SECONDS + 30)
    assert re.search(rf"lag unknown since \S+ \S+ \S+ for {scenario.topic}\[2\]$", line[0])
    assert ", no lag\n" not in worker.output()
    lag = scenario.command("kafkagroups", "lag", scenario.group, "--json", consumers={"workload": scenario.consumer})
    assert lag.wait() == 0
    document = json.loads(lag.output())
    assert [each["lag"] for each in document["partitions"]] == [0, 0, None]
    assert document["total"] is None
    assert catching_up.running
    assert catching_up.terminate(40) == 4
    assert f"{scenario.topic}[2] unknown" in catching_up.output()
