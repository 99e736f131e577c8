"""A client without any broker, that looks for none, is told of some or replaced; librdkafka's statistics show it."""

from __future__ import annotations

import json
import logging

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_integration.client.log import client_log
from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.client.log.stranding import Stranding
from kafka_integration.client.metadata import admin as admin_module
from kafka_integration.client.metadata.admin import Admin
from kafka_integration.client.producers.registry import ProducerRegistry
from kafka_integration.conf.connection import Connection
from kafka_integration.conf.producers import ProducerSettings
from kafka_integration.errors import BrokerError
from tests.unit import scripted
from tests.unit.consumers import running, write
from tests.waiting import wait_for

NOWHERE = Connection(servers=("127.0.0.1:1",))
COORDINATOR = {"source": "logical", "state": "UP"}
GIVEN_UP = {"source": "learned", "state": "INIT"}
IN_USE = {"source": "learned", "state": "UP"}
TRIED = {"source": "configured", "state": "TRY_CONNECT"}
READING = {"state": "up", "join_state": "steady", "assignment_size": 2}
READING_NOTHING = {**READING, "assignment_size": 0}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def of_a_member(*brokers: dict, group: dict | None = None) -> dict:
    return {"type": "consumer", "brokers": dict(enumerate(brokers)), "cgrp": {"state": "query-coord"} | (group or {})}


def of_a_producer(*brokers: dict, queued: int) -> dict:
    return {"type": "producer", "brokers": dict(enumerate(brokers)), "msg_cnt": queued}


def is_stranded(*statistics: dict) -> bool:
    """With these statistics one after the other, every five seconds."""
    clock = Clock()
    stranding = Stranding(clock=clock)
    for each in statistics:
        stranding.note(each)
        clock.now += 5
    return stranding.is_certain


@pytest.mark.parametrize(
    "statistics",
    [
        of_a_member(),
        of_a_member(GIVEN_UP),
        of_a_member(GIVEN_UP, COORDINATOR, group=READING),
        of_a_member(COORDINATOR, group={"state": "up", "join_state": "wait-metadata"}),
        of_a_producer(GIVEN_UP, queued=1),
        of_a_producer(queued=1),
    ],
)
def test_a_client_that_needs_a_broker_and_tries_none_between_two_looks_is_stranded(statistics):
    assert is_stranded(statistics, statistics)
    assert not is_stranded(statistics)


@pytest.mark.parametrize(
    "statistics",
    [
        of_a_member(IN_USE, COORDINATOR, group=READING),
        of_a_member(TRIED),
        of_a_member(GIVEN_UP, COORDINATOR, group=READING_NOTHING),
        of_a_producer(GIVEN_UP, queued=0),
        of_a_producer(TRIED, queued=1),
    ],
)
def test_a_client_that_tries_one_or_needs_none_is_not(statistics):
    assert not is_stranded(*[statistics] * 9)


def test_a_broker_that_is_tried_now_and_then_is_no_reason():
    given_up, tried = of_a_member(GIVEN_UP), of_a_member(TRIED)

    assert not is_stranded(*[given_up, tried] * 4)


@pytest.mark.parametrize(
    "say",
    [
        lambda log: log.log(logging.ERROR, "%s", "FAIL", "[thrd:x]: Connect to 127.0.0.1:9092 failed"),
        lambda log: log.on_error(KafkaError(KafkaError._TRANSPORT)),
    ],
)
def test_a_client_that_fails_to_reach_a_broker_looks_for_one(say):
    clock = Clock()
    log = ClientLog("consumer c", {}, clock=clock)
    for _ in range(9):
        log.on_statistics(json.dumps(of_a_member({**GIVEN_UP, "nodename": "127.0.0.1:9092"})))
        say(log)
        clock.now += 5

    assert not log.stranding.is_certain


def test_that_brokers_are_named_again_is_said_once_a_minute(monkeypatch, caplog):
    monkeypatch.setattr(client_log, "name_brokers", lambda client, servers: True)
    clock = Clock()
    log = ClientLog("consumer c", {"bootstrap.servers": "127.0.0.1:1"}, clock=clock)
    for _ in range(7):
        log.stranding.is_certain = True
        log.help(object())
        clock.now += 10

    assert [line.partition(",")[0] for line in caplog.messages] == ["consumer c: the client gave up all brokers"] * 2


def test_a_client_that_was_helped_has_as_long_again():
    clock = Clock()
    stranding = Stranding(clock=clock)
    stranding.note(of_a_member(GIVEN_UP))
    clock.now += 5
    stranding.note(of_a_member(GIVEN_UP))
    stranding.was_helped()

    stranding.note(of_a_member(GIVEN_UP))
    assert not stranding.is_certain

    clock.now += 5
    stranding.note(of_a_member(GIVEN_UP))
    assert stranding.is_certain


def test_a_member_whose_client_is_stranded_and_cant_be_told_joins_with_another_one(memory_transport, caplog):
    write("a")
    with running() as loop:
        wait_for(lambda: scripted.seen)
        stranded = loop.session.client
        stranded.log.stranding.is_certain = True

        wait_for(lambda: loop.session.client is not stranded)
        write("b")
        wait_for(lambda: len(scripted.seen) == 2)

    assert "gave up all brokers and looks for none, joining with a new one" in caplog.text


def test_a_producer_that_is_stranded_and_can_be_told_stays_whoever_comes_first():
    registry, settings = ProducerRegistry(), ProducerSettings(connection=NOWHERE, shutdown_grace_seconds=0)
    stranded = registry.get(settings)

    stranded.log.stranding.is_certain = True

    assert registry.get(settings) is stranded
    registry.close(0)


def test_a_client_that_finds_brokers_by_itself_is_not_stranded_any_more():
    assert not is_stranded(of_a_member(GIVEN_UP), of_a_member(GIVEN_UP), of_a_member(IN_USE))


def test_a_producer_that_is_stranded_and_cant_be_told_is_replaced(monkeypatch):
    monkeypatch.setattr(client_log, "name_brokers", lambda client, servers: False)
    registry, settings = ProducerRegistry(), ProducerSettings(connection=NOWHERE, shutdown_grace_seconds=0)
    stranded = registry.get(settings)
    assert registry.get(settings) is stranded

    stranded.log.stranding.is_certain = True

    assert registry.get(settings) is not stranded
    assert stranded.retired
    registry.close(0)


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._TIMED_OUT])
def test_who_asks_about_topics_for_a_minute_without_an_answer_asks_with_another_client(code, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(admin_module, "monotonic", clock)
    admin = Admin(NOWHERE, asks_for="topics")
    former = admin.client()

    ask_in_vain(admin, code)
    clock.now += 59
    ask_in_vain(admin, code)
    assert admin.client() is former

    clock.now += 1
    ask_in_vain(admin, code)
    assert admin.client() is not former


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._TIMED_OUT])
def test_who_gets_an_answer_meanwhile_or_is_refused_keeps_the_client(code, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(admin_module, "monotonic", clock)
    admin = Admin(NOWHERE, asks_for="topics")
    former = admin.client()

    ask_in_vain(admin, code)
    clock.now += 60
    with admin.question():
        pass
    ask_in_vain(admin, code)
    clock.now += 60
    ask_in_vain(admin, KafkaError.TOPIC_AUTHORIZATION_FAILED)

    assert admin.client() is former


def ask_in_vain(admin: Admin, code: int) -> None:
    with pytest.raises(BrokerError), admin.question():
        raise KafkaException(KafkaError(code))
