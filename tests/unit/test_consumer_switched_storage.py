"""A consumer whose `offset_storage` is changed, and changed back: what the other mode left behind is recognised."""

from __future__ import annotations

from functools import partial

import pytest
from confluent_kafka import Message

from kafka_integration.client.committed import OFFSETS_IN_KAFKA
from kafka_integration.client.transports.memory import broker, memory_broker
from kafka_integration.consuming.offsets.beyond import Beyond, encode
from kafka_integration.models import FinishedOffset, StoredOffset
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, consume, write
from tests.unit.effects import stored
from tests.waiting import wait_for

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


@pytest.fixture
def wrote(monkeypatch):
    """Has the log be what the leader of this epoch wrote."""

    def write_as(epoch):
        if epoch is not None:
            monkeypatch.setattr(broker, "Message", partial(Message, leader_epoch=epoch))

    return write_as


@pytest.mark.parametrize("ordering", ["key", "none", "partition"])
@pytest.mark.parametrize(
    ("epoch", "expected"), [(5, ["b", "d"]), (4, ["b", "d"]), (6, ["b", "c", "d"]), (None, ["b", "d"])]
)
def test_what_was_noted_to_be_finished_is_left_out_if_no_later_leader_wrote_it(ordering, epoch, expected, wrote):
    write(*"abcd")
    note = encode(Beyond(offsets=(2,), epoch=5), 1, 100)[0]
    memory_broker().commit("group", TOPIC, 0, 1, f"{OFFSETS_IN_KAFKA}; {note}")
    wrote(epoch)

    consume(offset_storage="database", ordering=ordering)

    assert sorted(values()) == expected
    assert stored() == committed() == 4


@pytest.mark.parametrize("ordering", ["key", "partition"])
@pytest.mark.parametrize(("known", "expected"), [(5, ["b", "c", "d"]), (6, ["b", "d"]), (None, ["b", "d"])])
def test_so_is_what_the_database_knows_to_be_finished(ordering, known, expected, wrote):
    wrote(6)
    write("a")
    consume(offset_storage="database", ordering="key")
    FinishedOffset.objects.create(stored=StoredOffset.objects.get(), offset=2, leader_epoch=known)
    write(*"bcd")
    scripted.seen.clear()

    consume(offset_storage="database", ordering=ordering)

    assert sorted(values()) == expected
    assert stored() == 4


@pytest.mark.server_database
def test_what_is_finished_is_stored_with_the_leader_that_wrote_it(wrote):
    wrote(7)
    write("slow", "next")

    def look(message):
        if message.value == "slow":
            assert wait_for(lambda: list(FinishedOffset.objects.values_list("offset", "leader_epoch"))) == [(1, 7)]

    scripted.script.append(look)

    assert consume(offset_storage="database", ordering="none", concurrency=2).fault is None
