"""Where an event has got to: what is looked at, what is known of it, and what is said not to be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from kafka_integration import publish
from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.consuming.catching_up.group_positions import GroupPositions
from kafka_integration.consuming.offsets.beyond import Beyond, encode
from kafka_integration.dead_letters.parking import MAX_EVENT_ID
from kafka_integration.errors import BrokerUnavailableError
from kafka_integration.models import DeadLetter, FinishedOffset, OutboxMessage, StoredOffset
from kafka_integration.operating.events import rows as rows_module
from kafka_integration.operating.events import sightings as sightings_module
from kafka_integration.operating.events.journey import find_event, find_key
from tests.dead_letters import make_letter
from tests.unit import scripted
from tests.unit.consumers import consume, consumer_settings
from tests.unit.live import make_row

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]

State = DeadLetter.State
ID = "7d444840-9dc0-11d1-b245-5ffdce74fad2"


@pytest.fixture(autouse=True)
def _project(settings):
    settings.KAFKA = consumer_settings()
    # The reference project publishes what other tests do.
    OutboxMessage.objects.all().delete()


def send(value="v", *, id=ID, topic="events", partition=0, key="k", headers=()):
    pairs = [*headers, *([("ce_id", id.encode())] if id else [])]
    memory_broker().produce(topic, value, key=key, partition=partition, headers=pairs)


def find(id=ID, **options):
    return find_event(get_settings(), id, **options)


def only(found):
    (event,) = found.events
    return event


def steps(event):
    return {step.group: step.state for step in event.groups}


def commit(offset, note="", partition=0):
    memory_broker().commit("group", "events", partition, offset, note)


def run(*arguments):
    output, errors = StringIO(), StringIO()
    try:
        call_command("kafkaevents", *arguments, stdout=output, stderr=errors)
    except CommandError as error:
        return output.getvalue(), errors.getvalue(), error
    return output.getvalue(), errors.getvalue(), None


def letter_of(id=ID, **fields):
    place = {"consumer": "c", "group": "group", "topic": "events", "offset": 0, "key": b"k", "event_id": id}
    return make_letter(**{**place, "headers": [("ce_id", id.encode())], **fields})


def test_the_document_has_the_documented_fields_and_no_payload():
    send("secret")
    letter = letter_of(value=b"secret")

    output, errors, error = run(ID, "--json")

    assert json.loads(output) == {
        "id": ID,
        "topic": "events",
        "key": "k",
        "state": "relayed",
        "partition": 0,
        "offset": 0,
        "at": find().events[0].at.isoformat(),
        "groups": [{"group": "group", "state": "dead_letter", "dead_letter_id": letter.pk}],
    }
    assert "secret" not in output
    assert (errors, error) == ("", None)


@pytest.mark.parametrize(
    ("offset", "state"), [(None, "not_reached"), (0, "not_reached"), (1, "handled"), (7, "handled")]
)
def test_a_group_has_handled_what_is_below_its_offset(offset, state):
    send()
    if offset is not None:
        commit(offset)

    assert steps(only(find())) == {"group": state}


def test_what_is_finished_beyond_the_offset_is_handled():
    for id in ("a", "b", "c"):
        send(id=id)
    note, _ = encode(Beyond(offsets=(2,), epoch=0), 1, 4096)
    commit(1, note)

    assert [steps(only(find(id)))["group"] for id in ("a", "b", "c")] == ["handled", "not_reached", "handled"]


@pytest.mark.parametrize("asked_first", ["read", "finished_beyond"])
def test_what_was_finished_beyond_is_handled_while_the_offset_passes_it(asked_first, monkeypatch):
    ask = getattr(GroupPositions, asked_first)

    def answer_late(*question):
        answer = ask(*question)
        commit(2)
        return answer

    send("first", id="")
    send()
    commit(0, encode(Beyond(offsets=(1,), epoch=0), 0, 4096)[0])
    monkeypatch.setattr(GroupPositions, asked_first, answer_late)

    assert steps(only(find())) == {"group": "handled"}


def test_what_a_later_leader_wrote_is_not_what_was_finished_beyond(monkeypatch):
    send(id="a")
    send(id="b")
    note, _ = encode(Beyond(offsets=(1,), epoch=3), 0, 4096)
    commit(0, note)
    real = sightings_module._sighting

    def of_leader(epoch):
        return lambda *given: replace(real(*given), leader_epoch=epoch)

    found = []
    for epoch in (3, 4):
        monkeypatch.setattr(sightings_module, "_sighting", of_leader(epoch))
        found.append(steps(only(find("b")))["group"])

    assert found == ["handled", "not_reached"]


def test_what_a_later_leader_wrote_is_not_what_the_database_has_as_finished(settings, monkeypatch):
    settings.KAFKA = consumer_settings(offset_storage="database")
    send()
    stored = StoredOffset.objects.create(group="group", topic="events", partition=0, next_offset=0)
    FinishedOffset.objects.create(stored=stored, offset=0, leader_epoch=3)
    real = sightings_module._sighting

    found = []
    for epoch in (3, 4):
        monkeypatch.setattr(
            sightings_module, "_sighting", lambda *given, epoch=epoch: replace(real(*given), leader_epoch=epoch)
        )
        found.append(steps(only(find()))["group"])

    assert found == ["handled", "not_reached"]


def test_offsets_and_what_is_beyond_them_count_where_the_database_keeps_them(settings):
    settings.KAFKA = consumer_settings(offset_storage="database")
    for id in ("a", "b", "c"):
        send(id=id)
    stored = StoredOffset.objects.create(group="group", topic="events", partition=0, next_offset=1)
    FinishedOffset.objects.create(stored=stored, offset=2)

    assert [steps(only(find(id)))["group"] for id in ("a", "b", "c")] == ["handled", "not_reached", "handled"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_what_a_consumer_did_is_what_is_told(storage, settings):
    options = {"offset_storage": storage, "on_failure": "dead_letter"}
    for id in ("good", "bad"):
        send(id, id=id)
    scripted.script.append(lambda message: 1 / (message.value == "good"))

    consume(**options)
    settings.KAFKA = consumer_settings(**options)

    assert steps(only(find("good"))) == {"group": "handled"}
    assert steps(only(find("bad"))) == {"group": "dead_letter"}
    assert DeadLetter.objects.get().event_id == "bad"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.PARKED, "dead_letter"),
        (State.REPLAY, "dead_letter"),
        (State.HANDLED, "replayed"),
        (State.DISCARDED, "discarded"),
    ],
)
def test_a_dead_letter_says_what_became_of_the_event(state, told):
    send()
    commit(1)
    letter_of(state=state)

    assert steps(only(find())) == {"group": told}


def test_a_dead_letter_of_an_earlier_version_is_found_too():
    letter_of(event_id=None, offset=3)

    event = only(find())

    assert (event.state, event.partition, event.offset) == ("relayed", 0, 3)
    assert steps(event) == {"group": "dead_letter"}


def test_an_id_that_is_longer_than_its_column_is_told_from_others():
    first, second = ("x" * MAX_EVENT_ID + end for end in "ab")
    letter_of(first, event_id=first[:MAX_EVENT_ID], offset=1)
    letter_of(second, event_id=second[:MAX_EVENT_ID], offset=2)

    assert only(find(second)).offset == 2


def test_of_a_group_that_is_in_no_settings_its_dead_letter_is_told():
    letter_of(group="former")

    assert steps(only(find())) == {"former": "dead_letter", "group": "unknown"}


def test_a_dead_letter_of_an_earlier_topic_of_the_name_is_another_events():
    send()
    commit(1)
    letter_of("another", offset=0)

    assert steps(only(find())) == {"group": "handled"}


def test_an_event_that_retention_took_is_unknown_to_other_groups(settings):
    settings.KAFKA = consumer_settings()
    settings.KAFKA["consumers"]["d"] = {**settings.KAFKA["consumers"]["c"], "consumer_group": "other"}
    commit(5)
    letter_of()

    assert steps(only(find())) == {"group": "dead_letter", "other": "unknown"}


def test_what_is_published_waits_in_the_outbox():
    id = publish("events", {"n": 1}, key="k")

    event = only(find(id))

    assert (event.id, event.state, event.key, event.offset) == (id, "in_outbox", b"k", None)
    assert steps(event) == {"group": "not_reached"}
    assert abs(event.at - timezone.now()) < timedelta(minutes=1)


def test_an_id_with_letters_beyond_ascii_is_found_in_the_outbox():
    id = publish("events", "v", headers={"ce_id": 'ü"\\%'})

    assert only(find(id)).id == id


def test_what_kafka_refuses_is_told_as_refused():
    id = publish("events", "v")
    OutboxMessage.objects.update(refused_at=timezone.now(), refusal="too large")

    assert only(find(id)).state == "refused"


def test_people_are_told_in_short_why_kafka_refuses_it():
    id = publish("events", "v")
    OutboxMessage.objects.update(refused_at=timezone.now(), refusal="too large: " + "x" * 200)

    output, _, _ = run(id)

    assert "\n  too large: xxx" in output
    assert "x" * 100 not in output


def test_of_what_a_handler_hangs_at_it_is_said_that_it_has_it_in_hand():
    for id in "abc":
        send(id=id)
    commit(1)
    stuck = {"topic": "events", "partition": 0, "state": "stuck", "stuck_offset": 1, "busy_seconds": 243.0}
    make_row(consumers=[{"name": "c", "group": "group", "state": "running", "partitions": [stuck]}])

    at_hand, later = run("b")[0], run("c")[0]

    assert "a handler has it in hand, for 4 min 3 s: stuck at offset 1" in at_hand
    assert "not reached yet" not in at_hand
    assert "not reached yet, stuck at offset 1" in later


def test_where_no_handler_is_at_work_nothing_is_in_hand():
    send()
    stuck = {"topic": "events", "partition": 0, "state": "stuck", "stuck_offset": 0, "busy_seconds": None}
    make_row(consumers=[{"name": "c", "group": "group", "state": "running", "partitions": [stuck]}])

    assert "not reached yet, stuck at offset 0" in run(ID)[0]


def test_what_was_sent_and_is_in_the_outbox_still_has_both():
    id = publish("events", "v")
    send(id=id)
    commit(1)

    event = only(find(id))

    assert (event.state, event.offset) == ("in_outbox", 0)
    assert steps(event) == {"group": "handled"}


def test_an_event_is_found_in_a_topic_that_is_only_written(settings):
    settings.KAFKA = {**consumer_settings(), "producer": {"topics": ["written"]}}
    send(topic="written")

    event = only(find())

    assert (event.topic, event.groups) == ("written", ())


def test_the_copy_of_a_dead_letter_is_not_the_event(settings):
    settings.KAFKA = {**consumer_settings(), "producer": {"topics": ["events", "dead"]}}
    send()
    send(topic="dead", headers=[(sightings_module.COPIED, b"events")])

    assert only(find()).topic == "events"


def test_in_a_topic_that_is_named_alone_only_that_is_looked_at():
    send()
    letter_of(topic="other", group="g")

    assert only(find(topic="events")).topic == "events"
    assert only(find(topic="other")).topic == "other"
    assert find(topic="third").events == []


def test_what_is_older_than_what_was_read_is_said_and_unknown(monkeypatch):
    monkeypatch.setattr(sightings_module, "MOST_RECORDS", 4)
    monkeypatch.setattr(sightings_module, "FEWEST_RECORDS", 2)
    send()
    for _ in range(5):
        send(id="another")

    found = find()

    assert found.events == []
    assert found.unseen == ["what is older in 1 partition(s) of events than the newest 2 offsets of each"]


def test_what_there_was_no_time_for_is_said(monkeypatch):
    send()

    # The search is over before it begins.
    monkeypatch.setattr("kafka_integration.client.reader.monotonic", iter([float("inf")]).__next__)

    assert find().unseen == ["the newest 1 offsets in 1 partition(s) of events, for lack of time"]


def test_an_event_that_waits_is_unknown_where_the_topic_cannot_be_read(monkeypatch):
    id = publish("events", "v")

    def fail(*arguments, **options):
        raise BrokerUnavailableError("no broker answers")

    monkeypatch.setattr(sightings_module, "_look_in", fail)
    monkeypatch.setattr("kafka_integration.client.metadata.group_offsets.GroupOffsets.noted", fail)

    found = find(id)

    assert only(found).state == "in_outbox"
    assert steps(only(found)) == {"group": "unknown"}
    assert found.unseen == ["Kafka at memory: no broker answers"]


def test_a_group_that_cannot_be_asked_is_unknown(monkeypatch):
    send()

    def fail(*arguments, **options):
        raise BrokerUnavailableError("no coordinator")

    monkeypatch.setattr("kafka_integration.client.metadata.group_offsets.GroupOffsets.noted", fail)

    assert steps(only(find())) == {"group": "unknown"}


def test_a_group_that_there_is_no_time_for_is_unknown(monkeypatch):
    send()
    commit(1)
    monkeypatch.setattr("kafka_integration.operating.events.groups.monotonic", iter([0, 99]).__next__)

    assert steps(only(find())) == {"group": "unknown"}


def test_of_a_large_outbox_the_newest_rows_are_looked_at_and_it_is_said(monkeypatch):
    monkeypatch.setattr(rows_module, "MOST_ROWS", 2)
    old = publish("events", "v")
    new = [publish("events", "v") for _ in range(2)]

    assert find(old).events == []
    assert find(old).unseen == ["the outbox of database default, but for its newest 2 rows"]
    assert only(find(new[0])).id == new[0]


def test_only_what_was_written_since_is_read():
    send()

    assert find(since=datetime.now(UTC) + timedelta(hours=1)).events == []
    assert only(find(since=datetime.now(UTC) - timedelta(hours=1))).offset == 0


def test_a_partition_whose_time_cannot_be_found_is_said(monkeypatch):
    send()
    monkeypatch.setattr(PartitionEnds, "at", lambda asker, ends, moment_ms: {})

    result = find(since=datetime.now(UTC) - timedelta(hours=1))

    assert result.events == []
    assert any("events[0], whose end can't be known now" in words for words in result.unseen)


def test_the_events_of_a_key_come_with_what_became_of_each():
    send(id="a")
    send(id="b", key="other")
    send(id=None)
    letter_of("a", value=b"v")
    commit(3)

    found = find_key(get_settings(), "events", b"k").events

    assert {(event.id, event.offset, steps(event)["group"]) for event in found} == {
        ("a", 0, "dead_letter"),
        (None, 2, "handled"),
    }


def test_the_partition_of_a_key_is_read_further_back_than_others(monkeypatch):
    monkeypatch.setattr(sightings_module, "MOST_RECORDS", 8)
    monkeypatch.setattr(sightings_module, "FEWEST_RECORDS", 2)
    for number in range(6):
        # Without a partition of its own the broker gives it that of its key.
        send(id=str(number), partition=None)

    assert len(find_key(get_settings(), "events", b"k").events) == 6


def test_people_get_lines_that_no_terminal_obeys():
    send(id="evil\x1b[2J")
    commit(1)

    output, _, error = run("evil\x1b[2J")

    assert "events[0]@0  evil\\x1b[2J  relayed" in output
    assert "group  handled" in output
    assert error is None


def test_of_what_is_nowhere_it_is_said_where_was_looked():
    memory_broker().create_topic("events", 2)
    for _ in range(9):
        send(id="another")
    memory_broker().delete_records("events", 0, 4)

    _, errors, error = run(ID)
    _, of_a_key, _ = run("--topic", "events", "--key", "k-2", "--since", "2026-01-31T12:30")
    _, found, _ = run("another")

    assert error.returncode == 1
    assert (
        errors == "Looked at: outbox of default; dead letters of default; events[0] 4 to before 9, events[1] nothing.\n"
    )
    assert "events[0]" in of_a_key
    assert found == ""


def test_where_no_topic_could_be_read_it_is_said_that_none_was(monkeypatch):
    monkeypatch.setattr(PartitionEnds, "ask", Mock(side_effect=BrokerUnavailableError("away")))

    _, errors, _ = run(ID)

    assert errors.endswith("Looked at: outbox of default; dead letters of default; no topic.\n")


def test_what_is_nowhere_is_one_line_and_a_status():
    output, _, error = run(ID, "--json")
    listed, _, none = run("--topic", "events", "--key", "k", "--json")

    assert (output, error.returncode) == ("", 1)
    assert ID in str(error)
    assert (json.loads(listed), none.returncode) == ([], 1)


@pytest.mark.parametrize("arguments", [(), (ID, "--key", "k", "--topic", "t"), ("--key", "k"), ("--topic", "t")])
def test_what_is_meant_has_to_be_said(arguments):
    assert run(*arguments)[2].returncode == 2


@pytest.mark.parametrize("arguments", [("caf\udce9",), ("--topic", "t", "--key", "caf\udce9")])
def test_bytes_that_are_no_text_are_wrong_usage(arguments):
    assert "aren't UTF-8" in str(run(*arguments)[2])
