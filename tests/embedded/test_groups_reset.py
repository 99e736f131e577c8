"""`kafkagroups reset` on librdkafka's mock cluster, whose offsets only members can move."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, TopicPartition
from django.core.management import CommandError, call_command

from kafka_integration import produce_sync
from kafka_integration.models import StoredOffset
from tests.embedded.members import Members, handled
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def members(embedded_broker, settings):
    members = Members(settings)
    yield members
    members.close()


@pytest.fixture
def reset(capsys, members):
    def reset(to, *options):
        call_command("kafkagroups", "reset", members.group, "--to", to, "--json", *options)
        return json.loads(capsys.readouterr().out)

    return reset


def write(members, *values, **options):
    for value in values:
        produce_sync(members.topic, value, partition=1, **options)


def committed(broker, members):
    with Consumer({"bootstrap.servers": broker.servers, "group.id": members.group, "log_level": 0}) as client:
        [answer] = client.committed([TopicPartition(members.topic, 1)], timeout=10)
    return answer.offset


def values():
    return [message.value for _, message in handled]


@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_a_stopped_group_goes_on_where_it_was_moved(members, embedded_broker, reset, storage):
    members.configure("one", "two", offset_storage=storage)
    write(members, *"abcd")
    members.run("one")
    handled.clear()

    moved = reset("-2", "--apply")["partitions"][1]

    assert (moved["from"], moved["to"], moved["handled_again"]) == (4, 2, 2)
    assert committed(embedded_broker, members) == 2
    members.run("one")
    assert values() == ["c", "d"]
    if storage == "database":
        assert StoredOffset.objects.get(topic=members.topic, partition=1).next_offset == 4


def test_a_time_is_found_among_the_messages(members, reset):
    write(members, "a", timestamp=1_700_000_000_000)
    write(members, "b", timestamp=1_700_000_100_000)
    write(members, "c", timestamp=1_700_000_200_000)

    document = reset(datetime.fromtimestamp(1_700_000_100, UTC).isoformat())

    assert [each["to"] for each in document["partitions"]] == [0, 1, 0, 0]


def test_a_group_that_has_a_member_is_not_moved(members, embedded_broker, reset):
    write(members, *"abcd")
    members.start("one")
    wait_for(lambda: committed(embedded_broker, members) == 4, 20)

    with pytest.raises(CommandError, match="it has members, whose offsets only they can move"):
        reset("earliest", "--apply")

    assert committed(embedded_broker, members) == 4
    handled.clear()
    write(members, "e")
    wait_for(lambda: values() == ["e"], 20)


def test_a_stopped_group_is_as_old_as_its_oldest_message(members, capsys):
    write(members, "a", timestamp=int(time.time() * 1000) - 60_000)

    call_command("kafkagroups", "lag", members.group, "--json")

    document = json.loads(capsys.readouterr().out)
    assert (document["total"], document["partitions"][1]["state"]) == (1, "unowned")
    assert document["time_lag_seconds"] == pytest.approx(60, abs=20)
