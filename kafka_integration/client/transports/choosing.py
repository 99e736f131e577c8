"""The transport that a connection names. One that isn't used isn't imported."""

from __future__ import annotations

from functools import cache

from ...conf.connection import Connection
from ...conf.connection import Transport as Name
from .transport import Transport


def transport_of(connection: Connection) -> Transport:
    return transport_named(connection.transport)


@cache
def transport_named(name: Name) -> Transport:
    match name:
        case "kafka":
            return Transport()
        case "embedded":
            from .embedded import EmbeddedTransport

            return EmbeddedTransport()
        case "memory":
            from .memory import MemoryTransport

            return MemoryTransport()
