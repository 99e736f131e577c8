"""A consumer whose `offset_storage` is changed, and changed back: what the other mode left behind is recognised."""

from __future__ import annotations

import pytest

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.models import StoredOffset
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, consume, write
from tests.unit.effects import stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]


@pytest.fixture(autouse=True)
def one_partition(memory_transport):
    memory_transport.create_topic(TOPIC, 1)


def values():
    return [message.value for message in scripted.seen]


@pytest.mark.parametrize("options", [{}, {"deduplicate": True}])
def test_each_message_is_handled_once_through_every_switch(options, caplog):
    for value, storage in zip("abcde", ["database", "kafka", "database", "kafka", "database"], strict=True):
        write(value)
        consume(offset_storage=storage, **options)

    assert values() == list("abcde")
    assert stored() == committed() == 5
    assert "Kafka up to 2, beyond the 1 that the database holds: it begins at 2" in caplog.text


def test_a_switch_after_a_crash_goes_on_at_the_later_of_the_two(caplog):
    write("a")
    consume(offset_storage="kafka")
    write("b")
    consume(offset_storage="database")
    # As if it had been killed before its commit.
    memory_broker().commit("group", TOPIC, 0, 1, "kafka_integration: offsets in Kafka")
    write("c")

    consume(offset_storage="database")

    assert values() == ["a", "b", "c"]
    assert stored() == 3


@pytest.mark.parametrize("offset", [0, 3])
def test_a_reset_made_in_kafka_has_no_effect_and_is_said_where_it_can_be_seen(offset, caplog):
    write("a", "b", "c")
    consume(offset_storage="database", max_messages=1)

    memory_broker().commit("group", TOPIC, 0, offset)
    consume(offset_storage="database")

    assert values() == ["a", "b", "c"]
    assert ("a reset made in Kafka has no effect here" in caplog.text) is (offset == 3)


def test_what_was_reset_while_kafka_kept_the_offsets_is_said(caplog):
    write("a", "b", "c")
    consume(offset_storage="database")
    memory_broker().commit("group", TOPIC, 0, 0)
    consume(offset_storage="kafka", max_messages=1)
    write("d")

    consume(offset_storage="database")

    assert values() == ["a", "b", "c", "a", "d"]
    assert "Kafka holds offset 1 for events[0], the database 3" in caplog.text


def test_where_the_rows_were_removed_it_begins_where_kafka_is():
    write("a", "b", "c")
    consume(offset_storage="database")
    memory_broker().commit("group", TOPIC, 0, 1)

    StoredOffset.objects.all().delete()
    consume(offset_storage="database")

    assert values() == ["a", "b", "c", "b", "c"]
