"""Contenders of the benchmark do the same work: each reads the value of every message."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Message as RawMessage

from benchmarks import contenders, handlers
from kafka_integration.message import Decoding, Message
from kafka_integration.messages import RawMessages, for_handler, objects_of

AS_BYTES = Decoding(key=bytes, value=bytes)


class Unread(RawMessage):
    """A message that counts how often its value was read."""

    reads = 0

    def value(self, *args: object) -> bytes:  # type: ignore[override]  # as the contenders call it
        type(self).reads += 1
        return b"value"


@pytest.fixture
def unread() -> list[RawMessage]:
    Unread.reads = 0
    return [Unread(topic="t", partition=0, offset=offset) for offset in range(3)]


def ours(raws: list[RawMessage]) -> list[Message]:
    return objects_of(raws, AS_BYTES)


@pytest.mark.parametrize(
    "handle",
    [
        lambda raws: [handlers.each(message) for message in ours(raws)],
        lambda raws: [handlers.each_decoded(message) for message in ours(raws)],
        lambda raws: handlers.Batch().handle_messages(ours(raws)),
        lambda raws: handlers.Columns().handle_messages(for_handler(RawMessages(raws, AS_BYTES))),
        lambda raws: [contenders._read(raw) for raw in raws],
    ],
    ids=["message", "message-json", "batch", "columns", "raw"],
)
def test_every_contender_reads_each_value(
    handle: Callable[[list[RawMessage]], object], unread: list[RawMessage]
) -> None:
    handle(unread)

    assert Unread.reads == len(unread)
