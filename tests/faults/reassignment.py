"""Moving partitions between brokers: the one request that librdkafka's admin client lacks, spoken by hand."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping, Sequence

_ALTER_PARTITION_REASSIGNMENTS = 45
_NO_TAGS = b"\x00"


def reassign(port: int, topic: str, replicas: Mapping[int, Sequence[int]]) -> None:
    """Give each partition these replicas, by broker number, the first one to lead; returns when that is accepted."""
    partitions = [
        struct.pack(">i", number) + _compact([struct.pack(">i", broker) for broker in brokers]) + _NO_TAGS
        for number, brokers in replicas.items()
    ]
    topics = _compact([_text(topic) + _compact(partitions) + _NO_TAGS])
    answer = _ask(port, struct.pack(">i", 30_000) + topics + _NO_TAGS)
    # Behind the time of throttling: the code and the text of what is wrong with the whole request.
    (code,) = struct.unpack_from(">h", answer, 4)
    assert code == 0, f"the brokers refused the reassignment of {topic} with error {code}"


def _ask(port: int, body: bytes) -> bytes:
    header = struct.pack(">hhih", _ALTER_PARTITION_REASSIGNMENTS, 0, 1, -1) + _NO_TAGS
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(header + body)) + header + body)
        (size,) = struct.unpack(">i", _read(connection, 4))
        # The answer's header: which request it is for, and no tags.
        return _read(connection, size)[5:]


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, "the broker hung up"
        data += more
    return data


def _compact(items: Sequence[bytes]) -> bytes:
    """An array, short enough for its length plus one to be one byte."""
    return bytes([len(items) + 1]) + b"".join(items)


def _text(value: str) -> bytes:
    return bytes([len(value) + 1]) + value.encode()
