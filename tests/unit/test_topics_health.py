"""``kafkatopics health``: what is wrong with the topics of the settings, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kafka_integration.client.metadata.topic_configs import ConfigValue
from kafka_integration.client.metadata.topic_layouts import ClusterLayout, PartitionLayout, TopicLayout
from kafka_integration.client.transports.memory import MemoryAdmin, memory_broker
from kafka_integration.conf.connection import Connection
from kafka_integration.operating.topics.health import problems_of
from kafka_integration.operating.topics.reading import ClusterState
from kafka_integration.operating.topics.wanted import WantedCluster, WantedTopic
from tests.unit.consumers import calls_of
from tests.unit.topics import consumer_of, document, kafka_with, lines

pytestmark = pytest.mark.usefixtures("memory_transport")

Replicas = tuple[int | None, tuple[int, ...], tuple[int, ...]]


def state(*partitions: Replicas, brokers: int = 3, in_sync: str = "1", name: str = "orders") -> ClusterState:
    """A cluster whose topic has these partitions: leader, replicas, those in sync."""
    layout = TopicLayout(
        name=name,
        partitions=tuple(
            PartitionLayout(number=number, leader=leader, replicas=replicas, in_sync=isrs)
            for number, (leader, replicas, isrs) in enumerate(partitions)
        ),
    )
    return ClusterState(
        wanted=WantedCluster(connection=Connection(transport="memory"), topics=(WantedTopic(name="orders"),)),
        layout=ClusterLayout(brokers=brokers, topics={name: layout, "orders": layout}),
        configs={"orders": {"min.insync.replicas": ConfigValue(value=in_sync, is_own=False)}},
    )


def problems(found: ClusterState) -> list[str]:
    return [f"{each.topic}: {each.problem}" for each in problems_of(found)]


def test_a_topic_with_all_its_replicas_is_well():
    assert problems(state((1, (1, 2, 3), (1, 2, 3)), (2, (2, 3, 1), (1, 2, 3)), in_sync="2")) == []


@pytest.mark.parametrize(
    ("partition", "options", "said"),
    [
        ((None, (1, 2, 3), ()), {}, "no leader for partition 1: nothing can be read or written there"),
        ((1, (1, 2, 3), (1, 2)), {}, "replicas that are not in sync: partition 1"),
        (
            (1, (1, 2, 3), (1,)),
            {"in_sync": "2"},
            "fewer replicas in sync than min.insync.replicas 2 asks for: partition 1",
        ),
        ((1, (1, 2, 3), (1, 2, 3)), {"in_sync": "3"}, "as many as it has replicas: with one broker away"),
        ((1, (1, 2, 3), (1, 2, 3)), {"in_sync": "4"}, "what waits for all of them is refused"),
        ((1, (1,), (1,)), {}, "replication factor 1 on a cluster of 3 brokers"),
    ],
)
def test_what_brokers_lack_is_said(partition: Replicas, options: dict[str, Any], said: str):
    (found,) = problems(state((1, (1, 2, 3), (1, 2, 3)), partition, **options))

    assert found.startswith("orders: ")
    assert said in found


def test_one_broker_need_not_have_copies_on_others():
    assert problems(state((1, (1,), (1,)), brokers=1)) == []


def test_a_group_loses_its_offsets_topic_and_that_is_said():
    found = problems(state((None, (1, 2, 3), ()), name="__consumer_offsets"))

    assert "__consumer_offsets: no leader for partition 0: nothing can be read or written there" in found


def test_many_partitions_are_one_line():
    (found,) = problems(state(*[(None, (1, 2, 3), ())] * 100))

    assert "partition 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (100 in all)" in found


def test_a_topic_that_is_not_there_is_a_problem_with_a_remedy(settings):
    settings.KAFKA = kafka_with({"orders": {"partitions": 6}})

    (found,) = document("health", fails=True)

    assert found["topic"] == "orders"
    assert "isn't there" in found["problem"]
    assert "kafkatopics plan" in found["remedy"]


def test_settings_that_drifted_are_named_with_both_values(settings):
    memory_broker().create_topic("orders", 4).config["retention.ms"] = "1000"
    settings.KAFKA = kafka_with({"orders": {"partitions": 6, "config": {"retention.ms": 2000}}})

    found = [each["problem"] for each in document("health", fails=True)]

    assert found == [
        'not as KAFKA["topics"] says: 4 partitions, not 6',
        'not as KAFKA["topics"] says: retention.ms is 1000, not 2000',
    ]


def test_more_partitions_than_the_settings_say_are_a_problem(settings):
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": {"partitions": 2}})

    (found,) = document("health", fails=True)

    assert "it has 4 partitions" in found["problem"]


def test_members_without_a_partition_are_counted(settings):
    memory_broker().create_topic("orders", 2)
    settings.KAFKA = kafka_with(consumers={"c": consumer_of("orders")})
    for member in ("a", "b", "c"):
        memory_broker().join("group", member, ["orders"])

    (found,) = document("health", fails=True)

    assert found["problem"] == "group group has 3 members for 2 partition(s): 1 of them have nothing to do"


def test_the_members_of_all_groups_are_asked_for_at_once(settings, monkeypatch):
    memory_broker().create_topic("orders", 2)
    names = ["a", "b", "c"]
    settings.KAFKA = kafka_with(consumers={name: consumer_of("orders", consumer_group=name) for name in names})
    asked = calls_of(monkeypatch, MemoryAdmin, "describe_consumer_groups")

    document("health")

    assert len(asked) == 1


def test_dead_letters_do_not_go_to_a_compacted_topic(settings):
    memory_broker().create_topic("orders", 2)
    memory_broker().create_topic("dead", 2).config["cleanup.policy"] = "compact"
    settings.KAFKA = kafka_with(consumers={"c": consumer_of("orders", dead_letter_topic="dead")})

    (found,) = document("health", fails=True)

    assert found["topic"] == "dead"
    assert 'it is the dead_letter_topic of consumer "c"' in found["problem"]


def test_topics_of_others_are_no_business_of_ours(settings, capsys):
    memory_broker().create_topic("foreign", 2).config["min.insync.replicas"] = "5"
    memory_broker().create_topic("orders", 2)
    settings.KAFKA = kafka_with({"orders": {"partitions": 2}})

    assert document("health") == []
    assert lines("health", capsys) == "All is well.\n"


def test_people_read_problem_and_remedy(settings, capsys):
    settings.KAFKA = kafka_with({"orders": {}})

    with pytest.raises(CommandError, match=r"^1 problem\(s\)$"):
        call_command("kafkatopics", "health")

    problem, remedy = capsys.readouterr().out.splitlines()
    assert problem.startswith("orders: the settings name it")
    assert remedy.startswith("    Make it: ")
