"""Dead letters through librdkafka: bad messages, odd headers, the dead-letter topic and a replay."""

from __future__ import annotations

import os
import subprocess
import threading
import uuid
from contextlib import contextmanager

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from django.db import OperationalError

from kafka_integration import Reject
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.dead_letters.operations import Selection, request_replay
from kafka_integration.headers import load_headers
from kafka_integration.message import ILLEGIBLE_NAME
from kafka_integration.models import DeadLetter
from tests.bad_messages import BAD_JSON, GOOD
from tests.services.kcat import missing_for_kcat
from tests.services.presence import require
from tests.waiting import wait_for

HERE = __name__
handled = []
refuses = threading.Event()

pytestmark = pytest.mark.django_db(transaction=True)


def note(message):
    if refuses.is_set():
        raise Reject("not now")
    handled.append((message.key, message.value, tuple(message.headers)))


def note_document(message):
    if message.value.get("type") == "moon":
        raise Reject("unknown type")
    number = int(message.value["id"])
    if number >= 2**63:
        raise OverflowError
    handled.append(number)


@pytest.fixture
def topic(embedded_broker):
    handled.clear()
    refuses.clear()
    name = f"letters-{uuid.uuid4().hex[:8]}"
    embedded_broker.create_topics([name])
    return name


@pytest.fixture
def consumer(topic, settings):
    """Sets the settings of one consumer of the topic."""

    def configure(**options):
        defaults = {
            "topics": [topic],
            "consumer_group": topic,
            "message_handler": f"{HERE}.note",
            "key_deserializer": "bytes",
            "value_deserializer": "bytes",
            "retry": {"attempts": 1},
        }
        settings.KAFKA = {"endpoints": "embedded", "consumers": {"c": defaults | options}}
        return get_settings().consumers["c"]

    return configure


def send(broker, topic, *messages):
    producer = Producer({"bootstrap.servers": broker.servers, "log_level": 0})
    for sent in messages:
        producer.produce(topic, sent.value, sent.key, 0, headers=list(sent.headers))
    assert producer.flush(10) == 0


def consume(settings):
    loop = ConsumerLoop(assemble(settings), until_caught_up=True)
    loop.run()
    assert loop.fault is None


@contextmanager
def running(settings):
    loop = ConsumerLoop(assemble(settings))
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(20)
    assert loop.fault is None


@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_bad_messages_are_parked_whole_and_good_ones_handled(embedded_broker, topic, consumer, storage):
    good = [type(BAD_JSON[0])(str(number), b'{"id": %d}' % number) for number in range(len(BAD_JSON))]
    send(embedded_broker, topic, *(sent for pair in zip(BAD_JSON, good, strict=True) for sent in pair))

    consume(consumer(message_handler=f"{HERE}.note_document", value_deserializer="json", offset_storage=storage))

    letters = DeadLetter.objects.filter(topic=topic).order_by("offset")
    assert [(bytes(letter.key), bytes(letter.value)) for letter in letters] == [
        (bad.key, bad.value) for bad in BAD_JSON
    ]
    assert [load_headers(letter.headers) for letter in letters] == [list(bad.headers) for bad in BAD_JSON]
    assert handled == list(range(len(BAD_JSON)))


def test_odd_but_good_messages_are_handled_as_they_are(embedded_broker, topic, consumer):
    send(embedded_broker, topic, *GOOD)

    consume(consumer())

    assert handled == [(sent.key, sent.value, sent.headers) for sent in GOOD]


def test_a_header_whose_name_is_not_utf8_ends_no_process(embedded_broker, topic, consumer):
    require(missing_for_kcat())
    # After enough others: Python calls the client in another way by then.
    send(embedded_broker, topic, *[GOOD[6]] * 100)
    command = ["kcat", "-P", "-b", embedded_broker.servers, "-t", topic, "-p", "0", "-H", "a=1", "-H", b"\xff=2"]
    subprocess.run([os.fsencode(part) for part in command], input=b"v", check=True, timeout=30)
    refuses.set()

    consume(consumer())

    letters = DeadLetter.objects.filter(topic=topic).order_by("offset")
    assert load_headers(letters[99].headers) == list(GOOD[6].headers)
    assert load_headers(letters[100].headers) == [("a", b"1"), (ILLEGIBLE_NAME, b"2")]


def test_a_copy_is_acknowledged_by_the_dead_letter_topic(embedded_broker, topic, consumer):
    send(embedded_broker, topic, GOOD[4], GOOD[6])
    embedded_broker.create_topics([f"{topic}.dead"])
    refuses.set()

    consume(consumer(dead_letter_topic=f"{topic}.dead"))

    copies = {copy.value(): copy for copy in read(embedded_broker, f"{topic}.dead", 2)}
    for sent in (GOOD[4], GOOD[6]):
        copy = copies[sent.value]
        assert copy.key() == sent.key
        assert copy.headers()[: len(sent.headers)] == list(sent.headers)
        assert dict(copy.headers())["kafka_integration_origin_topic"] == topic.encode()
    assert DeadLetter.objects.filter(topic=topic).count() == 2


def read(broker, topic, count):
    """The first messages of a topic, whatever their partition."""
    found = []
    with Consumer({"bootstrap.servers": broker.servers, "group.id": "reader", "log_level": 0}) as reader:
        reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(4)])
        wait_for(lambda: found.extend(reader.consume(count, 0.2)) or len(found) >= count)
    return found


@pytest.mark.parametrize("options", [{}, {"offset_storage": "database"}, {"deduplicate": True}], ids=str)
def test_a_running_consumer_replays_a_parked_message_as_it_was(embedded_broker, topic, consumer, options):
    send(embedded_broker, topic, *GOOD)
    refuses.set()
    consume(consumer(**options))
    refuses.clear()
    assert handled == []
    assert request_replay(Selection(topic=topic), "default").changed == len(GOOD)

    with running(consumer(**options)):
        wait_for(lambda: len(handled) >= len(GOOD))

    assert handled == [(sent.key, sent.value, sent.headers) for sent in GOOD]
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"handled"}


def test_a_replay_asked_for_while_running_comes_within_seconds(embedded_broker, topic, consumer):
    send(embedded_broker, topic, GOOD[2])
    refuses.set()
    consume(consumer())
    refuses.clear()

    with running(consumer()) as loop:
        wait_for(lambda: loop._session is not None and loop._session.assignment.was_told)
        wait_for(ask)
        wait_for(lambda: handled, timeout=5)

    assert len(handled) == 1


def ask():
    """SQLite's shared memory refuses to write while somebody reads, instead of waiting."""
    try:
        return request_replay(Selection(), "default").changed
    except OperationalError:
        return None
