"""A tracer around the real client: what it adds to the headers arrives, with those that were published."""

from __future__ import annotations

from typing import Any

import confluent_kafka
import pytest

from kafka_integration import publish
from kafka_integration.client.transports.embedded import EmbeddedBroker
from tests.embedded.relaying import new_topic, outbox, read_topic, relay_all
from tests.unit.test_client_wrapped import GIVEN, Trace, like_datadog, like_opentelemetry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("trace", [like_datadog, like_opentelemetry])
def test_what_a_tracer_adds_arrives(
    trace: Trace, embedded_broker: EmbeddedBroker, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TracedProducer(confluent_kafka.Producer):
        def produce(self, *args: Any, **options: Any) -> None:
            args, options = trace(args, options)
            super().produce(*args, **options)

    settings.KAFKA = {"endpoints": "embedded"}
    monkeypatch.setattr(confluent_kafka, "Producer", TracedProducer)
    topic = new_topic()
    publish(topic, b"1", key="k", headers=GIVEN, timestamp=1_767_312_000_000)

    relay_all()

    (message,) = read_topic(embedded_broker.servers, topic, 1)
    assert (message.key(), message.value(), message.timestamp()[1]) == (b"k", b"1", 1_767_312_000_000)
    assert (message.headers() or [])[-3:] == [*GIVEN, ("x-trace", b"42")]
    assert outbox() == []
