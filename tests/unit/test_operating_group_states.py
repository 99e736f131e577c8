"""`kafkagroups lag`: how old what is left is, and who works on it; `kafkagroups list`."""

from __future__ import annotations

import json
from concurrent.futures import Future
from datetime import timedelta
from time import time

import pytest
from confluent_kafka import KafkaError, KafkaException
from django.core.management import call_command
from django.db.models.functions import Now

from kafka_integration.client.metadata.group_members import GroupMember, GroupMembers
from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.transports.memory import MemoryAdmin, MemoryConsumer, memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.durations import spoken
from kafka_integration.errors import BrokerUnavailableError
from kafka_integration.models import Process
from kafka_integration.operating.groups.losses import last_sights
from kafka_integration.operating.groups.owners import ask_members
from kafka_integration.operating.groups.sampling import Sampling
from tests.unit.consumers import TOPIC, consume, consumer_settings, running, write
from tests.unit.scripted_transport import connect
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]


@pytest.fixture
def read(capsys):
    def read(*command):
        call_command("kafkagroups", *(command or ("lag", "group")), "--json")
        return json.loads(capsys.readouterr().out)

    return read


def write_aged(*ages, partition=0):
    for age in ages:
        memory_broker().produce(TOPIC, "v", partition=partition, timestamp_ms=int((time() - age) * 1000))


def say(*partitions, group="group", ago=timedelta(0), **fields):
    """What a process of ours says of these partitions."""
    consumers = [{"name": "c", "group": group, "partitions": [{"topic": TOPIC, **each} for each in partitions]}]
    given = {"kind": "consumer", "host": "here", "pid": 1, "state": "running", "consumers": consumers} | fields
    return Process.objects.create(seen_at=Now() - ago, **given)


def states(document):
    return {
        each["partition"]: (each["state"], each["reason"], each.get("stuck_offset", "no key"))
        for each in document["partitions"]
    }


def test_the_age_is_that_of_the_lowest_unfinished_message(read):
    write_aged(500, 300, 100)
    write_aged(200, partition=1)
    memory_broker().commit("group", TOPIC, 0, 1)

    document = read()

    assert document["partitions"][0]["time_lag_seconds"] == pytest.approx(300, abs=30)
    assert document["partitions"][1]["time_lag_seconds"] == pytest.approx(200, abs=30)
    assert document["time_lag_seconds"] == pytest.approx(300, abs=30)


def test_what_is_finished_while_the_ends_are_asked_for_is_no_lag(read, monkeypatch):
    write_aged(3, 2, 1)
    memory_broker().commit("group", TOPIC, 0, 1)
    ask = PartitionEnds.ask

    def ask_slowly(self, places):
        found = ask(self, places)
        memory_broker().commit("group", TOPIC, 0, 3)
        return found

    monkeypatch.setattr(PartitionEnds, "ask", ask_slowly)

    assert read()["partitions"][0]["lag"] == 0


def test_without_lag_nothing_has_an_age(read):
    write_aged(500)
    consume()

    document = read()

    assert [each["time_lag_seconds"] for each in document["partitions"]] == [None] * 4
    assert document["time_lag_seconds"] is None


def test_what_retention_took_is_no_lag(read):
    write_aged(900, 600, 300)
    memory_broker().commit("group", TOPIC, 0, 0)
    memory_broker().delete_records(TOPIC, 0, 2)

    shown = read()["partitions"][0]

    assert (shown["committed"], shown["lag"]) == (0, 1)
    assert shown["time_lag_seconds"] == pytest.approx(300, abs=30)


