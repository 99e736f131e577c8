"""What comes in place of messages: it is made an error of ours when somebody asks."""

from __future__ import annotations

from confluent_kafka import KafkaError

from kafka_integration.client import fetched
from kafka_integration.client.fetched import END_REACHED, Event


def test_an_end_which_comes_with_nearly_each_message_is_not_put_into_words(monkeypatch):
    asked = []
    monkeypatch.setattr(fetched, "translate", lambda error, place: asked.append(error) or error)
    cause = KafkaError(KafkaError._PARTITION_EOF)

    event = Event(cause.name(), ("events", 0), 7, cause, "consumer c, topic events")

    assert event.code == END_REACHED
    assert asked == []
    assert event.error is cause
    assert asked == [cause]
