"""A topic is deleted and made anew, with the same name.

Its offsets begin again, so those of the old one mean nothing: the new topic is read from its beginning, each record
once, whether the worker ran meanwhile or not.
"""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.load import Load
from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("runs_on", [True, False], ids=["worker runs on", "worker stopped meanwhile"])
def test_the_new_topic_is_read_from_its_beginning(scenario, create_topic, protocol, offset_storage, runs_on):
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage}
    scenario.consumer["config"] |= {"topic.metadata.refresh.interval.ms": 2000}
    worker = scenario.ready_worker()
    scenario.load.sent(40)
    scenario.wait_handled()
    scenario.wait_committed()
    if not runs_on:
        assert worker.terminate() == 0

    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    admin.delete_topics([scenario.topic])[scenario.topic].result(20)
    wait_for(lambda: scenario.topic not in admin.list_topics(timeout=5).topics, 20)
    create_topic(scenario.topic)
    if not runs_on:
        worker = scenario.worker()
    load = Load(scenario.bootstrap, scenario.topic)
    load.sent(20, value="anew")

    wait_for(lambda: len(scenario.effects.read()) >= 60, 60, worker.tail)
    assert len(scenario.effects.read()) == 60


@pytest.mark.parametrize("is_pattern", [False, True], ids=["named", "pattern"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_for_who_begins_with_what_comes_next_too(scenario, create_topic, protocol, is_pattern):
    """It is the topic that is new: under its old name, it is not one whose messages were there before."""
    scenario.consumer |= {**consumer_of(protocol), "start_with_earliest_message": False}
    if is_pattern:
        scenario.consumer["topics"] = [f"^{scenario.topic}.*"]
    scenario.consumer["config"] |= {"topic.metadata.refresh.interval.ms": 2000}
    scenario.load.sent(40)
    worker = scenario.ready_worker()
    worker.wait_for_output("caught up", 20)
    scenario.load.sent(20)
    scenario.wait_handled(count=20)

    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    admin.delete_topics([scenario.topic])[scenario.topic].result(20)
    # Seen to be gone; and there is something in the new one before it is seen to be there.
    worker.wait_for_output("revoked|lost", 40)
    create_topic(scenario.topic)
    load = Load(scenario.bootstrap, scenario.topic)
    load.sent(20, value="anew")

    wait_for(lambda: len(scenario.effects.read()) >= 40, 60, worker.tail)
    assert len(scenario.effects.read()) == 40
