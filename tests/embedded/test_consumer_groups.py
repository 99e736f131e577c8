"""Consumers on librdkafka's mock cluster: groups, handing over, committing and resuming."""

from __future__ import annotations

import json
import threading

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from django.core.management import CommandError, call_command

from kafka_integration import produce_sync
from kafka_integration.client.transports.embedded import SERVERS_VARIABLE
from kafka_integration.conf import get_settings
from kafka_integration.consuming.group import report
from kafka_integration.operating.groups.lag import compute_lag
from tests.embedded import members as roster
from tests.embedded.members import Members, handled, values_of
from tests.owned import owned
from tests.waiting import wait_for


@pytest.fixture
def members(embedded_broker, settings):
    members = Members(settings)
    yield members
    members.close()


def write(topic, *values, **options):
    for value in values:
        produce_sync(topic, value, **options)


def write_everywhere(topic, word, count=8):
    values = [f"{word}-{number}" for number in range(count)]
    for number, value in enumerate(values):
        write(topic, value, partition=number % 4)
    return values


def committed(broker, group, topic):
    """What a client that is no member reads."""
    with Consumer({"bootstrap.servers": broker.servers, "group.id": group, "log_level": 0}) as client:
        answers = client.committed([TopicPartition(topic, number) for number in range(4)], timeout=10)
    return [answer.offset if answer.offset >= 0 else None for answer in answers]


def test_a_handler_gets_the_message_as_it_was_sent(members):
    value = {"name": "Größe", "number": 1.5}
    write(members.topic, value, key="k", partition=2, headers={"trace": b"\x00\xff", "empty": ""}, timestamp=1_700_000)

    members.run("one")

    ((_, message),) = handled
    assert (message.topic, message.partition, message.offset) == (members.topic, 2, 0)
    assert (message.key, message.key_bytes) == ("k", b"k")
    assert message.json() == value
    assert json.loads(message.value_bytes) == value
    assert message.headers == [("trace", b"\x00\xff"), ("empty", b"")]
    assert (message.ts, message.ts_type, message.attempt) == (1_700_000, "create", 1)


def test_what_was_handled_is_committed_and_not_delivered_again(members, embedded_broker):
    write(members.topic, "a", "b", partition=1)
    members.run("one")
    write(members.topic, "c", partition=1)

    members.run("one")
    members.run("one")

    assert values_of("one") == ["a", "b", "c"]
    assert committed(embedded_broker, members.group, members.topic)[1] == 3


def test_two_groups_read_the_same_topic_independently(members, embedded_broker):
    values = write_everywhere(members.topic, "v")
    members.run("one")
    group = members.group
    members.configure("two", consumer_group=f"{group}-other")

    members.run("two")

    assert sorted(values_of("one")) == sorted(values_of("two")) == values
    assert committed(embedded_broker, f"{group}-other", members.topic) == [2, 2, 2, 2]


def test_two_members_share_the_partitions_and_one_that_leaves_hands_over(members, embedded_broker):
    one = members.start("one")
    one.wait_places(4)
    first = write_everywhere(members.topic, "first")
    wait_for(lambda: len(handled) == 8)
    two = members.start("two")
    two.wait_places(2)
    one.wait_places(2)

    second = write_everywhere(members.topic, "second")
    wait_for(lambda: len(handled) == 16)
    shared = {name: set(values_of(name)) - set(first) for name in ("one", "two")}
    one.stop()
    two.wait_places(4)
    third = write_everywhere(members.topic, "third")
    wait_for(lambda: len(handled) == 24)
    two.stop()

    assert len(shared["one"]) == len(shared["two"]) == 4
    assert shared["one"] | shared["two"] == set(second)
    assert values_of("one")[8:] == [value for value in values_of("one") if value in shared["one"]]
    assert set(values_of("two")) == shared["two"] | set(third)
    assert len({(m.partition, m.offset) for _, m in handled}) == 24, "nothing twice"
    assert committed(embedded_broker, members.group, members.topic) == [6, 6, 6, 6]


