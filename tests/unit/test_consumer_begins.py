"""Where a partition begins: librdkafka is told a number, once, and never looks for one by itself."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError

from kafka_integration.client.metadata.patience import Patience
from kafka_integration.client.metadata.topic_sizes import TopicSizes
from kafka_integration.client.transports.memory import MemoryConsumer, memory_broker
from kafka_integration.consuming import loop
from kafka_integration.consuming.group.assignment import Assignment
from kafka_integration.consuming.ordering.line import Line
from kafka_integration.errors import BrokerError
from kafka_integration.observing.observers import Observers
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, consume, running, write
from tests.unit.scripted_transport import broken, connect, script_consumers
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


@pytest.fixture
def calls(monkeypatch):
    """What the client's consumer is asked to assign and where to seek."""
    noted = []

    def assign(consumer, partitions):
        partitions = list(partitions)
        noted.extend(("assign", p.offset) for p in partitions)
        MemoryConsumer.assign(consumer, partitions)

    def seek(consumer, partition):
        noted.append(("seek", partition.offset))
        MemoryConsumer.seek(consumer, partition)

    script_consumers(monkeypatch, assign=assign, seek=seek)
    return noted


def test_a_partition_without_a_leader_keeps_no_other_from_beginning(monkeypatch):
    for partition in range(4):
        write("a", partition=partition)

    def ends_of_all_but_one(consumer, partition, timeout=0, cached=False):
        if partition.partition == 1:
            raise broken(KafkaError.LEADER_NOT_AVAILABLE)
        return MemoryConsumer.get_watermark_offsets(consumer, partition, timeout)

    script_consumers(monkeypatch, get_watermark_offsets=ends_of_all_but_one)

    with running():
        wait_for(lambda: {message.partition for message in scripted.seen} == {0, 2, 3})


@pytest.mark.parametrize("earliest", [True, False])
def test_every_place_is_a_number_and_nothing_is_sought(calls, earliest):
    write("a", "b")

    consume(start_with_earliest_message=earliest)

    assert {kind for kind, _ in calls} == {"assign"}
    # Logical offsets (the end, the beginning, the stored one) are negative.
    assert all(offset >= 0 for _, offset in calls)
    assert [message.value for message in scripted.seen] == (["a", "b"] if earliest else [])


def test_what_is_added_while_it_runs_begins_at_its_first_message():
    memory_broker().create_topic(TOPIC, 1)
    write("before")
    with running(start_with_earliest_message=False, topics=[TOPIC, "later"]):
        wait_for(lambda: committed() == 1)
        write("after")

        memory_broker().create_topic("later", 2)
        write("first", topic="later", partition=1)

        wait_for(lambda: len(scripted.seen) == 2)
    assert {message.value for message in scripted.seen} == {"after", "first"}


def test_where_sizes_can_not_be_asked_for_it_waits_to_know_what_is_new(monkeypatch):
    write("before")
    answers = [BrokerError("away", retriable=True)] * 2
    read = TopicSizes.read

    def read_later(sizes):
        if answers:
            raise answers.pop()
        return read(sizes)

    monkeypatch.setattr(TopicSizes, "read", read_later)
    monkeypatch.setattr("kafka_integration.consuming.group.assignment.ASK_AGAIN_SECONDS", 0.01)

    consume(start_with_earliest_message=False)

    assert answers == []
    assert committed() == 1
    assert scripted.seen == []


def test_a_topic_that_was_made_anew_under_a_known_name_begins_at_its_first_message(monkeypatch, memory_transport):
    ids = ["old"]
    connect(monkeypatch, topic_id=lambda: ids[-1])
    memory_broker().create_topic(TOPIC, 1)
    write("before")
    other = MemoryConsumer(memory_transport, {"group.id": "group"})
    with running(start_with_earliest_message=False):
        wait_for(lambda: committed() == 1)
        # All that a member sees of a deletion is that its partitions are taken away, and that there is no offset.
        other.subscribe([TOPIC])
        wait_for(lambda: memory_broker().group("group").has(other.memberid()))
        ids.append("new")
        memory_broker()._committed.clear()
        write("first of the new")
        other.close()

        wait_for(lambda: len(scripted.seen) == 2)
    assert [message.value for message in scripted.seen] == ["before", "first of the new"]


def test_where_no_id_is_told_a_known_name_is_a_known_topic(monkeypatch):
    connect(monkeypatch, topic_id=lambda: "")
    write("before")

    consume(start_with_earliest_message=False)

    assert scripted.seen == []
    assert committed() == 1


class FencedMeanwhile(Line):
    """Work that is fenced after the loop has looked for such once."""

    @property
    def is_fenced(self):
        self.looks = getattr(self, "looks", 0) + 1
        return self.looks > 1

    @is_fenced.setter
    def is_fenced(self, value): ...


def test_an_assignment_that_comes_in_the_middle_of_a_poll_begins_without_waiting_for_its_end(monkeypatch):
    write("a")
    monkeypatch.setattr(loop, "POLL_SECONDS", 3600)

    with running() as consumer:
        wait_for(lambda: scripted.seen)
        consumer.stop()
        write("wakes it up")


def test_where_a_partition_goes_back_to_is_committed_at_once():
    write("a", "b")
    memory_broker().commit("group", TOPIC, 0, 7)
    scripted.script.append(lambda message: held.wait(10))
    held = Event()

    with running(offset_reset_policy="earliest", offset_commit_interval_seconds=3600):
        wait_for(lambda: committed() == 0)
        held.set()


def test_what_is_fenced_while_the_loop_looks_does_not_begin_where_it_began_before():
    placed = []
    client = SimpleNamespace(adds_one_by_one=True, place=lambda starts, flowing: placed.append(starts) or True)
    lane = SimpleNamespace(clear=lambda partition: partition.line.open())
    assignment = Assignment(
        SimpleNamespace(name="c", ordering="partition"),
        client,
        lanes=SimpleNamespace(adopt=lambda partition: None, of=lambda partition: lane),
        commits=None,
        claiming=SimpleNamespace(),
        start_offsets=SimpleNamespace(look=lambda: None, patience=Patience()),
        observers=Observers(),
    )
    assignment.take_over([(TOPIC, 0)])
    (partition,) = assignment
    partition.start.know(3, None)
    partition.place()
    partition.line = FencedMeanwhile()

    assignment.start()

    assert placed == []
