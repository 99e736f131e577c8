"""A transport whose clients a test makes itself: the place where the library meets its client."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_integration.client.transports import choosing
from kafka_integration.client.transports.memory import MemoryConsumer, memory_broker
from kafka_integration.conf.connection import Transport


def connect(monkeypatch: pytest.MonkeyPatch, transport: Transport = "memory", **methods: Callable[..., Any]) -> None:
    """Puts these in place of a transport's methods until the test ends: what makes its clients, for one."""
    named = choosing.transport_named
    scripted = copy(named(transport))
    vars(scripted).update(methods)
    monkeypatch.setattr(choosing, "transport_named", lambda name: scripted if name == transport else named(name))


def broken(code: int = KafkaError._TRANSPORT) -> KafkaException:
    """What a client raises."""
    return KafkaException(KafkaError(code))


def script_consumers(monkeypatch: pytest.MonkeyPatch, **methods: Callable[..., Any]) -> None:
    """Has consumers follow these methods in place of a memory consumer's of the same names."""
    kind = type("ScriptedConsumer", (MemoryConsumer,), methods)
    connect(monkeypatch, consumer=lambda properties: kind(memory_broker(), properties))
