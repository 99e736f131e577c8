"""`kafkagroups reset`: the plan, what it says, and moving a group that nobody works for."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from kafka_integration.client.metadata.group_members import GroupMembers
from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.transports.memory import MemoryTransport, memory_broker
from kafka_integration.conf.producers import OperationsSettings
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.loop import Phase
from kafka_integration.models import FinishedOffset, OffsetFence, Process, ProcessCommand, StoredOffset
from kafka_integration.operating.groups import resetting
from kafka_integration.operating.presence import asking
from kafka_integration.operating.presence import resetting as presence_resetting
from kafka_integration.operating.presence.heartbeat import Presence
from kafka_integration.operating.presence.resetting import arguments_of_reset, doers_of_resets
from kafka_integration.operating.presence.watching import ConsumersWatch
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, consume, consumer_settings, running, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]


@pytest.fixture
def reset(capsys):
    def reset(to, *options, group="group"):
        call_command("kafkagroups", "reset", group, "--to", to, "--json", *options)
        return json.loads(capsys.readouterr().out)

    return reset


def moves(document):
    return {
        each["partition"]: (each["from"], each["to"], each["handled_again"], each["skipped"])
        for each in document["partitions"]
        if each["from"] or each["to"]
    }


def write_at(*seconds, partition=0):
    for second in seconds:
        memory_broker().produce(TOPIC, "v", partition=partition, timestamp_ms=second * 1000)


@pytest.mark.parametrize(
    ("to", "move"),
    [
        ("earliest", (6, 2, 4, 0)),
        ("latest", (6, 10, 0, 4)),
        ("5", (6, 5, 1, 0)),
        ("+3", (6, 9, 0, 3)),
        ("-3", (6, 3, 3, 0)),
        ("1970-01-01T00:00:08Z", (6, 8, 0, 2)),
        ("1970-01-02", (6, 10, 0, 4)),
    ],
)
def test_the_plan_says_from_where_to_where_and_moves_nothing(reset, to, move):
    write_at(*range(10))
    memory_broker().delete_records(TOPIC, 0, 2)
    memory_broker().commit("group", TOPIC, 0, 6)

    document = reset(to)

    assert list(document) == ["group", "to", "applied", "partitions", "notes", "moved_by"]
    assert (document["group"], document["applied"], document["notes"]) == ("group", False, [])
    assert moves(document) == {0: move}
    assert committed() == 6


@pytest.mark.parametrize(
    ("to", "target", "why"),
    [
        ("0", 2, "0 is before the first message that is left, 2"),
        ("-9", 2, "-3 is before the first message that is left, 2"),
        ("11", 10, "11 is beyond the end, 10"),
        ("+5", 10, "11 is beyond the end, 10"),
        ("1970-01-01T00:00:01Z", 2, "the first message that is there, 2, is from then or later"),
        ("1970-01-01T00:00:03Z", 3, None),
        ("1970-01-02", 10, None),
    ],
)
def test_what_is_outside_of_the_log_is_clamped_and_said(reset, capsys, to, target, why):
    write_at(*range(10))
    memory_broker().delete_records(TOPIC, 0, 2)
    memory_broker().commit("group", TOPIC, 0, 6)

    [shown, *_] = reset(to)["partitions"]

    assert (shown["to"], shown["clamped"]) == (target, why)
    call_command("kafkagroups", "reset", "group", "--to", to)
    assert (f"{TOPIC}[0]: {why}" in capsys.readouterr().out) is (why is not None)


def test_people_get_a_table_that_says_how_to_do_it(capsys):
    write(*"abc")
    consume()

    call_command("kafkagroups", "reset", "group", "--to", "1", "--topic", f"{TOPIC}:0")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TOPIC", "PARTITION", "FROM", "TO", "AGAIN", "SKIPPED"]
    assert lines[1].split() == [TOPIC, "0", "3", "1", "2", "0"]
    assert lines[2] == (
        "group group goes on at 1: up to 2 message(s) are handled again, 0 skipped; "
        "nothing was moved yet, --apply does it"
    )


def test_a_move_by_so_many_messages_is_told_from_one_to_an_offset(capsys):
    write(*"abc")
    consume()

    call_command("kafkagroups", "reset", "group", "--to=-1")

    assert "group group goes on at its offset -1: up to 1 message(s) are handled again" in capsys.readouterr().out


def test_only_the_topic_or_partition_that_was_named_is_moved(reset):
    for partition in range(4):
        write("a", "b", partition=partition)
    consume()

    one = reset("earliest", "--topic", f"{TOPIC}:2", "--apply")

    assert [(each["topic"], each["partition"]) for each in one["partitions"]] == [(TOPIC, 2)]
    assert [committed(partition) for partition in range(4)] == [2, 2, 0, 2]
    assert len(reset("earliest", "--topic", TOPIC)["partitions"]) == 4


def test_a_group_that_nobody_works_for_goes_on_where_it_was_moved(reset):
    write(*"abcd")
    consume()
    scripted.reset()

    document = reset("-2", "--apply")
    consume()

    assert document["applied"] is True
    assert [call.value for call in scripted.seen] == ["c", "d"]


def test_a_note_of_what_is_finished_beyond_does_not_survive(reset):
    write(*"abcd")
    consume(ordering="none")
    memory_broker().commit("group", TOPIC, 0, 1, "kafka_integration: offsets in Kafka; beyond1:whatever")

    reset("1", "--topic", f"{TOPIC}:0", "--apply")

    assert memory_broker().committed_metadata("group", TOPIC, 0) == "kafka_integration: offsets in Kafka"


def test_a_group_that_has_no_offsets_yet_gets_some(reset):
    write(*"abcd")

    reset("3", "--apply")

    assert [committed(partition) for partition in range(4)] == [3, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_stored_offsets_are_moved_with_all_that_was_noted_of_them(reset, settings):
    settings.KAFKA = consumer_settings(offset_storage="database", ordering="none", concurrency=2)
    write(*"abcdef")
    consume(offset_storage="database", ordering="none", concurrency=2)
    row = StoredOffset.objects.get(partition=0)
    FinishedOffset.objects.create(stored_id=row.pk, offset=8)
    scripted.reset()

    document = reset("4", "--topic", f"{TOPIC}:0", "--apply")

    assert moves(document) == {0: (6, 4, 2, 0)}
    moved = StoredOffset.objects.get(pk=row.pk)
    assert (moved.next_offset, moved.epoch) == (4, row.epoch + 1)
    assert set(OffsetFence.objects.filter(stored=row).values_list("epoch", flat=True)) <= {moved.epoch}
    assert not FinishedOffset.objects.exists()
    assert (committed(), memory_broker().committed_metadata("group", TOPIC, 0)) == (4, "")
    consume(offset_storage="database", ordering="none", concurrency=2)
    assert sorted(call.value for call in scripted.seen) == ["e", "f"]


def test_an_end_between_both_moves_leaves_the_group_where_it_was(reset, settings, monkeypatch, transactional_db):
    settings.KAFKA = consumer_settings(offset_storage="database")
    write(*"abcd")
    consume(offset_storage="database")
    scripted.reset()
    monkeypatch.setattr(OffsetStore, "move_to", Mock(side_effect=OperationalError("the server closed")))

    with pytest.raises(CommandError, match="the stored offsets can't be moved: the server closed"):
        reset("1", "--apply")
    consume(offset_storage="database")

    assert scripted.seen == []
    assert reset("1")["partitions"][0]["from"] == 4


def test_a_word_in_kafka_from_before_the_switch_does_not_take_the_reset_back(reset, settings, transactional_db):
    write(*"abcd")
    consume()
    assert memory_broker().committed_metadata("group", TOPIC, 0).startswith("kafka_integration")
    settings.KAFKA = consumer_settings(offset_storage="database")
    scripted.reset()

    reset("2", "--topic", f"{TOPIC}:0", "--apply")
    consume(offset_storage="database")

    assert [call.value for call in scripted.seen] == ["c", "d"]


def test_a_lock_is_waited_for(reset, settings, monkeypatch, transactional_db):
    settings.KAFKA = consumer_settings(offset_storage="database")
    write(*"abcd")
    consume(offset_storage="database")
    move_to, calls = OffsetStore.move_to, []

    def locked_once(store, offsets, topic_ids):
        calls.append(offsets)
        if len(calls) == 1:
            raise OperationalError("database is locked")
        move_to(store, offsets, topic_ids)

    monkeypatch.setattr(OffsetStore, "move_to", locked_once)
    monkeypatch.setattr(resetting, "is_conflict", lambda error: True)

    reset("1", "--topic", f"{TOPIC}:0", "--apply")

    assert len(calls) == 2
    assert StoredOffset.objects.get(partition=0).next_offset == 1


def test_a_group_with_members_of_others_is_refused_with_who_they_are(reset):
    write(*"abcd")
    with running():
        wait_for(lambda: committed() == 4, 10)
        with pytest.raises(CommandError, match=r"group group has members .*\(c-\S+ at memory\).* nothing was moved"):
            reset("1", "--apply")

    assert committed() == 4


def test_a_group_of_which_a_partition_is_on_its_way_between_two_owners_is_refused(reset, monkeypatch):
    write("a")
    monkeypatch.setattr(GroupMembers, "ask_all", lambda members, groups: dict.fromkeys(groups))
    partitions = [{"topic": TOPIC, "partition": 0, "state": "caught_up"}]
    consumers = [{"name": "c", "group": "group", "partitions": partitions}]
    Process.objects.create(kind="consumer", host="here", pid=7, state="running", consumers=consumers)

    with pytest.raises(CommandError, match=r"nobody says that events\[1\], events\[2\], events\[3\] is theirs"):
        reset("latest", "--apply")


def test_a_group_whose_only_member_waits_for_its_partitions_is_not_taken_for_one_without_members(reset, monkeypatch):
    write("a")
    monkeypatch.setattr(GroupMembers, "ask_all", lambda members, groups: dict.fromkeys(groups))
    consumers = [{"name": "c", "group": "group", "partitions": []}]
    Process.objects.create(kind="consumer", host="here", pid=7, state="running", consumers=consumers)

    with pytest.raises(CommandError, match=r"group group is at work, and nobody says that .* is theirs"):
        reset("latest", "--apply")

    assert committed() is None


def test_a_process_that_does_not_take_it_up_moves_nothing(reset, monkeypatch):
    write(*"ab")
    memory_broker().commit("group", TOPIC, 0, 2)
    monkeypatch.setattr(GroupMembers, "ask_all", lambda members, groups: dict.fromkeys(groups))
    monkeypatch.setattr(asking, "TAKEN_WITHIN_SECONDS", 0.2)
    partitions = [{"topic": TOPIC, "partition": 0, "state": "caught_up"}]
    consumers = [{"name": "c", "group": "group", "partitions": partitions}]
    row = Process.objects.create(kind="consumer", host="here", pid=7, state="running", consumers=consumers)

    who = rf"consumer c of process {row.pk} \(7\) on here"
    with pytest.raises(CommandError, match=rf"not moved: events\[0\] \({who}\): was not taken up"):
        reset("0", "--topic", f"{TOPIC}:0", "--apply")

    assert committed() == 2
    assert ProcessCommand.objects.get().state == "failed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_a_running_group_of_ours_goes_on_elsewhere_without_a_restart(reset, settings, storage):
    settings.KAFKA = consumer_settings(offset_storage=storage)
    write(*"abcd")
    with running(offset_storage=storage) as loop:
        wait_for(lambda: committed() == 4, 20)
        scripted.reset()
        doers = doers_of_resets([loop])
        presence = Presence(ConsumersWatch([loop]), OperationsSettings(interval_seconds=0.1), doers)
        presence.begin()
        wait_for(lambda: len(partitions_of_processes()) == 4, 20)

        document = reset("2", "--topic", f"{TOPIC}:0", "--apply")

        wait_for(lambda: [message.value for message in scripted.seen] == ["c", "d"], 20)
        presence.end()
        assert loop.phase is Phase.RUNNING
    assert len(document["moved_by"]) == 1
    assert document["moved_by"][0].startswith("consumer c of process")
    command = ProcessCommand.objects.get()
    assert (command.name, command.state) == ("reset", "done")


@pytest.mark.django_db(transaction=True)
def test_what_is_asked_and_not_done_in_time_is_said_to_be_asked_and_not_to_be_left(reset, monkeypatch):
    monkeypatch.setattr(presence_resetting, "CARRIED_OUT_WITHIN_SECONDS", 0.5)
    began, gate = threading.Event(), threading.Event()
    write(*"abc")
    write("x", partition=1)
    with running() as loop:
        wait_for(lambda: (committed(), committed(1)) == (3, 1), 20)
        scripted.script.append(lambda message: (began.set(), gate.wait(20)))
        write("d")
        presence = Presence(ConsumersWatch([loop]), OperationsSettings(interval_seconds=0.1), doers_of_resets([loop]))
        presence.begin()
        wait_for(lambda: began.is_set() and len(partitions_of_processes()) == 4, 20)
        scripted.reset()

        with pytest.raises(CommandError) as raised:
            reset("earliest", "--apply")

        command = ProcessCommand.objects.get()
        gate.set()
        wait_for(lambda: sorted(message.value for message in scripted.seen) == [*"abcd", "x"], 20)
        presence.end()
    said = str(raised.value)
    assert "moved 3 of 4 partition(s); asked, and not confirmed within 0.5 s: events[0]: " in said
    assert "not moved" not in said
    assert (command.state, command.ended_at is None) == ("taken", False)


@pytest.mark.django_db(transaction=True)
def test_while_a_reset_waits_for_a_handler_the_process_is_seen_and_does_what_else_it_is_asked(monkeypatch):
    monkeypatch.setattr(presence_resetting, "AT_ONCE_SECONDS", 0.05)
    began, gate = threading.Event(), threading.Event()
    write(*"abc")
    with running() as loop:
        wait_for(lambda: committed() == 3, 20)
        scripted.script.append(lambda message: (began.set(), gate.wait(20)))
        write("d")
        doers = {**doers_of_resets([loop]), "trace": lambda arguments: "here"}
        presence = Presence(ConsumersWatch([loop]), OperationsSettings(interval_seconds=0.1), doers)
        presence.begin()
        wait_for(lambda: began.is_set() and len(partitions_of_processes()) == 4, 20)
        process = Process.objects.get()
        arguments = arguments_of_reset("c", {(TOPIC, 0): 0})
        reset = ProcessCommand.objects.create(process=process, name="reset", arguments=arguments)
        wait_for(lambda: state_of(reset) == "taken", 20)

        trace = ProcessCommand.objects.create(process=process, name="trace")
        wait_for(lambda: state_of(trace) == "done", 20)
        wait_for(lambda: Process.objects.get().seen_at > process.seen_at, 20)
        meanwhile = state_of(reset)
        gate.set()
        wait_for(lambda: state_of(reset) == "done", 20)
        presence.end()

    assert meanwhile == "taken"
    reset.refresh_from_db()
    assert reset.answer == "moved 1 of 1 partition(s) of consumer c"


def state_of(command):
    return ProcessCommand.objects.get(pk=command.pk).state


def partitions_of_processes():
    return [place for row in Process.objects.all() for each in row.consumers for place in each["partitions"]]


def test_a_partition_without_a_leader_keeps_everything_where_it_is(reset, monkeypatch, capsys):
    write("a")
    consume()
    ask = PartitionEnds.ask
    monkeypatch.setattr(
        PartitionEnds,
        "ask",
        lambda asker, places: {place: ends for place, ends in ask(asker, places).items() if place != (TOPIC, 1)},
    )

    shown = reset("earliest")["partitions"][1]

    assert (shown["to"], shown["handled_again"], shown["skipped"]) == (None, None, None)
    with pytest.raises(CommandError, match=rf"where {TOPIC}\[1\] begin and end can't be known"):
        reset("earliest", "--apply")
    assert committed() == 1
    call_command("kafkagroups", "reset", "group", "--to", "earliest")
    assert "unknown for 1 partition(s)" in capsys.readouterr().out


def test_a_partition_in_which_a_time_cannot_be_found_is_refused(reset, monkeypatch):
    write_at(*range(3))
    at = PartitionEnds.at
    monkeypatch.setattr(
        PartitionEnds,
        "at",
        lambda asker, ends, moment_ms: {
            place: found for place, found in at(asker, ends, moment_ms).items() if place != (TOPIC, 1)
        },
    )

    with pytest.raises(CommandError, match=rf"written since then in {TOPIC}\[1\] can't be found in time: give offsets"):
        reset("1970-01-01T00:00:02Z")


def test_what_is_written_while_it_is_planned_is_not_skipped(reset, monkeypatch):
    write_at(*range(3))
    at = PartitionEnds.at

    def write_meanwhile(asker, ends, moment_ms):
        found = at(asker, ends, moment_ms)
        write_at(99)
        return found

    monkeypatch.setattr(PartitionEnds, "at", write_meanwhile)

    assert reset("1970-01-02")["partitions"][0]["to"] == 3


def test_a_time_is_found_where_the_broker_has_no_such_question(reset, monkeypatch):
    monkeypatch.setattr(MemoryTransport, "finds_offsets_by_time", False)
    write_at(*range(10))
    write_at(3, 4, partition=1)
    moment = datetime.fromtimestamp(5, UTC).isoformat()

    document = reset(moment)

    assert [each["to"] for each in document["partitions"]] == [5, 2, 0, 0]


def test_who_remembers_effects_is_told_that_they_are_not_had_again(reset, settings):
    settings.KAFKA = consumer_settings(deduplicate=True)
    write("a")
    memory_broker().commit("group", TOPIC, 0, 1)

    assert "consumer c has deduplicate" in reset("earliest")["notes"][0]
    assert reset("latest")["notes"] == []


@pytest.mark.parametrize(("group", "options"), [("group", ["--topic", "none"]), ("group", ["--topic", f"{TOPIC}:9"])])
def test_a_partition_that_the_group_does_not_read_is_refused(reset, group, options):
    write("a")

    with pytest.raises(CommandError, match="reads no"):
        reset("earliest", *options, group=group)


@pytest.mark.parametrize(
    "options", [["--to", "soon"], ["--to", "1", "--topic", "a:b"], ["--to", "1", "--topic", "a b"]]
)
def test_what_makes_no_sense_is_wrong_usage(options, capsys):
    with pytest.raises(CommandError, match=r"soon|'b'|--topic") as raised:
        call_command("kafkagroups", "reset", "group", *options)

    assert raised.value.returncode in (1, 2)
