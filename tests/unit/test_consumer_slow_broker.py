"""A consumer whose broker takes long for each answer: what it asks for makes room for what the group needs."""

from __future__ import annotations

import json
import threading

import pytest

from kafka_integration.client.consumer import ConsumerClient
from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.client.metadata.topic_sizes import TopicSizes
from kafka_integration.client.properties.build import METADATA_REFRESH, METADATA_REFRESH_MS, consumer_properties
from kafka_integration.client.transports.memory import MemoryConsumer
from kafka_integration.conf import get_settings
from kafka_integration.consuming.group import membership
from tests.unit import scripted
from tests.unit.consumers import TOPIC, consumer_settings, running, write
from tests.waiting import wait_for


def statistics(*brokers: tuple[str, int, int]) -> str:
    """Of brokers by where they are known from, the microseconds of their quickest answer, and how many there were."""
    facts = {
        f"127.0.0.1:909{number}": {
            "nodename": f"127.0.0.1:909{number}",
            "state": "UP",
            "stateage": 5_000_000,
            "source": source,
            "rtt": {"min": quickest, "cnt": count},
        }
        for number, (source, quickest, count) in enumerate(brokers)
    }
    return json.dumps({"brokers": facts})


@pytest.fixture
def impatient(monkeypatch):
    """Who was told nothing draws its conclusions after a moment."""
    monkeypatch.setattr(membership, "LEFT_OUT_SECONDS", 0.2)


@pytest.fixture
def group_that_waits(memory_transport):
    """A member that has the group wait for it, once it has come, until it goes."""
    return MemoryConsumer(memory_transport, {"group.id": "group"})


def test_how_slow_the_slowest_broker_is_stands_until_there_is_a_newer_answer():
    log = ClientLog("consumer c", {"fetch.wait.max.ms": 1000})

    log.on_statistics(statistics(("learned", 3_000_000, 2), ("learned", 10_000_000, 1)))
    log.on_statistics(statistics(("learned", 0, 0), ("learned", 0, 0)))
    assert log.pace.answer_seconds == 9

    log.on_statistics(statistics(("learned", 0, 0), ("learned", 5_000, 7)))
    assert log.pace.answer_seconds == 0


def test_a_coordinator_that_lets_a_member_wait_for_the_others_is_not_slow():
    log = ClientLog("consumer c", {})

    log.on_statistics(statistics(("logical", 9_000_000, 1)))

    assert log.pace.answer_seconds == 0


def test_a_member_joins_anew_and_refreshes_seldom_where_answers_are_slow(impatient, group_that_waits, caplog):
    caplog.set_level("INFO", logger="kafka_integration")
    write("a")
    with running() as loop:
        wait_for(lambda: scripted.seen)
        group_that_waits.subscribe([TOPIC])
        wait_for(lambda: "revoked events[0-3]" in caplog.text)
        slow = loop.session.client
        slow.log.pace.answer_seconds = 9.0
        wait_for(lambda: "takes 9 s for an answer, joining anew" in caplog.text)
        group_that_waits.close()
        write("b")
        wait_for(lambda: len(scripted.seen) == 2)

        assert loop.session.client is not slow
        assert loop.session.client.refresh_ms == 36_000


@pytest.mark.usefixtures("impatient", "memory_transport")
def test_a_member_that_was_told_nothing_waits_for_no_answer(settings, monkeypatch):
    settings.KAFKA = consumer_settings()
    consumer = get_settings().consumers["c"]
    is_asked, is_answered = threading.Event(), threading.Event()

    def read_when_answered(sizes):
        is_asked.set()
        assert is_answered.wait(10)
        return {}

    monkeypatch.setattr(TopicSizes, "read", read_when_answered)
    member = membership.Membership(consumer, ConsumerClient(consumer, None))  # type: ignore[arg-type]  # as below

    wait_for(lambda: member.is_left_out(0.0) or is_asked.is_set())
    assert not member.is_left_out(0.0)
    is_answered.set()

    wait_for(lambda: member.is_left_out(0.0))


@pytest.mark.usefixtures("impatient")
def test_a_member_stays_where_answers_leave_room_or_the_settings_say_how_often_to_refresh(settings, memory_transport):
    settings.KAFKA = consumer_settings()
    assert needed(answer_seconds=9.0) == 36_000
    assert needed(answer_seconds=3.0) is None
    assert needed(answer_seconds=9.0, refresh_ms=36_000) is None
    assert needed(answer_seconds=9.0, since=None) is None

    settings.KAFKA = {**consumer_settings(), "config": {METADATA_REFRESH: 5000}}
    assert needed(answer_seconds=9.0) is None

    settings.KAFKA = consumer_settings(group_protocol="consumer")
    assert needed(answer_seconds=9.0) is None


def test_how_often_the_settings_refresh_is_the_last_word(settings):
    settings.KAFKA = {**consumer_settings(), "config": {METADATA_REFRESH: 5000}}

    properties = consumer_properties(get_settings().consumers["c"], refresh_ms=36_000)

    assert properties[METADATA_REFRESH] == 5000


def needed(*, answer_seconds: float, since: float | None = 0.0, refresh_ms: int = METADATA_REFRESH_MS) -> int | None:
    """What a member in this situation needs."""
    consumer = get_settings().consumers["c"]
    client = ConsumerClient(consumer, None, refresh_ms=refresh_ms)  # type: ignore[arg-type]  # nobody is told of anything
    client.log.pace.answer_seconds = answer_seconds
    return membership.Membership(consumer, client).needed_refresh_ms(since)