def test_an_age_that_no_reader_finds_in_time_is_unknown_and_never_zero(read, monkeypatch, capsys):
    write_aged(500)
    monkeypatch.setattr("kafka_integration.client.metadata.records.ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(MemoryConsumer, "poll", lambda consumer, timeout=-1: None)

    document = read()

    assert (document["total"], document["partitions"][0]["time_lag_seconds"]) == (1, None)
    assert document["time_lag_seconds"] is None
    call_command("kafkagroups", "lag", "group")
    assert capsys.readouterr().out.splitlines()[1].split()[-2:] == ["unknown", "unowned"]


def test_a_stopped_group_with_lag_is_unowned(read):
    write("a")
    write("b", partition=1)
    memory_broker().commit("group", TOPIC, 0, 1)

    found = states(read())

    assert found[0] == ("caught_up", None, "no key")
    assert found[1] == ("unowned", None, "no key")


def test_what_the_owner_says_is_shown_and_a_stuck_partition_is_named_with_its_message(read):
    for partition in range(4):
        write("a", "b", partition=partition)
    say(
        {"partition": 0, "state": "waiting", "reason": "backoff", "stuck_offset": None},
        {"partition": 1, "state": "stuck", "reason": None, "stuck_offset": 1},
        {"partition": 2, "state": "falling_behind", "reason": None, "stuck_offset": None},
    )

    assert states(read()) == {
        0: ("waiting", "backoff", "no key"),
        1: ("stuck", None, 1),
        2: ("falling_behind", None, "no key"),
        3: ("unowned", None, "no key"),
    }


def test_people_are_told_why_a_partition_is_stuck_as_far_as_that_is_known_and_how_to_see_more(capsys):
    write("a", partition=1)
    write("a", partition=2)
    say(
        {"partition": 1, "state": "stuck", "stuck_offset": 0, "busy_seconds": 723.4},
        {"partition": 2, "state": "stuck", "stuck_offset": 0},
    )

    call_command("kafkagroups", "lag", "group")

    said, trace = capsys.readouterr().out, f"see where: kafkaprocesses trace {Process.objects.get().pk}"
    assert f"events[1] stuck at offset 0: its handler has been at work for 12 min; {trace}" in said
    assert f"events[2] stuck at offset 0: no handler is at work at it; {trace}" in said


def test_what_the_owner_said_before_the_last_messages_came_is_brought_up_to_date(read):
    write("a")
    write("b", partition=1)
    memory_broker().commit("group", TOPIC, 1, 1)
    say({"partition": 0, "state": "caught_up"}, {"partition": 1, "state": "stuck", "stuck_offset": 0})

    found = states(read())

    assert found[0] == ("catching_up", None, "no key")
    assert found[1] == ("caught_up", None, "no key")


def test_who_hangs_with_a_message_that_was_deleted_has_not_caught_up(read):
    write(*"abc")
    memory_broker().commit("group", TOPIC, 0, 1)
    memory_broker().delete_records(TOPIC, 0, 3)
    say({"partition": 0, "state": "stuck", "stuck_offset": 1})

    document = read()

    assert (document["total"], states(document)[0]) == (0, ("stuck", None, 1))


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ({"state": "catching_up"}, 2),
        ({"state": "waiting", "reason": "handler"}, 2),
        ({"state": "stuck", "stuck_offset": 1}, 5),
        ({"state": "waiting", "reason": "paused"}, 5),
        ({"state": "waiting", "reason": "outage"}, 5),
        ({}, 5),
    ],
)
def test_what_a_process_that_goes_on_has_fetched_is_not_lost(read, said, lost):
    for partition, committed, first in ((0, 1, 4), (1, 0, 2)):
        write(*"abcdef", partition=partition)
        memory_broker().commit("group", TOPIC, partition, committed)
        memory_broker().delete_records(TOPIC, partition, first)
    say({"partition": 0, **said})

    Sampling(get_settings()).turn()

    partitions = read()["partitions"]
    assert sum(each["lost"] or 0 for each in partitions) == lost
    assert sum(each["deleted_ahead"] or 0 for each in partitions) == 5 - lost
    sight = last_sights(["group"])["group"]
    assert sum(loss.count for loss in sight.losses) == lost
    assert sight.lost_by_topic == {TOPIC: lost}


@pytest.mark.parametrize("fields", [{"ago": timedelta(seconds=31)}, {"group": "other"}])
def test_lost_processes_and_those_of_other_groups_say_nothing(read, fields):
    write("a")
    say({"partition": 0, "state": "catching_up"}, **fields)

    assert states(read())[0] == ("unowned", None, "no key")


