"""One of a consumer's topics does not exist yet.

One error says so, the other topics flow, and the missing one is read from its first record once it is created.
"""

from __future__ import annotations

import uuid

import pytest

from tests.faults.effects import Effects
from tests.faults.load import Load
from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_others_flow_and_it_is_picked_up_when_it_is_created(scenario, create_topic, protocol):
    later = f"topic-{uuid.uuid4().hex[:12]}"
    scenario.consumer |= consumer_of(protocol)
    scenario.consumer["topics"] = [scenario.topic, later]
    scenario.consumer["config"] |= {"topic.metadata.refresh.interval.ms": 2000}
    worker = scenario.ready_worker()
    scenario.load.sent(20)
    scenario.wait_handled()
    if protocol != "consumer":
        worker.wait_for_output(f"{later}.* does not exist")

    create_topic(later)
    load, effects = Load(scenario.bootstrap, later), Effects(scenario.database_url, later)
    load.sent(20)

    wait_for(lambda: effects.count() == 20, 40, worker.tail)
    assert worker.output().count("does not exist") <= 1
