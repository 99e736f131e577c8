"""Something is published to a topic that doesn't exist.

Its messages wait, with one clear line in the log; those of other topics go on. When the topic is created they follow,
in order, without anybody's help. A topic that is deleted under a running relay is the same again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient

from tests.publishing.scenario import PublishingScenario


def test_its_messages_wait_for_it_and_other_topics_flow(
    publishing: PublishingScenario, create_topic: Callable[..., str]
) -> None:
    missing = f"missing-{uuid.uuid4().hex[:8]}"
    for number in range(20):
        publishing.insert(str(number), key="k", topic=missing)
    publishing.insert("x", count=20)
    relay = publishing.active_relay()
    publishing.wait_arrived(20)
    relay.wait_for_output(f"topic {missing}: .*does not exist")

    create_topic(missing, partitions=2)
    publishing.wait_empty()

    assert [message.value for message in publishing.arrived(missing)] == [str(n).encode() for n in range(20)]
    assert relay.output().count("does not exist") == 1
    assert f"Topic {missing} is there now" in relay.output()


def test_once_does_not_wait_for_it(publishing: PublishingScenario) -> None:
    publishing.insert("x", topic=f"missing-{uuid.uuid4().hex[:8]}")
    publishing.insert("y")

    relay = publishing.relay("--once")

    assert relay.wait(30) == 0
    assert publishing.waiting() == 1
    assert "does not exist" in relay.output()
    assert [message.value for message in publishing.arrived()] == [b"y"]


@pytest.mark.faults
@pytest.mark.slow
def test_a_topic_that_is_deleted_and_created_again_gets_what_was_published_meanwhile(
    publishing: PublishingScenario, create_topic: Callable[..., str]
) -> None:
    relay = publishing.active_relay()
    publishing.insert("before", key="k")
    publishing.wait_empty()
    with AdminClient({"bootstrap.servers": publishing.bootstrap}) as admin:
        admin.delete_topics([publishing.topic])[publishing.topic].result(30)

    for number in range(10):
        publishing.insert(str(number), key="k")
    relay.wait_for_output("does not exist", 60)
    create_topic(publishing.topic)

    publishing.wait_empty(60)
    assert [message.value for message in publishing.arrived()] == [str(n).encode() for n in range(10)]
