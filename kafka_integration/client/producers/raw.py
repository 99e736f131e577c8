"""What a producer is built on: confluent-kafka's, or what a transport has in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeGuard

from confluent_kafka import KafkaError, Message
from confluent_kafka.cimpl import Producer as ClientProducer

DeliveryCallback = Callable[[KafkaError | None, Message], None]


class RawProducer(Protocol):
    """confluent-kafka's ``Producer``, as far as it is used here."""

    def produce(self, topic: str, **message: Any) -> None: ...
    def poll(self, timeout: float = -1) -> int: ...
    def flush(self, timeout: float = -1) -> int: ...
    def purge(self) -> None: ...
    def close(self) -> bool: ...
    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any: ...
    def __len__(self) -> int: ...


def is_bare(raw: RawProducer) -> TypeGuard[ClientProducer]:
    """Whether it is the client's own class: no tracer around it that reads arguments by name and adds headers."""
    kind: type[object] = type(raw)
    return kind is ClientProducer
