"""`kafkagroups lag`: what a group has still to do, in memory."""

from __future__ import annotations

import json
import re

import pytest
from django.core.management import CommandError, call_command

from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.metadata.topic_ids import TopicIds
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.consuming.catching_up.group_positions import GroupPositions
from kafka_integration.consuming.offsets.beyond import Beyond, encode
from kafka_integration.errors import AccessDeniedError
from kafka_integration.models import StoredOffset
from tests.unit.consumers import TOPIC, consume, consumer_settings, write

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]


@pytest.fixture
def read(capsys):
    """The document of `kafkagroups lag GROUP --json`."""

    def read(group="group"):
        call_command("kafkagroups", "lag", group, "--json")
        return json.loads(capsys.readouterr().out)

    return read


def by_partition(document):
    return {
        (each["topic"], each["partition"]): (each["committed"], each["end"], each["lag"])
        for each in document["partitions"]
    }


def test_the_document_has_the_group_its_total_and_each_partition(read):
    write("a", "b", "c")
    write("x", partition=2)
    memory_broker().commit("group", TOPIC, 0, 1)

    document = read()

    assert list(document) == [
        *("group", "total", "time_lag_seconds", "eta_seconds", "loss_in_seconds", "loss_unknown", "partitions")
    ]
    assert (document["group"], document["total"]) == ("group", 3)
    shown = document["partitions"][0]
    assert shown.pop("time_lag_seconds") == pytest.approx(0, abs=60)
    assert shown == {
        "topic": TOPIC,
        "partition": 0,
        "committed": 1,
        "end": 3,
        "lag": 2,
        "lost": 0,
        "deleted_ahead": 0,
        "state": "unowned",
        "reason": None,
    }
    assert by_partition(document)[(TOPIC, 2)] == (None, 1, 1)
    assert len(document["partitions"]) == 4


def test_what_was_consumed_is_no_lag(read):
    write("a", "b")
    consume()

    assert read()["total"] == 0


def test_without_a_commit_the_start_policy_says_what_there_is_to_do(read, settings):
    write(*"abcd")
    memory_broker().delete_records(TOPIC, 0, 1)
    from_the_beginning = read()
    settings.KAFKA = consumer_settings(start_with_earliest_message=False)

    assert by_partition(from_the_beginning)[(TOPIC, 0)] == (None, 4, 3)
    assert by_partition(read())[(TOPIC, 0)] == (None, 4, 0)


def test_what_was_deleted_before_the_group_handled_it_is_no_lag_but_said(read, capsys):
    write(*"abcdefgh")
    memory_broker().commit("group", TOPIC, 0, 1)
    memory_broker().delete_records(TOPIC, 0, 6)

    document = read()
    call_command("kafkagroups", "lag", "group")

    assert (document["total"], [each["lost"] for each in document["partitions"]]) == (2, [5, None, None, None])
    assert (
        f"{TOPIC}[0]: up to 5 message(s) were deleted before the group handled them "
        "(committed 1, the partition begins at 6)"
    ) in capsys.readouterr().out.splitlines()


def test_what_was_deleted_after_the_group_handled_it_is_not_lost(read, capsys):
    write(*"abcd")
    memory_broker().commit("group", TOPIC, 0, 4)
    memory_broker().delete_records(TOPIC, 0, 4)

    assert read()["partitions"][0]["lost"] == 0
    call_command("kafkagroups", "lag", "group")
    assert "deleted" not in capsys.readouterr().out


def test_an_offset_beyond_the_end_is_no_negative_lag(read):
    write("a")
    memory_broker().commit("group", TOPIC, 0, 7)

    assert by_partition(read())[(TOPIC, 0)] == (7, 1, 0)


def test_what_is_finished_beyond_the_lowest_unfinished_message_counts_until_that_is_finished(read):
    write(*"abcd")
    note, _ = encode(Beyond(offsets=(2, 3), epoch=0), 1, 100)
    memory_broker().commit("group", TOPIC, 0, 1, note)

    assert by_partition(read())[(TOPIC, 0)] == (1, 4, 3)


def test_all_topics_of_all_consumers_of_the_group_count(read, settings):
    settings.KAFKA = {
        "endpoints": "memory",
        "consumers": {
            "one": {"topics": ["a", "b"], "consumer_group": "g", "message_handler": "tests.unit.scripted.handle"},
            "two": {"topics": ["c"], "consumer_group": "g", "message_handler": "tests.unit.scripted.handle"},
            "other": {"topics": ["d"], "consumer_group": "h", "message_handler": "tests.unit.scripted.handle"},
        },
    }
    for topic in "abcd":
        write("v", topic=topic)

    document = read("g")

    assert document["total"] == 3
    assert {topic for topic, _ in by_partition(document)} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("options", "topics"),
    [
        ({}, {"click-a", "click-b", "click-b-old"}),
        ({"group_protocol": "consumer"}, {"click-a", "click-b"}),
    ],
    ids=["classic", "consumer"],
)
def test_a_pattern_counts_the_topics_that_its_protocol_would_match(read, settings, options, topics):
    settings.KAFKA = consumer_settings(topics=["^click-."], **options)
    for topic in ("click-a", "click-b", "click-b-old", "no-click"):
        write("v", topic=topic)

    assert {topic for topic, _ in by_partition(read())} == topics


