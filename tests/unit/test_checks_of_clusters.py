"""``manage.py check --deploy`` says what of the clusters doesn't suit the settings."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from kafka_integration.checks import CLUSTER_TAG, clusters
from kafka_integration.client.metadata.allowed_operations import AllowedOperations
from kafka_integration.client.metadata.topic_configs import ConfigValue
from kafka_integration.client.metadata.topic_layouts import ClusterLayout, PartitionLayout, TopicLayout, TopicLayouts
from kafka_integration.client.transports.memory import MemoryBroker, memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.operating.topics.reading import ClusterState
from kafka_integration.operating.topics.wanted import WantedCluster
from tests.unit.topics import consumer_of, kafka_with

pytestmark = pytest.mark.usefixtures("memory_transport")

DAY_MS = 86_400_000


def report() -> list[tuple[str, str]]:
    messages = run_checks(tags=[CLUSTER_TAG], include_deployment_checks=True)
    return [(str(message.id).rpartition(".")[2], str(message.msg)) for message in messages]


def test_a_cluster_that_suits_the_settings_is_no_message(settings):
    memory_broker().create_topic("orders")
    settings.KAFKA = kafka_with(producer={"topics": ["orders"]}, consumers={"c": consumer_of("orders")})

    assert report() == []


def test_plain_check_asks_nobody(settings, monkeypatch):
    def ask(asker: TopicLayouts) -> Any:
        raise AssertionError("it was asked")

    monkeypatch.setattr(TopicLayouts, "ask", ask)
    settings.KAFKA = kafka_with(consumers={"c": consumer_of("orders")})

    call_command("check")


def test_a_topic_that_is_not_there_is_named(settings):
    settings.KAFKA = kafka_with(consumers={"c": consumer_of("orders")})

    ((id, text),) = report()

    assert id == "W014"
    assert "the topic orders, and it isn't there" in text


@pytest.mark.parametrize(
    ("config", "options", "expected", "said"),
    [
        ({"retention.ms": "3600000"}, {}, "W012", 'keeps messages for 1 h: what consumer "c" has not handled'),
        ({"retention.ms": str(40 * DAY_MS)}, {"deduplicate": True}, "W012", "keeps messages for 40 d, and consumer"),
        ({"retention.ms": "-1"}, {"deduplicate": True}, "W012", "keeps messages for ever, and consumer"),
        ({}, {"concurrency": 5}, "W013", "handles 5 message(s) at a time, and its topics have 4 partition(s)"),
        ({"max.message.bytes": "1000"}, {}, "W016", "takes messages of 1000 bytes (max.message.bytes)"),
    ],
)
def test_what_does_not_suit_is_named(config, options, expected, said, settings):
    memory_broker().create_topic("orders").config.update(config)
    settings.KAFKA = kafka_with(producer={"topics": ["orders"]}, consumers={"c": consumer_of("orders", **options)})

    ((id, text),) = report()

    assert id == expected
    assert said in text


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ({"retention.ms": "-1"}, {}),
        ({"retention.ms": "1000", "cleanup.policy": "compact"}, {}),
        ({}, {"concurrency": 50, "ordering": "key"}),
        ({"retention.ms": str(30 * DAY_MS)}, {"deduplicate": True}),
    ],
)
def test_what_suits_is_not(config, options, settings):
    memory_broker().create_topic("orders").config.update(config)
    settings.KAFKA = kafka_with(producer={"topics": ["orders"]}, consumers={"c": consumer_of("orders", **options)})

    assert report() == []


def test_members_of_a_running_group_count(settings):
    memory_broker().create_topic("orders", 3)
    for member in ("a", "b"):
        memory_broker().join("group", member, ["orders"])
    settings.KAFKA = kafka_with(consumers={"c": consumer_of("orders", concurrency=2)})

    ((id, text),) = report()

    assert id == "W013"
    assert "2 message(s) at a time in 2 members of its group" in text


def test_a_model_that_publishes_without_a_key_does_not_suit_a_compacted_topic(settings, shop_tables):
    for topic in ("everything", "orders"):
        memory_broker().create_topic(topic).config["cleanup.policy"] = "compact"
    settings.KAFKA = kafka_with(producer={"topics": ["everything", "orders"]})

    ((id, text),) = report()

    assert id == "W015"
    assert "publishes without a key to everything, which is compacted" in text


def test_dead_letters_do_not_suit_a_compacted_topic(settings):
    memory_broker().create_topic("orders")
    memory_broker().create_topic("dead").config["cleanup.policy"] = "compact,delete"
    settings.KAFKA = kafka_with(consumers={"c": consumer_of("orders", dead_letter_topic="dead")})

    ((id, text),) = report()

    assert id == "W015"
    assert 'dead is compacted, and the dead_letter_topic of consumer "c"' in text


def layout(replicas: int) -> TopicLayout:
    nodes = tuple(range(1, replicas + 1))
    partition = PartitionLayout(number=0, leader=1, replicas=nodes, in_sync=nodes)
    return TopicLayout(name="orders", partitions=(partition,))


@pytest.mark.parametrize(
    ("replicas", "in_sync", "said"),
    [
        (3, "2", None),
        (2, "1", None),
        (1, "1", "has one copy of each message, on a cluster of 3 brokers"),
        (3, "3", "when one broker restarts nothing can be written; set min.insync.replicas to 2"),
        (3, "1", "a message that Kafka confirmed may be on one broker alone; set min.insync.replicas to 2"),
    ],
)
def test_replicas_suit_the_loss_of_a_broker(replicas, in_sync, said, settings, monkeypatch):
    settings.KAFKA = kafka_with(producer={"topics": ["orders"]})

    def read(wanted: WantedCluster) -> ClusterState:
        topics = {"orders": layout(replicas)}
        configs = {"orders": {"min.insync.replicas": ConfigValue(value=in_sync, is_own=False)}}
        return ClusterState(wanted=wanted, layout=ClusterLayout(brokers=3, topics=topics), configs=configs)

    monkeypatch.setattr(clusters, "read_cluster", read)

    found = report()

    assert [id for id, _ in found] == (["W011"] if said else [])
    assert said is None or said in found[0][1]


def test_operations_that_are_not_allowed_are_errors(settings, monkeypatch):
    memory_broker().create_topic("orders")
    settings.KAFKA = kafka_with(producer={"topics": ["orders"]}, consumers={"c": consumer_of("orders")})
    told = {"orders": frozenset({"DESCRIBE"}), "group": frozenset({"DESCRIBE"})}
    monkeypatch.setattr(AllowedOperations, "on_topics", lambda asker, topics: {t: told[t] for t in topics})
    monkeypatch.setattr(AllowedOperations, "on_groups", lambda asker, groups: {g: told[g] for g in groups})

    assert report() == [
        ("E020", 'The brokers don\'t allow this user READ on the topic orders, which consumer "c" needs: add an ACL.'),
        ("E020", "The brokers don't allow this user WRITE on the topic orders, which the producer needs: add an ACL."),
        ("E020", 'The brokers don\'t allow this user READ on the group group, which consumer "c" needs: add an ACL.'),
    ]


def test_a_cluster_that_cannot_be_asked_is_one_warning(settings):
    settings.KAFKA = {
        "endpoints": ["127.0.0.1:1"],
        "producer": {"topics": ["orders"]},
        "consumers": {"c": consumer_of("orders"), "d": consumer_of("others", consumer_group="other")},
    }

    ((id, text),) = report()

    assert id == "W010"
    assert text.startswith("127.0.0.1:1 can't be asked, so not all is known of its topics: ")


def test_the_embedded_broker_is_nobodys_deployment(settings):
    settings.KAFKA = {"endpoints": "embedded", "consumers": {"c": consumer_of("orders")}}

    assert report() == []


def test_settings_that_are_wrong_are_left_to_the_other_checks(settings, memory_transport: MemoryBroker):
    settings.KAFKA = kafka_with(nonsense=1)

    assert report() == []
    settings.KAFKA = kafka_with()
    assert get_settings()
