"""An event's way, as an operator sees it: published, relayed, consumed, failed, replayed."""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from kafka_integration import Reject, produce_sync, publish
from kafka_integration.client.producers.usual_partition import usual_partition
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.models import DeadLetter, OutboxMessage
from tests.embedded.relaying import relay_all

HERE = __name__
refused: set[str] = set()

pytestmark = pytest.mark.django_db(transaction=True)


def bill(message):
    if message.value in refused:
        raise Reject("no such customer")


def ship(message):
    pass


@pytest.fixture
def topic(embedded_broker, settings):
    refused.clear()
    name = f"orders-{uuid.uuid4().hex[:8]}"
    embedded_broker.create_topics([name])
    shared = {"topics": [name], "retry": {"attempts": 1}}
    settings.KAFKA = {
        "endpoints": "embedded",
        "producer": {"topics": [name]},
        "consumers": {
            "billing": {**shared, "consumer_group": f"billing-{name}", "message_handler": f"{HERE}.bill"},
            "shipping": {
                **shared,
                "consumer_group": f"shipping-{name}",
                "message_handler": f"{HERE}.ship",
                "offset_storage": "database",
            },
        },
    }
    # The reference project publishes what other tests do.
    OutboxMessage.objects.all().delete()
    return name


def consume(name):
    loop = ConsumerLoop(assemble(get_settings().consumers[name]), until_caught_up=True)
    loop.run()
    assert loop.fault is None


def ask(*arguments):
    output = StringIO()
    call_command("kafkaevents", *arguments, "--json", stdout=output, stderr=StringIO())
    return json.loads(output.getvalue())


def groups_of(event, topic):
    return {step["group"].removesuffix(f"-{topic}"): step["state"] for step in event["groups"]}


def test_an_event_is_followed_from_the_outbox_to_its_replay(topic):
    refused.add("1")
    id = publish(topic, "1", key="k")

    waiting = ask(id)
    assert (waiting["id"], waiting["topic"], waiting["key"], waiting["state"]) == (id, topic, "k", "in_outbox")
    assert (waiting["partition"], waiting["offset"]) == (None, None)
    assert groups_of(waiting, topic) == {"billing": "not_reached", "shipping": "not_reached"}

    relay_all()
    relayed = ask(id)
    assert (relayed["state"], relayed["offset"]) == ("relayed", 0)
    assert groups_of(relayed, topic) == {"billing": "not_reached", "shipping": "not_reached"}

    consume("shipping")
    consume("billing")
    failed = ask(id)
    letter = DeadLetter.objects.get(topic=topic)
    assert groups_of(failed, topic) == {"billing": "dead_letter", "shipping": "handled"}
    assert failed["groups"][0]["dead_letter_id"] == letter.pk
    assert (failed["partition"], failed["offset"]) == (letter.partition, letter.offset)

    refused.clear()
    output = StringIO()
    with running("billing"):
        call_command("kafkadeadletters", "replay", "--topic", topic, "--rate", "5", stdout=output)
    assert "1 of 1 asked for: 1 handled, 0 failed again." in output.getvalue()
    assert groups_of(ask(id), topic) == {"billing": "replayed", "shipping": "handled"}
    assert "value" not in json.dumps(ask(id))


@contextmanager
def running(name):
    loop = ConsumerLoop(assemble(get_settings().consumers[name]))
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        loop.stop()
        thread.join(20)
    assert loop.fault is None


def test_the_events_of_a_key_are_a_list_with_the_newest_first(topic):
    old = publish(topic, "1", key="k")
    publish(topic, "2", key="another")
    relay_all()
    new = publish(topic, "3", key="k")

    found = ask("--topic", topic, "--key", "k")

    assert [(event["id"], event["state"]) for event in found] == [(new, "in_outbox"), (old, "relayed")]


def test_a_message_that_is_no_event_is_found_by_its_key(topic):
    sent = produce_sync(topic, "v", key="k")

    (found,) = ask("--topic", topic, "--key", "k")

    assert (found["id"], found["partition"], found["offset"]) == (None, sent.partition, sent.offset)
    assert found["state"] == "relayed"
    # So that partition is read further back.
    assert sent.partition == usual_partition(b"k", 4)


def test_replays_that_fail_again_stop_and_leave_the_rest(topic):
    refused.update(map(str, range(20)))
    for value in sorted(refused):
        produce_sync(topic, value)
    consume("billing")

    with running("billing"), pytest.raises(CommandError, match="Stopped because 2 failed again; 18 were left"):
        call_command(
            "kafkadeadletters",
            "replay",
            *("--topic", topic, "--rate", "50", "--stop-after-failures", "2"),
            stdout=StringIO(),
        )

    letters = DeadLetter.objects.filter(topic=topic)
    assert set(letters.values_list("state", flat=True)) == {"parked"}
    assert letters.exclude(replayed_at=None).count() == 2


def test_what_is_nowhere_is_an_exit_status(topic):
    with pytest.raises(CommandError, match="There is no event") as raised:
        ask(str(uuid.uuid4()))

    assert raised.value.returncode == 1