def test_offsets_in_the_database_count_instead_of_kafkas(read, settings):
    settings.KAFKA = consumer_settings(offset_storage="database")
    write(*"abcd")
    write("x", partition=1)
    memory_broker().commit("group", TOPIC, 0, 1)
    memory_broker().commit("group", TOPIC, 1, 1)
    StoredOffset.objects.create(group="group", topic=TOPIC, topic_id="memory", partition=0, next_offset=3)
    StoredOffset.objects.create(group="group", topic=TOPIC, topic_id="deleted", partition=0, next_offset=99)
    StoredOffset.objects.create(group="other", topic=TOPIC, partition=1, next_offset=0)

    found = by_partition(read())

    assert found[(TOPIC, 0)] == (3, 4, 1)
    assert found[(TOPIC, 1)] == (1, 1, 0)


def test_people_get_a_table(capsys):
    write(*"abc")
    memory_broker().commit("group", TOPIC, 0, 1)

    call_command("kafkagroups", "lag", "group")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "TIME", "LAG", "STATE"]
    assert re.fullmatch(rf"{TOPIC} +0 +1 +3 +2 +\d\.?\d* s +unowned", lines[1])
    assert lines[2].split() == [TOPIC, "1", "-", "0", "0", "-", "caught", "up"]
    assert (
        len({line.index(word) for line, word in zip(lines[:3], ("STATE", "unowned", "caught up"), strict=True)}) == 1
    ), "aligned"
    assert re.fullmatch(r"group group: lag 2 in all, time lag \S+ s", lines[-1])


@pytest.fixture
def without_a_leader(monkeypatch):
    """One of the partitions has none."""
    ask = PartitionEnds.ask
    monkeypatch.setattr(
        PartitionEnds,
        "ask",
        lambda asker, places: {place: ends for place, ends in ask(asker, places).items() if place != (TOPIC, 1)},
    )


def test_what_cannot_be_known_is_null_and_so_is_the_total(read, without_a_leader):
    write("a")

    document = read()

    unknown = {"committed": None, "end": None, "lag": None, "time_lag_seconds": None, "state": None, "reason": None}
    unknown |= {"lost": None, "deleted_ahead": None}
    assert document["partitions"][1] == {"topic": TOPIC, "partition": 1, **unknown}
    assert document["time_lag_seconds"] is None
    assert document["partitions"][0]["lag"] == 1
    assert document["total"] is None


def test_a_topic_that_an_acl_hides_is_not_one_that_does_not_exist(read, capsys, monkeypatch):
    def deny(ids, topic, is_over=None):
        raise AccessDeniedError(f"topic {topic}: an ACL is missing")

    monkeypatch.setattr(TopicIds, "ask", deny)

    assert read()["total"] is None
    call_command("kafkagroups", "lag", "group")
    assert f"{TOPIC}: unknown, an ACL keeps it from this user" in capsys.readouterr().out


def test_people_read_what_is_not_known(capsys, without_a_leader):
    write("a")

    call_command("kafkagroups", "lag", "group")

    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == [TOPIC, "1", "-", *["unknown"] * 4]
    assert lines[-1] == "group group: lag 1 in all, and unknown for 1 partition(s)"


def test_topics_that_do_not_exist_yet_are_named_and_patterns_that_match_none(capsys, settings):
    settings.KAFKA = consumer_settings(topics=["events", "later", "^ev.*", "^pay.*"])
    write("a")

    call_command("kafkagroups", "lag", "group")

    output = capsys.readouterr().out
    assert "later: no such topic (yet)" in output
    assert "^pay.*: no such topic (yet)" in output
    assert output.count("no such topic") == 2


def test_asking_makes_no_topic(read):
    assert read()["partitions"] == []

    assert not memory_broker().topics


def test_an_unknown_group_is_refused_with_the_known_ones():
    with pytest.raises(CommandError, match=r'no consumer has the consumer_group "groop"; .* has: group'):
        call_command("kafkagroups", "lag", "groop")


def test_stored_offsets_that_cannot_be_read_are_said_plainly(settings, monkeypatch):
    from django.db import OperationalError

    settings.KAFKA = consumer_settings(offset_storage="database")
    write("a")

    def fail(*arguments):
        raise OperationalError("no such table: kafka_integration_storedoffset")

    monkeypatch.setattr(GroupPositions, "_stored", fail)

    with pytest.raises(CommandError, match=r"stored offsets can't be read: no such table"):
        call_command("kafkagroups", "lag", "group")