def test_members_are_told_with_what_they_own():
    write("a")
    with running():
        wait_for(lambda: memory_broker().group("group").shares, 10)
        [member] = GroupMembers(get_settings().consumers["c"].connection).ask("group")

    assert member.partitions == {(TOPIC, number) for number in range(4)}
    assert str(member).endswith("at memory")


def test_the_state_of_a_foreign_members_partition_is_null(read, monkeypatch, capsys):
    write("a")
    foreign = GroupMember(member_id="1", client_id="other", host="/10.0.0.1", partitions=frozenset({(TOPIC, 0)}))
    monkeypatch.setattr(GroupMembers, "ask_all", lambda members, groups: dict.fromkeys(groups, (foreign,)))

    assert states(read())[0] == (None, None, "no key")
    call_command("kafkagroups", "lag", "group")
    assert capsys.readouterr().out.splitlines()[1].endswith("unknown")


@pytest.mark.parametrize(("rows", "state"), [(True, "unowned"), (False, None)])
def test_where_neither_broker_nor_processes_tell_the_state_is_unknown(read, settings, monkeypatch, rows, state):
    settings.KAFKA = {**consumer_settings(), "operations": {"rows": rows}}
    write("a")
    monkeypatch.setattr(GroupMembers, "ask_all", lambda members, groups: dict.fromkeys(groups))

    assert states(read())[0] == (state, None, "no key")


def test_a_broker_that_knows_no_such_question_is_no_error(monkeypatch):
    def refuse(admin, groups, **options):
        answer = Future()
        answer.set_exception(KafkaException(KafkaError(KafkaError._UNSUPPORTED_FEATURE)))
        return dict.fromkeys(groups, answer)

    monkeypatch.setattr(MemoryAdmin, "describe_consumer_groups", refuse)

    assert GroupMembers(get_settings().consumers["c"].connection).ask("group") is None


def test_a_broker_that_does_not_answer_about_a_group_can_be_asked_again(monkeypatch):
    def keep_waiting(admin, groups, **options):
        answer = Future()
        answer.set_exception(TimeoutError())
        return dict.fromkeys(groups, answer)

    monkeypatch.setattr(MemoryAdmin, "describe_consumer_groups", keep_waiting)

    with pytest.raises(BrokerUnavailableError, match="consumer group group: no answer within 5 s"):
        GroupMembers(get_settings().consumers["c"].connection).ask("group")


def test_groups_are_listed_with_their_consumers_and_the_worst_of_their_states(read, settings, capsys):
    one = {"topics": ["a"], "message_handler": "tests.unit.scripted.handle"}
    settings.KAFKA = {
        "endpoints": "memory",
        "consumers": {
            "two": {**one, "consumer_group": "g"},
            "one": {**one, "topics": ["b"], "consumer_group": "g"},
            "z": {**one, "consumer_group": "a-group"},
        },
    }
    write("v", "w", topic="a")
    write("v", topic="b")
    memory_broker().commit("a-group", "a", 0, 2)

    first, second = read("list")

    assert first == {
        "group": "a-group",
        "consumers": ["z"],
        "topics": ["a"],
        "state": "caught_up",
        "total": 0,
        "time_lag_seconds": None,
        "eta_seconds": None,
        "loss_in_seconds": None,
        "loss_unknown": [],
        "problem": None,
    }
    assert (second["group"], sorted(second["consumers"]), second["topics"]) == ("g", ["one", "two"], ["a", "b"])
    assert (second["state"], second["total"]) == ("unowned", 3)
    call_command("kafkagroups", "list")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[-1] == "STATE"
    assert lines[1].split() == ["a-group", "z", "0", "-", "-", "-", "caught", "up"]


