"""What one turn of a relay still does when something ends in the middle of it: its lease, its time, a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError
from django.db import connection
from django.db.models import F

from kafka_integration import publish
from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage, RelayLease
from kafka_integration.outbox import forwarder
from kafka_integration.outbox.relay import Relay
from tests.unit.scripted_broker import POISON, ScriptedBroker, ScriptedProducer
from tests.unit.scripted_transport import connect

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("project_alone")]

LEASE_SECONDS = 10


class Relaying:
    """A relay on a scripted broker, with a clock that goes only when told."""

    def __init__(self, broker: ScriptedBroker) -> None:
        self.broker = broker
        self.now = 0.0
        self.relay = Relay("default", get_settings(), clock=lambda: self.now)

    @property
    def producer(self) -> ScriptedProducer:
        """The one that was opened last."""
        return self.broker.producers[-1]

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.relay.turn()

    def lose_the_lease(self) -> None:
        self.now += LEASE_SECONDS + 1

    def arrived(self) -> list[bytes | None]:
        return [sent.value for sent in self.broker.log]


@pytest.fixture
def relaying(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Relaying:
    settings.KAFKA = {"endpoints": "memory", "outbox": {"lease_seconds": LEASE_SECONDS, "batch_size": 4}}
    broker = ScriptedBroker()
    connect(monkeypatch, producer=broker.connect)
    return Relaying(broker)


def publish_all(*values: bytes) -> None:
    for value in values:
        publish("t", value, key="k")


@pytest.mark.parametrize(
    "end",
    [lambda relaying: relaying.lose_the_lease(), lambda relaying: relaying.relay.stop()],
    ids=["its lease runs out", "it is stopped"],
)
def test_nothing_more_is_sent_when_the_end_comes_while_rows_are_removed(
    relaying: Relaying, end: Callable[[Relaying], None]
) -> None:
    publish_all(b"1")
    relaying.turn()
    relaying.producer.write(1)
    publish_all(b"2")

    def end_meanwhile(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("DELETE"):
            end(relaying)
        return execute(sql, *arguments)

    with connection.execute_wrapper(end_meanwhile):
        relaying.turn()

    assert relaying.arrived() == [b"1"]
    assert relaying.producer.queue == []


def test_a_relay_that_is_stopped_while_it_sends_one_by_one_sends_no_further(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_all(b"1", b"2", POISON)
    relaying.turn()
    relaying.producer.write(3)
    write = ScriptedProducer.write

    def stop_at_the_first(producer: ScriptedProducer, count: int) -> None:
        write(producer, count)
        if relaying.broker.log:
            relaying.relay.stop()

    monkeypatch.setattr(ScriptedProducer, "write", stop_at_the_first)
    relaying.turn(4)

    assert relaying.arrived() == [b"1"]


def test_headers_count_in_what_is_under_way(relaying: Relaying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "MAX_PAGE_BYTES", 1)
    monkeypatch.setattr(forwarder, "MAX_BYTES_IN_FLIGHT", 15_000)
    for _ in range(4):
        publish("t", b"v", headers={"large": b"h" * 10_000})

    relaying.turn(10)

    assert len(relaying.producer.queue) == 2


def test_topics_that_are_not_there_are_looked_up_together_and_hold_up_no_other(relaying: Relaying) -> None:
    relaying.broker.topics = {"t"}
    for number in range(40):
        publish(f"missing-{number}", b"0")
    publish_all(b"1")

    relaying.turn(6)
    relaying.producer.write(10)
    relaying.turn()

    assert relaying.arrived() == [b"1"]
    assert relaying.broker.looks < 20


def test_of_many_topics_one_that_was_made_is_found_within_seconds(relaying: Relaying) -> None:
    relaying.broker.topics = {"t"}
    for number in range(20):
        publish(f"missing-{number}", b"0")
    for _ in range(60):
        relaying.now += 1
        relaying.turn()

    relaying.broker.topics.add("missing-7")
    relaying.now += 10
    relaying.turn(2)

    assert [sent.topic for sent in relaying.producer.queue] == ["missing-7"]


def test_looking_in_vain_past_a_topic_that_is_crowded_takes_a_tenth_of_the_time(relaying: Relaying) -> None:
    publish_all(*(b"%d" % number for number in range(20)))
    relaying.turn()
    looks: list[float] = []

    def look_for_a_tenth_of_a_second(execute: Any, sql: str, *arguments: Any) -> Any:
        if "WITH held" in sql:
            looks.append(relaying.now)
            relaying.now += 0.1
        return execute(sql, *arguments)

    with connection.execute_wrapper(look_for_a_tenth_of_a_second):
        while relaying.now < 5:
            relaying.turn()
            relaying.now += 0.01
        assert 4 <= len(looks) <= 5
        publish("another", b"free")
        relaying.now += 1
        relaying.turn()

    assert [sent.value for sent in relaying.producer.queue][12:] == [b"free"]


def test_a_lease_that_was_lost_and_taken_again_between_two_turns_begins_anew(relaying: Relaying) -> None:
    publish_all(b"1")
    relaying.turn()
    before = relaying.producer
    # Another one was active meanwhile, and has let go.
    RelayLease.objects.update(epoch=F("epoch") + 1, expires_at=None)
    relaying.lose_the_lease()

    relaying.turn()
    relaying.producer.write(1)
    relaying.turn()

    assert relaying.producer is not before
    assert before.queue == []
    assert not OutboxMessage.objects.exists()


def test_a_message_that_the_client_gives_up_by_itself_is_not_overtaken(relaying: Relaying) -> None:
    publish_all(b"1", b"2")
    relaying.turn()
    before = relaying.producer
    before.fail(KafkaError(KafkaError.BROKER_NOT_AVAILABLE))
    publish_all(b"3")

    for _ in range(3):
        relaying.now += 1
        relaying.turn()
    relaying.producer.write(3)

    assert relaying.producer is not before
    assert relaying.arrived() == [b"1", b"2", b"3"]


def test_a_relay_reports_what_it_relayed_under_all_its_leases(
    relaying: Relaying, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="kafka_integration.relay")
    for value in (b"1", b"2"):
        publish_all(value)
        relaying.turn()
        relaying.producer.write(1)
        relaying.turn()
        relaying.lose_the_lease()
        RelayLease.objects.update(expires_at=None, epoch=F("epoch") + 1)

    relaying.now += 30
    relaying.turn()

    assert "Database default: 2 message(s) relayed in 30 s" in caplog.text
