"""Serializers and deserializers of a schema registry, as a project of three topics would have them."""

from __future__ import annotations

import json
import os
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

AVRO = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "fields": [{"name": "sku", "type": "string"}, {"name": "count", "type": "long"}],
    }
)
AVRO_KEY = json.dumps({"type": "record", "name": "OrderKey", "fields": [{"name": "id", "type": "long"}]})
JSON = json.dumps(
    {
        "title": "Order",
        "type": "object",
        "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["sku", "count"],
    }
)


def registry() -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"], "timeout": 0.5, "max.retries": 0})


def avro_serializer() -> AvroSerializer:
    return AvroSerializer(registry(), AVRO)


def avro_deserializer() -> AvroDeserializer:
    return AvroDeserializer(registry())


def avro_key_serializer() -> AvroSerializer:
    return AvroSerializer(registry(), AVRO_KEY)


def json_serializer() -> JSONSerializer:
    return JSONSerializer(JSON, registry())


def json_deserializer() -> JSONDeserializer:
    return JSONDeserializer(None, schema_registry_client=registry())


def protobuf_serializer() -> ProtobufSerializer:
    return ProtobufSerializer(Order, registry(), {"use.deprecated.format": False})


def protobuf_deserializer() -> ProtobufDeserializer:
    return ProtobufDeserializer(Order, {"use.deprecated.format": False}, registry())


mock_registry = SchemaRegistryClient.new_client({"url": "mock://tests"})


def mock_serializer() -> AvroSerializer:
    return AvroSerializer(mock_registry, AVRO)


def mock_deserializer() -> AvroDeserializer:
    return AvroDeserializer(mock_registry)


def _made_order() -> Any:
    """What protoc would generate."""
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", package="shop", syntax="proto3")
    message = file.message_type.add(name="Order")
    kinds = descriptor_pb2.FieldDescriptorProto
    message.field.add(name="sku", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    message.field.add(name="count", number=2, type=kinds.TYPE_INT64, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


Order = _made_order()
