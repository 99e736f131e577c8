"""Topic ids as brokers tell them, or don't."""

from __future__ import annotations

from concurrent.futures import Future
from time import monotonic
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, Uuid

from kafka_integration.client.metadata.topic_ids import TopicIds
from kafka_integration.conf.connection import Connection
from kafka_integration.errors import BrokerError, BrokerUnavailableError
from tests.unit.scripted_transport import connect

NONE, NEVER = Uuid(0, 0), object()


@pytest.fixture
def ids(monkeypatch):
    """Topic ids of a cluster whose brokers answer in turn."""

    def of(*answers):
        turns = iter(answers)
        admin = SimpleNamespace(describe_topics=lambda topics, request_timeout: {"t": told(next(turns))})
        connect(monkeypatch, "kafka", admin=lambda properties: admin)
        return TopicIds(Connection(servers=("nowhere:9092",)))

    return of


def told(answer):
    future = Future()
    if answer is NEVER:
        return future
    if isinstance(answer, KafkaException):
        future.set_exception(answer)
    else:
        future.set_result(SimpleNamespace(topic_id=answer))
    return future


def test_a_broker_without_ids_tells_none(ids):
    assert ids(NONE).ask("t") == ""
    assert ids(KafkaException(KafkaError(KafkaError.UNSUPPORTED_VERSION))).ask("t") == ""


def test_an_id_stands_while_other_brokers_have_none_yet(ids):
    old = KafkaException(KafkaError(KafkaError._UNSUPPORTED_FEATURE))
    first, second = Uuid(1, 2), Uuid(3, 4)
    topic_ids = ids(NONE, first, NONE, old, second, NONE)

    assert [topic_ids.ask("t") for _ in range(6)] == ["", *[str(first)] * 3, *[str(second)] * 2]


def test_an_answer_that_nobody_needs_any_more_is_not_waited_for(ids):
    """As on SIGTERM, with the broker down: a dead letter needs the id."""
    began_at = monotonic()

    with pytest.raises(BrokerUnavailableError):
        ids(NEVER).ask_where_allowed("t", lambda: True)

    assert monotonic() - began_at < 2


def test_ids_of_many_topics_leave_empty_what_an_acl_keeps_from_us(ids):
    denied = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))

    assert ids(Uuid(1, 2)).ask_all(["t"]) == {"t": str(Uuid(1, 2))}
    assert ids(denied).ask_all(["t"]) == {"t": ""}


def test_ids_of_many_topics_are_not_guessed_where_nobody_answers(ids):
    with pytest.raises(BrokerError):
        ids(KafkaException(KafkaError(KafkaError._TRANSPORT))).ask_all(["t"])
