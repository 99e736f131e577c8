"""confluent-kafka's ``Producer`` on the memory broker, as far as this package calls it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message

from ....headers import GivenHeaders
from ....sizes import record_bytes
from .broker import MemoryBroker, MemoryRecord
from .metadata import ClusterMetadata, cluster_metadata

DeliveryCallback = Callable[[KafkaError | None, Message], None]


class MemoryProducer:
    """Appends at once; ``poll()`` and ``flush()`` report the deliveries, as with the real one.

    Creating topics is left to the broker, which makes them on first use.
    """

    def __init__(self, broker: MemoryBroker, properties: Mapping[str, Any]) -> None:
        self._broker = broker
        self._max_bytes = int(properties.get("message.max.bytes", 1_000_000))
        self._reports: deque[tuple[DeliveryCallback | None, MemoryRecord]] = deque()
        self._produced = threading.Condition()
        self._reporting = threading.RLock()

    def produce(
        self,
        topic: str,
        value: bytes | str | None = None,
        key: bytes | str | None = None,
        partition: int = -1,
        callback: DeliveryCallback | None = None,
        on_delivery: DeliveryCallback | None = None,
        timestamp: int = 0,
        headers: GivenHeaders | None = None,
    ) -> None:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        if record_bytes(key, value, pairs) > self._max_bytes:
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "Broker: Message size too large"))
        record = self._broker.produce(
            topic,
            value,
            key,
            headers=pairs,
            partition=None if partition < 0 else partition,
            timestamp_ms=timestamp or None,
        )
        with self._produced:
            self._reports.append((on_delivery or callback, record))
            self._produced.notify_all()

    def poll(self, timeout: float = -1) -> int:
        """The number of deliveries reported; waits up to ``timeout`` seconds for the first."""
        with self._produced:
            self._produced.wait_for(lambda: self._reports, None if timeout is None or timeout < 0 else timeout)
        return self._report()

    def flush(self, timeout: float = -1) -> int:
        """Reports what is left; nothing is ever under way, so that there is nothing to wait for."""
        self._report()
        return len(self)

    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        """Nothing to drop: what was produced is already there."""

    def close(self) -> bool:
        self.flush()
        return True

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> ClusterMetadata:
        """Like the real producer's, asking for a topic makes it."""
        if topic is not None:
            self._broker.create_topic(topic)
        return cluster_metadata(self._broker, topic)

    def __len__(self) -> int:
        return len(self._reports)

    def _report(self) -> int:
        count = 0
        # One thread at a time: what flush() leaves behind has been told, not only taken.
        with self._reporting:
            while self._reports:
                callback, record = self._reports.popleft()
                count += 1
                if callback:
                    callback(None, record.as_message())
        return count
