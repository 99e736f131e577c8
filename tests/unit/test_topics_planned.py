"""``kafkatopics list|plan|apply``: topics are made and changed as the settings say, in memory."""

from __future__ import annotations

import time

import pytest
from django.core.management import CommandError, call_command

from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.metadata.topic_changes import TopicChanges
from kafka_integration.client.transports.memory import MemoryAdmin, memory_broker
from kafka_integration.errors import BrokerError
from tests.unit.topics import consumer_of, document, kafka_with, lines

pytestmark = pytest.mark.usefixtures("memory_transport")

DAY_MS = 86_400_000


def test_a_topic_that_is_not_there_is_made_as_the_settings_say(settings):
    settings.KAFKA = kafka_with(
        {"orders": {"partitions": 6, "replication_factor": 1, "config": {"retention.ms": 1000}}}
    )

    planned = document("plan")
    made = document("apply")

    to = {"partitions": 6, "replication_factor": 1, "config": {"retention.ms": "1000"}}
    (change,) = planned
    assert change == {"topic": "orders", "action": "create", "from": None, "to": to, "warning": None}
    assert made == [{**change, "result": "done"}]
    assert len(memory_broker().topics["orders"].partitions) == 6
    assert memory_broker().topics["orders"].config == {"retention.ms": "1000"}
    assert document("plan") == document("apply") == []


def test_the_plan_does_nothing(settings):
    settings.KAFKA = kafka_with({"orders": {"partitions": 6}})

    document("plan")

    assert not memory_broker().topics


def test_topics_that_are_only_named_get_what_the_cluster_gives(settings):
    settings.KAFKA = kafka_with(
        producer={"topics": ["sent"]},
        consumers={
            "c": consumer_of("read", "^any-.*", dead_letter_topic="dead"),
            "off": consumer_of("nobodys", enabled=False),
        },
    )

    planned = document("plan")

    assert [change["topic"] for change in planned] == ["dead", "read", "sent"]
    assert {str(change["to"]) for change in planned} == {
        str({"partitions": None, "replication_factor": None, "config": {}})
    }
    assert all("what the cluster gives" in change["warning"] for change in planned)
    assert [change["result"] for change in document("apply")] == ["done"] * 3


def test_a_topic_that_is_only_named_is_never_changed(settings):
    memory_broker().create_topic("sent", 1).config["retention.ms"] = "5"
    settings.KAFKA = kafka_with(producer={"topics": ["sent"]})

    assert document("plan") == []


def test_partitions_are_added_with_a_warning_about_keys(settings):
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": {"partitions": 6}})

    (change,) = document("apply")

    assert (change["action"], change["from"], change["to"]) == ("add_partitions", 4, 6)
    assert "most keys move to another partition" in change["warning"]
    assert len(memory_broker().topics["orders"].partitions) == 6


def test_fewer_partitions_are_no_change_but_said(settings, capsys):
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": {"partitions": 2}})

    call_command("kafkatopics", "plan", "--json")

    said = capsys.readouterr()
    assert said.out == "[]\n"
    assert "it has 4 partitions" in said.err
    assert "can't take partitions away" in said.err


def test_another_replication_factor_is_no_change_but_said(settings, capsys):
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": {"replication_factor": 3}})

    call_command("kafkatopics", "plan")

    said = capsys.readouterr()
    assert said.out.startswith("Nothing is done")
    assert "replication factor is 1" in said.err
    assert "kafka-reassign-partitions" in said.err


def test_settings_are_changed_and_others_left_alone(settings):
    topic = memory_broker().create_topic("orders", 4)
    topic.config |= {"retention.ms": "1000", "segment.ms": "7"}
    settings.KAFKA = kafka_with({"orders": {"config": {"retention.ms": 2000, "cleanup.policy": "delete"}}})

    (change,) = document("apply")

    assert (change["action"], change["from"], change["to"]) == (
        "set_config",
        {"retention.ms": "1000"},
        {"retention.ms": "2000"},
    )
    assert change["warning"] is None
    assert topic.config == {"retention.ms": "2000", "segment.ms": "7"}
    assert document("plan") == []


