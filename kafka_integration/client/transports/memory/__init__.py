"""Kafka inside one process, for ``"endpoints": "memory"``: topics, groups and offsets, no network.

``MemoryConsumer``, ``MemoryProducer`` and ``MemoryAdmin`` have the methods of confluent-kafka's clients that this
package calls, the first two the most usual others too, and behave like them as far as a handler can tell. Not here:
transactions, compaction, retention, and groups that span processes.
"""

from .broker import MemoryBroker, MemoryRecord, memory_broker
from .consumer import MemoryConsumer
from .metadata import MemoryAdmin
from .producer import MemoryProducer
from .transport import MemoryTransport

__all__ = [
    "MemoryAdmin",
    "MemoryBroker",
    "MemoryConsumer",
    "MemoryProducer",
    "MemoryRecord",
    "MemoryTransport",
    "memory_broker",
]