def test_a_member_that_leaves_finishes_what_is_in_its_handlers_hands(members):
    write(members.topic, "a", "b", "c", partition=0)
    leaving = []

    def leave(message):
        if message.value == "a":
            leaving.append(one.loop.stop())

    one = members.start("one", before=leave)
    one.join()
    members.run("two")

    assert values_of("one") == ["a"]
    assert values_of("two") == ["b", "c"]


def test_a_member_without_partitions_is_caught_up(members):
    names = ["a", "b", "c", "d", "e"]
    members.configure(*names)
    for name in names[:4]:
        members.start(name)
    for member in members._running:
        member.wait_places(1)

    late = members.start("e", until_caught_up=True)
    late.join()

    assert late.loop.fault is None
    assert late.places == []


def test_messages_come_to_a_member_that_waits_for_them(members):
    one = members.start("one")
    one.wait_places(4)

    write(members.topic, "now", partition=3)

    wait_for(lambda: values_of("one") == ["now"], 2)


def test_no_more_than_max_messages_are_handled(members, embedded_broker):
    write(members.topic, *"abcde", partition=0)

    members.start("one", max_messages=3).join()

    assert values_of("one") == ["a", "b", "c"]
    assert committed(embedded_broker, members.group, members.topic)[0] == 3


def test_a_backlog_is_handled_in_the_order_of_each_partition(members, embedded_broker):
    write(members.topic, "first")  # makes the topic
    with_numbers = [str(number) for number in range(5000)]
    embedded_broker_producer(embedded_broker, members.topic, with_numbers)
    members.configure("one", concurrency=4)

    members.run("one")

    for partition in range(4):
        offsets = [m.offset for _, m in handled if m.partition == partition]
        assert offsets == list(range(len(offsets)))
    assert len(handled) == 5001


def test_the_lag_of_a_paused_partition_grows_with_what_is_written(members, embedded_broker, monkeypatch, caplog):
    monkeypatch.setattr(report, "INTERVAL_SECONDS", 0.2)
    caplog.set_level("INFO", logger=report.__name__)
    write(members.topic, "first", partition=0)
    goes_on = threading.Event()
    one = members.start("one", before=lambda message: goes_on.wait(60))
    embedded_broker_producer(embedded_broker, members.topic, ["v"] * 20_000)
    try:
        wait_for(lambda: any(partition.is_paused for partition in owned(one.loop)), 20)

        embedded_broker_producer(embedded_broker, members.topic, ["v"] * 20_000)

        wait_for(lambda: "lag 40,001" in caplog.text, 20, lambda: caplog.text)
    finally:
        goes_on.set()
        one.loop.stop()


def embedded_broker_producer(broker, topic, values):
    producer = Producer({"bootstrap.servers": broker.servers, "log_level": 0})
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % 4)
    assert producer.flush(10) == 0


def test_the_lag_of_a_group_needs_no_more_than_the_embedded_broker_knows(members):
    write_everywhere(members.topic, "v")
    members.start("one", max_messages=5).join()

    lag = compute_lag(get_settings(), members.group)

    assert (lag.group, lag.total, lag.missing_topics) == (members.group, 3, ())
    assert [each.end for each in lag.partitions] == [2, 2, 2, 2]
    assert sum(each.committed or 0 for each in lag.partitions) == 5


def test_asking_for_the_lag_of_a_topic_that_does_not_exist_does_not_make_it(members):
    assert compute_lag(get_settings(), members.group).missing_topics == (members.topic,)

    assert compute_lag(get_settings(), members.group).missing_topics == (members.topic,)


def test_the_lag_without_an_embedded_broker_says_how_to_start_one(members, monkeypatch, tmp_path):
    monkeypatch.delenv(SERVERS_VARIABLE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(CommandError, match=r"manage\.py runbroker"):
        call_command("kafkagroups", "lag", members.group)


def test_the_threads_of_a_stopped_member_are_gone(members):
    write(members.topic, "a")
    members.configure("one", concurrency=3)

    members.run("one")

    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if "one" in name], names
    assert roster.values_of("one") == ["a"]
