"""Schemas through a broker, beside confluent-kafka's own producer and consumer: they read and write the same."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import SerializationContext

from kafka_integration import produce_sync
from kafka_integration.codecs import load_codec
from tests.embedded.members import Members, values_of
from tests.services.schema_registry import schema_registry
from tests.unit import schemas

ORDER = {"sku": "pencil", "count": 3}


@pytest.fixture
def registry(monkeypatch):
    with schema_registry() as registry:
        monkeypatch.setenv("SCHEMA_REGISTRY_URL", registry.url)
        load_codec.cache_clear()
        yield registry


@pytest.fixture
def members(settings, embedded_broker, registry):
    members = Members(settings)
    embedded_broker.create_topics([members.topic])
    yield members
    members.close()


def test_what_another_producer_wrote_with_the_id_among_the_headers_is_read(members, embedded_broker):
    serialize = AvroSerializer(
        schemas.registry(), schemas.AVRO, conf={"schema.id.serializer": header_schema_id_serializer}
    )
    context = SerializationContext(members.topic, "value", [])
    producer = Producer({"bootstrap.servers": embedded_broker.servers, "log_level": 0})
    producer.produce(members.topic, value=serialize(ORDER, context), headers=context.headers)
    producer.flush(10)
    members.configure("one", value_deserializer="tests.unit.schemas.avro_deserializer")

    members.run("one")

    assert values_of("one") == [ORDER]


def test_another_consumer_reads_what_was_produced(members, embedded_broker, settings):
    settings.KAFKA["producer"] = {"value_serializer": "tests.unit.schemas.avro_serializer"}
    settings.KAFKA = dict(settings.KAFKA)

    where = produce_sync(members.topic, ORDER)

    group = {"group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest", "group.protocol": "consumer"}
    with Consumer({"bootstrap.servers": embedded_broker.servers, **group}) as consumer:
        consumer.subscribe([members.topic])
        while (message := consumer.poll(10)) is not None and message.error() is not None:
            pass
    assert message is not None
    assert (message.partition(), message.offset()) == (where.partition, where.offset)
    context = SerializationContext(members.topic, "value", message.headers())
    assert schemas.avro_deserializer()(message.value(), context) == ORDER
