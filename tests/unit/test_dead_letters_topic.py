"""The dead-letter topic: a copy with its own headers and ours, acknowledged before the row is written."""

from __future__ import annotations

from time import monotonic
from types import SimpleNamespace

import pytest
from confluent_kafka import Message as RawMessage
from django.test import override_settings

from kafka_integration import Message, Reject
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.dead_letters import copies
from kafka_integration.dead_letters.copies import DeadLetterTopic, _producer_settings
from kafka_integration.dead_letters.parking import DeadLetters
from kafka_integration.errors import ProduceTimeoutError
from kafka_integration.message import Decoding
from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, consumer_settings, write

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

STORAGES = pytest.mark.parametrize("storage", ["kafka", "database"])


def park(**options):
    scripted.script[:] = [lambda message: (_ for _ in ()).throw(Reject("no stock"))]
    return consume(on_failure="dead_letter", dead_letter_topic="events.dead", **options)


def a_message():
    raw = RawMessage(topic="events", partition=0, offset=0, key=None, value=b"a", headers=None, timestamp=(1, 5))
    return Message(raw, Decoding(key=bytes.decode, value=bytes.decode))


def copies_sent():
    return memory_broker().records("events.dead")


@STORAGES
def test_a_copy_has_key_value_and_headers_and_says_where_it_is_from(storage):
    headers = [("trace", b"1"), ("trace", None), ("raw", b"\xff")]
    memory_broker().produce("events", b"\xfe", b"k", headers=headers, partition=2, timestamp_ms=1_700_000_000_123)

    park(offset_storage=storage)

    (copy,) = copies_sent()
    assert (copy.key, copy.value) == (b"k", b"\xfe")
    assert list(copy.headers[:3]) == headers
    ours = dict(copy.headers[3:])
    identity = ours.pop("kafka_integration_id")
    assert ours == {
        "kafka_integration_exception": b"kafka_integration.outcomes.Reject",
        "kafka_integration_reason": b"no stock",
        "kafka_integration_consumer": b"c",
        "kafka_integration_group": b"group",
        "kafka_integration_origin_topic": b"events",
        "kafka_integration_origin_partition": b"2",
        "kafka_integration_origin_offset": b"0",
        "kafka_integration_origin_timestamp": b"1700000000123",
        "kafka_integration_attempts": b"1",
    }
    assert len(identity) == 36


def test_a_partition_that_has_to_go_does_not_wait_for_a_copy_that_nobody_acknowledges(monkeypatch):
    def never(timeout):
        raise ProduceTimeoutError("no answer")

    pending = SimpleNamespace(done=lambda: False, result=never)
    monkeypatch.setattr(copies.Sender, "send", lambda *arguments: pending)

    with override_settings(KAFKA=consumer_settings(dead_letter_topic="events.dead")):
        topic = DeadLetterTopic(get_settings().consumers["c"], "events.dead")
        began_at = monotonic()
        with pytest.raises(ProduceTimeoutError):
            topic.produce(a_message(), ValueError(), "", lambda: True)

    assert monotonic() - began_at < copies.TIMEOUT_SECONDS / 2


@pytest.fixture
def nobody_listens(settings):
    settings.KAFKA = consumer_settings(dead_letter_topic="events.dead") | {"endpoints": ["127.0.0.1:1"]}
    yield get_settings().consumers["c"]
    producers.close(timeout=0)


def give_up_a_copy(consumer):
    with pytest.raises(ProduceTimeoutError):
        DeadLetterTopic(consumer, "events.dead").produce(a_message(), ValueError(), "", lambda: True)


def test_a_copy_that_was_given_up_does_not_hold_up_the_end_of_the_process(nobody_listens, caplog):
    give_up_a_copy(nobody_listens)
    began_at = monotonic()

    producers.end()

    assert monotonic() - began_at < 2
    assert "may be lost" not in caplog.text


def test_copies_that_were_given_up_do_not_pile_up(nobody_listens):
    producer = producers.get(_producer_settings(nobody_listens), copies.PURPOSE)

    for _ in range(3):
        give_up_a_copy(nobody_listens)

    assert producer.flush(1) == 0


