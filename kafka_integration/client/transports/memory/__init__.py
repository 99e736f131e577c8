"""Kafka inside one process, for ``"endpoints": "memory"``: topics, groups and offsets, no network.

``MemoryConsumer`` and ``MemoryProducer`` have the methods of confluent-kafka's ``Consumer`` and ``Producer``
that this package calls, and the most usual others, and behave like them as far as a handler can tell. Not here:
transactions, compaction, retention, and groups that span processes.
"""

from .broker import MemoryBroker, MemoryRecord, memory_broker
from .consumer import MemoryConsumer
from .producer import MemoryProducer

__all__ = ["MemoryBroker", "MemoryConsumer", "MemoryProducer", "MemoryRecord", "memory_broker"]
