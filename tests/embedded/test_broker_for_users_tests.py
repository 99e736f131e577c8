"""The fixture and context manager by which a project's own tests get a broker."""

import os

import pytest

from kafka_integration.client.transports.embedded import SERVERS_VARIABLE, embedded_servers
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.errors import BrokerError
from kafka_integration.testing import embedded_kafka as another_broker

HERE = __name__
handled = []


def note(message):
    handled.append((message.key, message.json(), message.headers))


@pytest.fixture(autouse=True)
def project(settings):
    """Settings that lead to a cluster which must not be reached."""
    handled.clear()
    far_away = {"endpoints": ["kafka.invalid:9093"], "ssl": True}
    settings.KAFKA = {
        **far_away,
        "producer": {"topics": ["orders"], "endpoints": ["producers.invalid:9092"]},
        "consumers": {
            "audit": {"topics": ["orders"], "consumer_group": "audit", "message_handler": f"{HERE}.note"},
            "other": {
                "topics": ["others"],
                "consumer_group": "other",
                "message_handler": f"{HERE}.note",
                "endpoints": ["consumers.invalid:9092"],
            },
        },
    }


def test_every_client_of_the_project_is_led_to_the_broker(embedded_kafka):
    found = get_settings()

    connections = [found.connection, found.producer.connection, *(c.connection for c in found.consumers.values())]

    assert {connection.transport for connection in connections} == {"embedded"}
    assert {connection.tls for connection in connections} == {None}
    assert embedded_servers() == embedded_kafka.servers


def test_afterwards_everything_is_as_before():
    with another_broker():
        pass

    assert SERVERS_VARIABLE not in os.environ
    assert get_settings().connection.servers == ("kafka.invalid:9093",)
    assert get_settings().consumers["other"].connection.servers == ("consumers.invalid:9092",)


def test_the_single_consumer_of_the_short_form_is_led_there_too(settings):
    single = {"topics": ["t"], "consumer_group": "g", "message_handler": f"{HERE}.note", "endpoints": ["x.invalid:1"]}
    settings.KAFKA = {"consumer": single}

    with another_broker():
        assert get_settings().consumers["default"].connection.transport == "embedded"


def test_topics_of_the_settings_are_there(embedded_kafka):
    assert embedded_kafka.consume("orders", 0) == []


def test_what_was_produced_is_consumed_whole(embedded_kafka):
    embedded_kafka.produce("orders", {"id": 1}, key="user-1", headers={"trace": "abc"}, partition=2)
    embedded_kafka.produce("orders", None, key=5, partition=3)

    first, second = embedded_kafka.consume("orders", 2)

    assert (first.partition, first.key, first.json(), first.headers) == (2, "user-1", {"id": 1}, [("trace", b"abc")])
    assert (second.partition, second.key, second.value) == (3, "5", None)


def test_a_topic_that_is_made_has_four_partitions_and_takes_messages(embedded_kafka):
    embedded_kafka.create_topics("made")
    embedded_kafka.produce("made", "v", partition=3)

    assert [message.value for message in embedded_kafka.consume("made")] == ["v"]


def test_messages_that_do_not_come_are_a_failed_assertion(embedded_kafka):
    embedded_kafka.produce("orders", "v")

    with pytest.raises(AssertionError, match="orders has 1 of 2 messages"):
        embedded_kafka.consume("orders", 2, timeout=2)


def test_a_partition_that_does_not_exist_is_refused(embedded_kafka):
    with pytest.raises(BrokerError, match="orders"):
        embedded_kafka.produce("orders", "v", partition=9)


def test_a_consumer_of_the_project_handles_what_was_produced(embedded_kafka):
    embedded_kafka.produce("orders", {"id": 1}, key="k", headers={"a": "b"})

    loop = ConsumerLoop(assemble(get_settings().consumers["audit"]), until_caught_up=True)
    loop.run()

    assert loop.fault is None
    assert handled == [("k", {"id": 1}, [("a", b"b")])]


def test_two_brokers_know_nothing_of_each_other(embedded_kafka):
    embedded_kafka.produce("orders", "outer")

    with another_broker() as inner:
        inner.produce("orders", "inner")
        in_the_inner_one = inner.consume("orders")

    assert [message.value for message in in_the_inner_one] == ["inner"]
    assert [message.value for message in embedded_kafka.consume("orders")] == ["outer"]
    assert embedded_servers() == embedded_kafka.servers