def test_a_setting_that_is_none_goes_back_to_the_clusters_default(settings):
    topic = memory_broker().create_topic("orders", 4)
    topic.config["retention.ms"] = "1000"
    settings.KAFKA = kafka_with({"orders": {"config": {"retention.ms": None}}})

    (change,) = document("apply")

    assert (change["from"], change["to"]) == ({"retention.ms": "1000"}, {"retention.ms": None})
    assert topic.config == {}
    assert document("plan") == []


@pytest.mark.parametrize(
    ("there", "wanted"),
    [("compact,delete", "delete, compact"), ("0.5", "0.50"), ("0.5", 0.5), ("true", True), ("1000", 1000.0)],
)
def test_two_spellings_of_one_value_are_no_change(there, wanted, settings):
    memory_broker().create_topic("orders", 4).config["x"] = there
    settings.KAFKA = kafka_with({"orders": {"config": {"x": wanted}}})

    assert document("plan") == []


def test_a_shorter_retention_names_the_groups_that_would_lose_messages(settings):
    hour_ago = int(time.time() * 1000) - 3_600_000
    for _ in range(5):
        memory_broker().produce("orders", "old", partition=0, timestamp_ms=hour_ago)
    memory_broker().produce("orders", "new", partition=0)
    memory_broker().commit("group", "orders", 0, 2)
    settings.KAFKA = kafka_with(
        {"orders": {"config": {"retention.ms": 60_000}}},
        consumers={"c": consumer_of("orders"), "other": consumer_of("orders", consumer_group="done")},
    )
    memory_broker().commit("done", "orders", 0, 6)

    (change,) = document("plan")

    assert "messages older than 1 min will be deleted" in change["warning"]
    assert "group group has not handled 3 of them" in change["warning"]
    assert "group done" not in change["warning"]


def test_what_a_group_handles_while_the_plan_asks_is_handled(settings, monkeypatch):
    ask = PartitionEnds.at

    def answer_late(ends, *question):
        answer = ask(ends, *question)
        memory_broker().commit("group", "orders", 0, 1)
        return answer

    memory_broker().produce("orders", "old", partition=0, timestamp_ms=int(time.time() * 1000) - 3_600_000)
    settings.KAFKA = kafka_with(
        {"orders": {"config": {"retention.ms": 60_000}}}, consumers={"c": consumer_of("orders")}
    )
    monkeypatch.setattr(PartitionEnds, "at", answer_late)

    (change,) = document("plan")

    assert "will be deleted" in change["warning"]
    assert "has not handled" not in change["warning"]


def test_a_longer_retention_loses_nothing(settings):
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": {"config": {"retention.ms": 30 * DAY_MS}}})

    assert [change["warning"] for change in document("plan")] == [None]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"cleanup.policy": "compact"}, "without a key are refused"),
        ({"max.message.bytes": 1000}, "larger than 1000 bytes"),
        ({"retention.bytes": 1000}, "beyond 1000 bytes will be deleted"),
        ({"min.insync.replicas": 2}, "will refuse everything that waits for all"),
        ({"no.such.setting": 1}, "knows no no.such.setting"),
    ],
)
def test_what_settings_lose_or_refuse_is_said(config, said, settings):
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": {"config": config}})

    (change,) = document("plan")

    assert said in change["warning"]


def test_a_topic_that_appeared_meanwhile_is_no_failure(settings, monkeypatch):
    settings.KAFKA = kafka_with({"orders": {"partitions": 6}})
    create = TopicChanges.create

    def be_second(changes, topic, **wanted):
        memory_broker().create_topic(topic, 6)
        create(changes, topic, **wanted)

    monkeypatch.setattr(TopicChanges, "create", be_second)

    assert [change["result"] for change in document("apply")] == ["already there"]


