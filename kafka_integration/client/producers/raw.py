"""What a producer is built on: confluent-kafka's, or the memory transport's in its place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import confluent_kafka
from confluent_kafka import KafkaError

from ..transports.memory import MemoryProducer

DeliveryCallback = Callable[[KafkaError | None, confluent_kafka.Message], None]


class RawProducer(Protocol):
    """confluent-kafka's ``Producer``, as far as it is used here; the memory transport has the same."""

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        callback: DeliveryCallback | None = None,
        on_delivery: DeliveryCallback | None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None: ...
    def poll(self, timeout: float = -1) -> int: ...
    def flush(self, timeout: float = -1) -> int: ...
    def purge(self) -> None: ...
    def close(self) -> bool: ...
    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any: ...
    def __len__(self) -> int: ...


class ImmediateProducer:
    """The memory transport's producer, whose deliveries are known, and told, when ``produce`` returns."""

    def __init__(self, memory: MemoryProducer) -> None:
        self._memory = memory
        self._lock = threading.RLock()
        self.list_topics = memory.list_topics
        self.poll = memory.poll
        self.flush = memory.flush
        self.purge = memory.purge
        self.close = memory.close

    def produce(self, *args: Any, **options: Any) -> None:
        with self._lock:
            self._memory.produce(*args, **options)
            self._memory.poll(0)

    def __len__(self) -> int:
        return len(self._memory)
