"""What ``kafkatail`` shows: the messages of a topic as lines that a terminal can't be tricked with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from ..client.topic_reader import Start, TopicReader
from ..conf.connection import Connection
from ..message import RawMessage
from ..summaries import escaped


def tail(
    connection: Connection,
    topic: str,
    *,
    partition: int | None = None,
    start: Start,
    limit: int | None,
    when_absent: Callable[[], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[str | None]:
    """Lines like ``login[0]@12 key value`` as messages come, and None where nothing came for a moment.

    Ends after ``limit`` messages, or when it should. ``when_absent`` is called once if there is no such topic yet.
    """
    left = limit
    with TopicReader(connection, topic, start, partition) as reader, closing(reader.read(when_absent)) as batches:
        for batch in batches:
            if should_stop():
                return
            for message in batch[:left]:
                yield line(message)
            if left is not None and (left := left - len(batch)) <= 0:
                return
            yield None


def line(message: RawMessage) -> str:
    """One message in one line."""
    place = f"{message.topic()}[{message.partition()}]@{message.offset()}"
    return f"{place} {shown(message.key())} {shown(message.value())}"


def shown(data: bytes | None) -> str:
    """Bytes as text in which nothing is left that a terminal obeys."""
    if data is None:
        return "(null)"
    return escaped(data.decode(errors="backslashreplace")) or "(empty)"
