"""A topic that is made anew while its consumer runs: its messages are at places that others had."""

from __future__ import annotations

import threading

import pytest

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.client.transports.memory.broker import MemoryTopic
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.models import DeadLetter, StoredOffset
from tests.unit import scripted
from tests.unit.consumers import TOPIC, running, write
from tests.unit.scripted_transport import connect
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]


@pytest.fixture
def topic_ids(monkeypatch):
    """What the broker says when asked for the topic's id, and how often that was."""
    answers = ["old"]

    def ask():
        answers.append(answers[-1])
        return answers[-1]

    connect(monkeypatch, topic_id=ask)
    return answers


def make_anew(topic_ids):
    """Delete and make the topic anew, so quickly that the group doesn't notice."""
    memory_broker().topics[TOPIC] = MemoryTopic(4)
    topic_ids.append("new")


def test_a_message_at_the_place_of_one_that_took_effect_is_no_repeat(topic_ids):
    write("a", "b")
    with running(deduplicate=True) as loop:
        wait_for(lambda: len(scripted.seen) == 2)
        assert len(topic_ids) == 2  # the answer counts until the partition begins again

        make_anew(topic_ids)
        write("c")

        wait_for(lambda: [message.value for message in scripted.seen] == ["a", "b", "c"])

    assert loop.counts.read().repeated == 0


def test_a_new_topic_with_more_messages_than_the_old_one_is_read_from_its_beginning(topic_ids, monkeypatch):
    monkeypatch.setattr("kafka_integration.consuming.group.assignment.LOOK_SECONDS", 0.1)
    write("a", "b")
    with running(offset_storage="database"):
        wait_for(lambda: StoredOffset.objects.filter(topic_id="old", next_offset=2))

        make_anew(topic_ids)
        write("c", "d")

        wait_for(lambda: [message.value for message in scripted.seen] == ["a", "b", "c", "d"])
        wait_for(lambda: StoredOffset.objects.filter(topic_id="new", next_offset=2))


def test_looks_do_not_pile_up_behind_a_handler_that_takes_its_time(topic_ids, monkeypatch):
    monkeypatch.setattr("kafka_integration.consuming.group.assignment.LOOK_SECONDS", 0.01)
    write("a")
    turns, may_return = [], threading.Event()
    scripted.script.append(lambda message: may_return.wait(10))
    turn = ConsumerLoop.turn
    monkeypatch.setattr(ConsumerLoop, "turn", lambda loop: turns.append(loop) or turn(loop))
    with running(offset_storage="database"):
        wait_for(lambda: scripted.seen)
        seen = len(turns)
        write(*"bcdef", partition=1)  # else a turn takes half a second
        wait_for(lambda: len(turns) > seen + 5)
        (lane,) = turns[0]._lanes._lanes
        waiting = len(lane._calls)
        may_return.set()

    assert waiting <= 1


def test_a_dead_letter_is_kept_beside_the_one_that_was_at_its_place(topic_ids):
    scripted.script.append(lambda message: 1 / 0)
    write("a", "b")
    with running(on_failure="dead_letter"):
        wait_for(lambda: DeadLetter.objects.count() == 2)

        make_anew(topic_ids)
        write("c")

        wait_for(lambda: DeadLetter.objects.count() == 3, message="a dead letter more")