def test_partitions_that_somebody_else_added_meanwhile_are_no_failure(settings, monkeypatch):
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": {"partitions": 6}})
    add = TopicChanges.add_partitions

    def be_second(changes, topic, total):
        memory_broker().create_topic(topic, 6)
        add(changes, topic, total)

    monkeypatch.setattr(TopicChanges, "add_partitions", be_second)

    assert [change["result"] for change in document("apply")] == ["already there"]


def test_one_change_that_fails_keeps_no_other_from_being_made(settings):
    settings.KAFKA = kafka_with({"a": {"replication_factor": 3}, "b": {"partitions": 2}})

    failed, made = document("apply", fails=True)

    assert failed["result"].startswith("failed: topic a: there are fewer brokers than replicas asked for")
    assert made["result"] == "done"
    assert set(memory_broker().topics) == {"b"}


def test_people_read_what_became_of_each_change(settings, capsys):
    settings.KAFKA = kafka_with({"a": {"replication_factor": 3}, "b": {"partitions": 2, "config": {"x": 1}}})

    with pytest.raises(CommandError, match=r"^1 of 2 change\(s\) failed$"):
        call_command("kafkatopics", "apply")

    first, careful, last = capsys.readouterr().out.splitlines()
    assert first.startswith("a: make it, with as many partitions and 3 replicas as the cluster gives: failed: ")
    assert careful == "    careful: 3 replicas need as many brokers, 1 can be seen: Kafka will refuse it"
    assert last == "b: make it, with 2 partitions and as many replicas as the cluster gives, x 1: done"


def test_people_read_a_plan(settings, capsys):
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": {"partitions": 6, "config": {"retention.ms": 30 * DAY_MS}}})

    first, careful, last = lines("plan", capsys).splitlines()

    assert first == "orders: add partitions, from 4 to 6"
    assert careful.startswith("    careful: most keys move")
    assert last == "orders: set retention.ms from 604800000 to 2592000000"


def test_nothing_that_somebody_wrote_steers_a_terminal(settings, capsys):
    memory_broker().create_topic("orders", 4).config["retention.ms"] = "\x1b[2J\u202e"
    settings.KAFKA = kafka_with({"orders": {"config": {"retention.ms": 1}}})

    assert r"from \x1b[2J\u202e to 1" in lines("plan", capsys)


def test_the_list_has_all_topics_but_kafkas_own(settings, capsys):
    for name in ("foreign", "named", "any-1", "__consumer_offsets"):
        memory_broker().create_topic(name, 3)
    settings.KAFKA = kafka_with({"later": {}}, consumers={"c": consumer_of("named", "^any-.*")})

    found = document("list")
    table = lines("list", capsys).splitlines()

    assert [(topic["topic"], topic["configured"]) for topic in found] == [
        ("any-1", True),
        ("foreign", False),
        ("named", True),
    ]
    assert found[0] == {"topic": "any-1", "partitions": 3, "replication_factor": 1, "configured": True}
    assert table[0].split() == ["TOPIC", "PARTITIONS", "REPLICAS", "CONFIGURED"]
    assert table[2].split() == ["foreign", "3", "1", "no"]
    assert table[-1].startswith("later: the settings name it, but it isn't there")


@pytest.mark.parametrize("action", ["list", "plan", "apply", "health"])
def test_a_cluster_that_cannot_be_asked_is_one_line(action, settings, monkeypatch):
    def refuse(admin, **options):
        raise BrokerError("topics of the cluster: no broker can be reached")

    monkeypatch.setattr(MemoryAdmin, "list_topics", refuse)
    settings.KAFKA = kafka_with({"orders": {}})

    with pytest.raises(CommandError, match=r"^topics of the cluster: no broker can be reached$"):
        call_command("kafkatopics", action)
