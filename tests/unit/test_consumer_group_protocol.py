"""`"group_protocol": "auto"`: what the live group speaks, else KIP-848's where the cluster has it."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupType, KafkaError, Message

from kafka_integration.client.metadata.group_protocols import choose_group_protocol
from kafka_integration.client.transports.memory import MemoryConsumer, memory_broker
from kafka_integration.conf.connection import Connection
from kafka_integration.consuming.group import protocol
from kafka_integration.consuming.loop import Phase
from kafka_integration.errors import BrokerError, BrokerUnavailableError
from tests.unit import scripted
from tests.unit.consumers import running, write
from tests.unit.scripted_transport import broken, connect
from tests.waiting import wait_for

OLD, NEW = "Versions 0..0", "Versions 0..1"


def line(broker: str, versions: str) -> str:
    return f"[thrd:{broker}]: {broker}:   ApiKey ConsumerGroupHeartbeat (68) {versions}"


class ScriptedAdmin:
    """Describes one group as the test says, and logs what brokers take as librdkafka does."""

    def __init__(self, properties: dict[str, Any], *, group: Any, brokers: dict[str, str]) -> None:
        self._logger, self._group = properties["logger"], group
        self._lines = [line(*broker) for broker in brokers.items()]

    def __enter__(self) -> ScriptedAdmin:
        return self

    def __exit__(self, *_: object) -> None: ...

    def describe_consumer_groups(self, groups: list[str], request_timeout: float) -> dict[str, Future[Any]]:
        answer: Future[Any] = Future()
        if isinstance(self._group, Exception):
            answer.set_exception(self._group)
        elif self._group is not None:
            answer.set_result(self._group)
        return {groups[0]: answer}

    def poll(self, timeout: float) -> int:
        if not self._lines:
            return 0
        self._logger.log(7, "%s", self._lines.pop())
        return 1


def described(state: str, kind: str = "UNKNOWN") -> Any:
    return SimpleNamespace(state=getattr(ConsumerGroupState, state), type=getattr(ConsumerGroupType, kind))


@pytest.fixture
def cluster(monkeypatch):
    """Connects to a cluster with this group, whose brokers know these versions of the request to join."""

    def cluster(group: Any, **brokers: str) -> Connection:
        connect(monkeypatch, "kafka", admin=lambda p: ScriptedAdmin(p, group=group, brokers=brokers))
        return Connection(servers=("h:1",))

    return cluster


def chosen(connection: Connection, **options: Any) -> str:
    return choose_group_protocol(connection, "g", place="consumer c", timeout=0.2, **options)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (described("STABLE", "CLASSIC"), "classic"),
        (described("PREPARING_REBALANCING", "UNKNOWN"), "classic"),
        (described("STABLE", "CONSUMER"), "consumer"),
        # A state of the new protocol that the client has no name for.
        (described("UNKNOWN", "CONSUMER"), "consumer"),
    ],
)
@pytest.mark.parametrize("versions", [OLD, NEW])
def test_who_joins_a_live_group_speaks_as_its_members_do(cluster, group, versions, expected):
    assert chosen(cluster(group, b=versions)) == expected


@pytest.mark.parametrize(
    "group",
    [
        described("EMPTY", "CLASSIC"),
        described("DEAD"),
        broken(KafkaError.GROUP_ID_NOT_FOUND),
        broken(KafkaError._UNSUPPORTED_FEATURE),
        # Joining will say what is missing.
        broken(KafkaError.GROUP_AUTHORIZATION_FAILED),
    ],
    ids=["empty", "dead", "unknown", "not described", "denied"],
)
@pytest.mark.parametrize(
    ("brokers", "expected"),
    [
        ({"b": NEW}, "consumer"),
        ({"b": OLD}, "classic"),
        ({"b": NEW, "coordinator": OLD}, "classic"),
        ({}, "classic"),
    ],
    ids=["new", "old", "in the middle of an upgrade", "that say nothing"],
)
def test_without_members_it_is_what_all_brokers_know(cluster, group, brokers, expected):
    assert chosen(cluster(group, **brokers)) == expected


def test_a_cluster_that_cannot_say_is_asked_again_later(cluster):
    with pytest.raises(BrokerError) as caught:
        chosen(cluster(broken(KafkaError.COORDINATOR_NOT_AVAILABLE), b=NEW))

    assert caught.value.retriable


def test_an_answer_that_nobody_needs_any_more_is_not_waited_for(cluster):
    connection = cluster(None, b=NEW)

    with pytest.raises(BrokerUnavailableError, match="consumer c: no answer about the protocol of its group"):
        choose_group_protocol(connection, "g", place="consumer c", timeout=60, is_over=lambda: True)


class RefusedConsumer(MemoryConsumer):
    """Refused as a member by the new protocol, as by a cluster that has it switched off."""

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(memory_broker(), properties)
        self.protocol = properties["group.protocol"]

    def poll(self, timeout: float = -1) -> Any:
        if self.protocol == "classic":
            return super().poll(timeout)
        reason = KafkaError(KafkaError.UNSUPPORTED_VERSION).str()
        return Message(error=KafkaError(KafkaError._FATAL, f"ConsumerGroupHeartbeat fatal error: {reason}"))


@pytest.mark.usefixtures("memory_transport")
def test_a_cluster_that_refuses_the_new_protocol_gets_the_classic_one(monkeypatch, caplog):
    connect(monkeypatch, consumer=RefusedConsumer, group_protocol="consumer")
    write("a")

    with running(group_protocol="auto") as loop:
        wait_for(lambda: scripted.seen, message=lambda: f"{loop.fault}")

    assert loop.fault is None
    assert 'the cluster refuses group_protocol "consumer", joining anew' in caplog.text


@pytest.mark.usefixtures("memory_transport")
def test_where_the_settings_say_consumer_a_refusal_is_the_end(monkeypatch):
    connect(monkeypatch, consumer=RefusedConsumer, group_protocol="consumer")

    with running(group_protocol="consumer") as loop:
        wait_for(lambda: loop.phase is Phase.STOPPED)

    assert isinstance(loop.fault, BrokerError)
    assert loop.fault.code == "UNSUPPORTED_VERSION"


@pytest.mark.usefixtures("memory_transport")
def test_each_membership_asks_anew(monkeypatch, caplog):
    """A broker that can't be asked is waited for; a client that is made again joins as the group does by then."""
    caplog.set_level("INFO", logger="kafka_integration")
    answers = iter([BrokerUnavailableError("down", retriable=True), "classic", "consumer"])
    joined: list[str] = []

    def choose(*_: Any, **__: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def join(properties: dict[str, Any]) -> MemoryConsumer:
        joined.append(properties["group.protocol"])
        return MemoryConsumer(memory_broker(), properties)

    monkeypatch.setattr(protocol, "choose_group_protocol", choose)
    connect(monkeypatch, consumer=join)
    with running(group_protocol="auto") as loop:
        wait_for(lambda: joined == ["classic"])
        loop.session.client.log.stranding.is_certain = True
        wait_for(lambda: joined == ["classic", "consumer"])

    assert "consumer c waits: down" in caplog.text
    assert 'consumer c: its group_protocol is "consumer"' in caplog.text
