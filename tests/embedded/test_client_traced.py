"""A tracer around the real client: what it adds to the headers arrives, with those that were published."""

from __future__ import annotations

from typing import Any

import confluent_kafka
import pytest

from kafka_integration import produce_batch, produce_sync, publish
from kafka_integration.client.transports.embedded import EmbeddedBroker
from tests.embedded.relaying import new_topic, outbox, read_topic, relay_all
from tests.unit.test_client_wrapped import GIVEN, Trace, like_datadog, like_opentelemetry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[like_datadog, like_opentelemetry])
def _tracer(
    request: pytest.FixtureRequest, embedded_broker: EmbeddedBroker, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace: Trace = request.param

    class TracedProducer(confluent_kafka.Producer):
        def produce(self, *args: Any, **options: Any) -> None:
            args, options = trace(args, options)
            super().produce(*args, **options)

    monkeypatch.setattr(confluent_kafka, "Producer", TracedProducer)
    settings.KAFKA = {"endpoints": "embedded"}


@pytest.mark.usefixtures("_tracer")
def test_what_a_tracer_adds_arrives(embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()
    publish(topic, b"1", key="k", headers=GIVEN, timestamp=1_767_312_000_000)

    relay_all()

    (message,) = read_topic(embedded_broker.servers, topic, 1)
    assert (message.key(), message.value(), message.timestamp()[1]) == (b"k", b"1", 1_767_312_000_000)
    assert (message.headers() or [])[-3:] == [*GIVEN, ("x-trace", b"42")]
    assert outbox() == []


@pytest.mark.usefixtures("_tracer")
@pytest.mark.parametrize(
    "send", [lambda topic: produce_sync(topic, b"1", key="k"), lambda topic: produce_batch(topic, [("k", b"1")])]
)
def test_what_a_tracer_adds_to_plain_messages_arrives(send: Any, embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()

    send(topic)

    (message,) = read_topic(embedded_broker.servers, topic, 1)
    assert (message.key(), message.value(), message.headers()) == (b"k", b"1", [("x-trace", b"42")])