def test_a_copy_that_is_given_up_takes_no_other_with_it(nobody_listens):
    producer = producers.get(_producer_settings(nobody_listens), copies.PURPOSE)
    told = []

    with producer.awaited():
        producer.send("events.dead", b"b", None, -1, lambda error, _: told.append(error), 0, None, 1)
        give_up_a_copy(nobody_listens)
        assert producer.flush(0.2) == 2
        assert told == []

    assert producer.flush(1) == 0
    assert [error.name() for error in told] == ["_PURGE_QUEUE"]


def test_copies_have_a_producer_of_their_own(nobody_listens):
    settings = _producer_settings(nobody_listens)

    assert producers.get(settings) is not producers.get(settings, copies.PURPOSE)


def test_a_tombstone_without_a_key_stays_one():
    memory_broker().produce("events", None, None, partition=0)

    park()

    (copy,) = copies_sent()
    assert (copy.key, copy.value) == (None, None)


def test_ours_come_after_forged_headers_of_the_same_name():
    memory_broker().produce("events", "v", headers=[("kafka_integration_attempts", b"99")], partition=0)

    park()

    (copy,) = copies_sent()
    assert [value for name, value in copy.headers if name == "kafka_integration_attempts"] == [b"99", b"1"]


def test_a_repeated_copy_has_the_same_id_another_message_has_another():
    write("a", "b", key="k")
    park()
    memory_broker().commit("group", "events", 0, 0)

    park()

    ids = [dict(copy.headers)["kafka_integration_id"] for copy in copies_sent()]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]


@STORAGES
def test_without_an_acknowledgement_there_is_no_row_and_no_commit(storage, monkeypatch, caplog):
    write("bad")
    rows = []
    real = DeadLetterTopic.produce

    def fail_once(self, *arguments):
        rows.append((DeadLetter.objects.count(), committed()))
        if len(rows) == 1:
            raise ProduceTimeoutError("topic events.dead: not confirmed within 5 s")
        real(self, *arguments)

    monkeypatch.setattr(DeadLetterTopic, "produce", fail_once)

    park(offset_storage=storage)

    assert [(count, offset or 0) for count, offset in rows] == [(0, 0), (0, 0)]
    assert "can't be written as a dead letter" in caplog.text
    assert len(copies_sent()) == DeadLetter.objects.count() == 1
    assert [message.value for message in scripted.seen] == ["bad"]


def test_a_row_that_cannot_be_written_is_announced_again(monkeypatch):
    write("bad")
    real, tries = DeadLetters.park, []

    def fail_once(self, *arguments):
        tries.append(len(copies_sent()))
        if len(tries) == 1:
            raise RuntimeError
        real(self, *arguments)

    monkeypatch.setattr(DeadLetters, "park", fail_once)

    park()

    assert tries == [1, 2]
    assert DeadLetter.objects.count() == 1


def test_it_does_not_matter_what_the_project_does_to_its_own_messages():
    producer = {
        "topics": ["orders"],
        "value_serializer": "json",
        "key_serializer": "json",
        "required_acks": 0,
        "max_retries": 0,
        "partition_strategy": "md5",
        "config": {"message.max.bytes": 1000, "acks": 0},
    }
    kafka = {**consumer_settings(dead_letter_topic="events.dead"), "producer": producer}

    with override_settings(KAFKA=kafka):
        found = _producer_settings(get_settings().consumers["c"])

    assert (found.topics, found.key_serializer, found.value_serializer) == ((), None, None)
    assert (found.required_acks, found.max_retries, found.partition_strategy) == (-1, None, "murmur2_random")
    assert dict(found.connection.config) == {"message.max.bytes": copies.LARGEST_MESSAGE_BYTES}


def test_without_a_producer_copies_go_where_the_consumer_reads():
    kafka = {"consumers": {"c": {**consumer_settings()["consumers"]["c"], "endpoints": ["far:9092"]}}}

    with override_settings(KAFKA=kafka):
        found = _producer_settings(get_settings().consumers["c"])

    assert found.connection.servers == ("far:9092",)