def test_groups_that_are_at_different_places_of_a_topic_are_asked_about_by_one_client(read, settings, monkeypatch):
    one = {"topics": [TOPIC], "message_handler": "tests.unit.scripted.handle"}
    names = [f"g{number}" for number in range(4)]
    settings.KAFKA = {"endpoints": "memory", "consumers": {name: {**one, "consumer_group": name} for name in names}}
    write(*"abc")
    for number, name in enumerate(names):
        memory_broker().commit(name, TOPIC, 0, number)
    made = []
    connect(monkeypatch, admin=lambda properties: made.append(properties) or MemoryAdmin(memory_broker()))

    listed = read("list")

    assert [(group["group"], group["total"]) for group in listed] == [("g0", 3), ("g1", 2), ("g2", 1), ("g3", 0)]
    assert len(made) == 1


def test_brokers_are_asked_for_the_members_of_all_groups_at_once(read, settings, monkeypatch):
    one = {"topics": [TOPIC], "message_handler": "tests.unit.scripted.handle"}
    names = [f"g{number}" for number in range(4)]
    settings.KAFKA = {"endpoints": "memory", "consumers": {name: {**one, "consumer_group": name} for name in names}}
    write("a")
    asked, describe = [], MemoryAdmin.describe_consumer_groups
    monkeypatch.setattr(
        MemoryAdmin,
        "describe_consumer_groups",
        lambda admin, groups, **options: asked.append(sorted(groups)) or describe(admin, groups, **options),
    )

    listed = read("list")

    assert asked == [names]
    assert {group["state"] for group in listed} == {"unowned"}


def test_a_group_whose_members_cannot_be_told_hides_those_of_no_other(monkeypatch):
    describe = MemoryAdmin.describe_consumer_groups

    def lose_one(admin, groups, **options):
        answer = Future()
        answer.set_exception(KafkaException(KafkaError(KafkaError.COORDINATOR_NOT_AVAILABLE)))
        return {**describe(admin, groups, **options), "lost": answer}

    monkeypatch.setattr(MemoryAdmin, "describe_consumer_groups", lose_one)

    with running():
        wait_for(lambda: memory_broker().group("group").shares, 10)
        found = ask_members(get_settings().consumers["c"].connection, ["group", "lost"])

    assert len(found["group"]) == 1
    assert found["lost"] is None


def test_a_group_whose_offsets_are_kept_from_us_hides_no_other(read, settings, monkeypatch):
    one = {"topics": [TOPIC], "message_handler": "tests.unit.scripted.handle"}
    settings.KAFKA = {
        "endpoints": "memory",
        "consumers": {name: {**one, "consumer_group": name} for name in ("hidden", "open")},
    }
    write("a")
    ask = MemoryConsumer.committed

    def refuse(consumer, partitions, timeout=-1):
        if consumer._group == "hidden":
            raise KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
        return ask(consumer, partitions, timeout)

    monkeypatch.setattr(MemoryConsumer, "committed", refuse)

    hidden, other = read("list")

    assert "an ACL on the consumer group is missing" in hidden["problem"]
    assert (hidden["total"], other["total"], other["problem"]) == (None, 1, None)


def test_a_group_that_cannot_be_asked_about_hides_no_other(read, settings, capsys):
    one = {"topics": [TOPIC], "message_handler": "tests.unit.scripted.handle"}
    settings.KAFKA = {
        "endpoints": "memory",
        "consumers": {
            "away": {**one, "consumer_group": "away", "endpoints": ["127.0.0.1:1"]},
            "c": {**one, "consumer_group": "group"},
        },
    }
    write("a")

    away, group = read("list")

    assert (away["total"], away["state"]) == (None, None)
    assert "127.0.0.1:1" in away["problem"]
    assert (group["total"], group["problem"]) == (1, None)
    call_command("kafkagroups", "list")
    assert "away: topics of the cluster: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0 s"), (0.04, "0.0 s"), (0.44, "0.4 s"), (59, "59 s"), (59.7, "1 min"), (60, "1 min")),
        *((200, "3 min 20 s"), (599.7, "10 min"), (723, "12 min"), (3599, "1 h"), (3661, "1 h 1 min")),
        *((50_000, "14 h"), (86_399, "1 d"), (90_061, "1 d 1 h"), (1_000_000, "12 d")),
    ],
)
def test_seconds_are_said_as_people_do_and_a_second_unit_only_where_the_first_is_few(seconds, text):
    assert spoken(seconds) == text
