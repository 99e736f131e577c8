"""What differs for clients of the broker inside this process."""

from __future__ import annotations

from typing import Any

from ....conf.connection import Connection
from ..transport import Transport
from .broker import memory_broker
from .consumer import MemoryConsumer
from .metadata import MemoryAdmin
from .producer import MemoryProducer


class MemoryTransport(Transport):
    """The broker inside this process."""

    may_be_old = False
    knows_users = False
    delivers_at_once = True

    def servers(self, connection: Connection) -> str:
        return "memory"

    def consumer(self, properties: dict[str, Any]) -> Any:
        return MemoryConsumer(memory_broker(), properties)

    def producer(self, properties: dict[str, Any]) -> Any:
        return MemoryProducer(memory_broker(), properties)

    def admin(self, properties: dict[str, Any]) -> Any:
        return MemoryAdmin(memory_broker())

    def topic_id(self) -> str:
        # Not "": what tests stored must not be taken for a topic's of a broker without ids.
        return "memory"
