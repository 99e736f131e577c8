"""Messages that can't be understood: each becomes a dead letter, whole, and the next one is handled."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from kafka_integration import Reject, Skip
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.headers import load_headers
from kafka_integration.models import DeadLetter
from tests.bad_messages import BAD_JSON, GOOD
from tests.unit import scripted
from tests.unit.consumers import committed, consume

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

STORAGES = pytest.mark.parametrize("storage", ["kafka", "database"])
JSON = {"value_deserializer": "json", "key_deserializer": "bytes", "on_failure": "dead_letter"}


def send(*messages):
    for sent in messages:
        memory_broker().produce("events", sent.value, sent.key, headers=sent.headers, partition=0)


def keep_the_group(message):
    """What a handler does that knows one kind of event."""
    document = message.value
    if document.get("type", "group") != "group":
        raise Reject("unknown type")
    name, number = str(document["id"]), int(document["id"])
    if "\0" in name or number >= 2**63:
        raise ValueError
    Group.objects.create(name=name)


def good(number):
    memory_broker().produce("events", b'{"id": %d}' % number, b"key", partition=0)


@STORAGES
@pytest.mark.parametrize("bad", BAD_JSON, ids=lambda sent: sent.name)
def test_it_is_parked_and_the_next_message_is_handled(storage, bad):
    scripted.script.append(keep_the_group)
    good(1)
    send(bad)
    good(2)

    loop = consume(**JSON, offset_storage=storage)

    assert loop.fault is None
    assert set(Group.objects.values_list("name", flat=True)) == {"1", "2"}
    letter = DeadLetter.objects.get()
    assert (bytes(letter.key), bytes(letter.value)) == (bad.key, bad.value)
    assert load_headers(letter.headers) == list(bad.headers)
    assert letter.offset == 1
    assert committed() == 3


@STORAGES
def test_many_of_them_in_a_row_are_parked_in_order(storage):
    scripted.script.append(keep_the_group)
    for number, bad in enumerate(BAD_JSON):
        send(bad)
        good(number)

    consume(**JSON, offset_storage=storage)

    letters = DeadLetter.objects.order_by("offset")
    assert [bytes(letter.value) for letter in letters] == [bad.value for bad in BAD_JSON]
    assert Group.objects.count() == len(BAD_JSON)


@STORAGES
def test_what_only_looks_odd_is_handled(storage):
    send(*GOOD)
    scripted.script.append(lambda message: (message.key, message.value, message.headers, message.timestamp))

    loop = consume(offset_storage=storage, key_deserializer="bytes", value_deserializer="bytes")

    assert loop.counts.read().handled == len(GOOD)
    assert [(m.key_bytes, m.value_bytes, tuple(m.headers)) for m in scripted.seen] == [
        (sent.key, sent.value, sent.headers) for sent in GOOD
    ]
    assert {message.attempt for message in scripted.seen} == {1}


def test_a_tombstone_is_no_empty_value_and_a_null_key_no_empty_one():
    send(*(sent for sent in GOOD if sent.name in ("a tombstone", "an empty value", "no key", "an empty key")))

    consume()

    assert [(message.key, message.value) for message in scripted.seen] == [
        ("key", None), ("key", ""), (None, "v"), ("", "v"),
    ]  # fmt: skip


def test_an_unknown_type_can_be_skipped_by_policy():
    def skip(message):
        raise Skip("unknown type")

    send(BAD_JSON[-2])
    scripted.script.append(skip)

    loop = consume(**JSON)

    assert loop.counts.read().skipped == 1
    assert not DeadLetter.objects.exists()


def test_a_handler_that_reads_json_itself_is_as_strict():
    refused = [
        sent for sent in BAD_JSON if sent.name in ("NaN", "Infinity", "too large for a float", "a lone surrogate")
    ]
    send(*refused)
    scripted.script.append(lambda message: message.json())

    consume(on_failure="dead_letter")

    assert DeadLetter.objects.count() == len(refused) == 4
