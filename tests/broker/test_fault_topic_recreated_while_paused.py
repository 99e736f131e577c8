"""A topic is deleted and made anew, with the same name, while its partition is paused.

A slow handler, or a message in a backoff, has the partition full; nothing is fetched that could tell. As while it runs:
the new topic is read from its beginning, each record once, though its offsets begin again below what was taken; what
was fetched of the old one may still be handled, each record once, and moves nothing in the new one.
"""

from __future__ import annotations

from collections import Counter

import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.load import Load
from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for

FULL = 3000
"""Of which a partition takes a thousand before it is paused."""
HOLDING = {
    "a slow handler": {"seconds": 8},
    "a backoff": {"fail": 3},
}


@pytest.mark.faults
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("holding", HOLDING)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_new_topic_is_read_from_its_beginning(new_scenario, create_topic, protocol, holding, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage}
    scenario.consumer["config"] |= {"topic.metadata.refresh.interval.ms": 2000}
    scenario.consumer["retry"] = {"attempts": 5, "backoff_seconds": 2.5}
    worker = scenario.ready_worker()
    scenario.load.sent(40, key="old")
    scenario.wait_handled()
    scenario.wait_committed()
    scenario.load.send(1, key="old", **HOLDING[holding])
    scenario.load.sent(FULL, key="old")
    worker.wait_for_output("begins|attempt 1 .* failed", 30)
    assert scenario.effects.count() == 40

    make_anew(scenario, create_topic)
    load = Load(scenario.bootstrap, scenario.topic)
    load.sent(20, key="new")

    wait_for(lambda: numbers(scenario, "new") >= set(range(1, 21)), 60, worker.tail)
    assert worker.terminate() == 0
    counts = Counter((effect.key, effect.seq) for effect in scenario.effects.read())
    assert not [record for record, count in counts.items() if count > 1]


def make_anew(scenario, create_topic) -> None:
    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    admin.delete_topics([scenario.topic])[scenario.topic].result(20)
    wait_for(lambda: scenario.topic not in admin.list_topics(timeout=5).topics, 20)
    create_topic(scenario.topic, partitions=1)


def numbers(scenario, key: str) -> set[int]:
    return {effect.seq for effect in scenario.effects.read() if effect.key == key}
