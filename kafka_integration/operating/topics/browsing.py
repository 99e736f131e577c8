"""What a topic holds, looked at in bounds: so many messages, so many seconds, and what was not looked at is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ...client.bounded_reader import BoundedReader, Place, Span
from ...client.metadata.admin import Admin
from ...client.metadata.partition_ends import Ends, PartitionEnds
from ...client.metadata.topic_layouts import TOPICS, TopicLayouts
from ...client.transports.choosing import transport_of
from ...conf.connection import Connection
from ...errors import BrokerError
from ...headers import Headers
from ...message import RawMessage, headers_of, moment_of

READER = "kafkamessages"
MOST_OFFSETS = 20_000
SECONDS = 5.0
LIMIT = 50

Start = Literal["earliest", "latest"] | int | datetime


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which messages somebody wants to see: of one partition or of all, from a place or time on, or the last ones.

    ``key`` is the whole key of a message, ``text`` is anywhere in its key, value or headers.
    """

    topic: str
    partition: int | None = None
    start: Start = "latest"
    key: bytes | None = None
    text: bytes | None = None
    limit: int = LIMIT

    @property
    def is_search(self) -> bool:
        return self.key is not None or self.text is not None

    @property
    def wants_newest(self) -> bool:
        return self.start == "latest"


@dataclass(frozen=True, kw_only=True)
class SeenMessage:
    """One message as it is in the topic. Its repr has no payload."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)

    @property
    def at(self) -> datetime | None:
        """Its time; None where it has none."""
        return moment_of(self.timestamp_ms) if self.timestamp_ms > 0 else None


@dataclass(frozen=True, kw_only=True)
class PartitionLook:
    """Of one partition: what there is, and what of that was looked at. An ``end`` is the offset after the last one."""

    number: int
    first: int
    end: int
    looked_from: int
    looked_to: int

    @property
    def is_whole(self) -> bool:
        return self.looked_from <= self.first and self.looked_to >= self.end


@dataclass(frozen=True, kw_only=True)
class Look:
    """The messages found, in the order of their times, and where they were looked for.

    ``unknown`` are partitions of which it can't be told now where they end, or where to begin. ``is_cut`` where more
    were found than were asked for.
    """

    messages: tuple[SeenMessage, ...]
    partitions: tuple[PartitionLook, ...]
    unknown: tuple[int, ...] = ()
    is_cut: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the topic, or of the partition that was asked for, was left out."""
        return not self.unknown and not self.is_cut and all(each.is_whole for each in self.partitions)


def look(connection: Connection, query: Query) -> Look:
    """Look for messages; ``BrokerError`` where there is no such topic or partition, or it can't be read."""
    with Admin(connection, asks_for=TOPICS) as admin:
        numbers, asker = _partitions(admin, query), PartitionEnds(admin)
        ends = {number: found for (_, number), found in asker.ask([(query.topic, each) for each in numbers]).items()}
        starts = _starts(connection, asker, query, ends)
    since_ms = _since_ms(connection, query)
    share = max(query.limit, MOST_OFFSETS // max(1, len(ends))) if query.is_search or since_ms else query.limit
    spans = {number: _span(query, ends[number], start, share) for number, start in starts.items()}
    with BoundedReader(connection, name=READER, place=f"topic {query.topic}") as reader:
        found, is_cut = _found(reader, {(query.topic, number): span for number, span in spans.items()}, query, since_ms)
        left = {number: span for (_, number), span in reader.left.items()}
    return Look(
        messages=tuple(found),
        partitions=tuple(_looked(number, ends[number], spans[number], left.get(number)) for number in sorted(spans)),
        unknown=tuple(number for number in numbers if number not in spans),
        is_cut=is_cut,
    )


def _partitions(admin: Admin, query: Query) -> list[int]:
    topic = TopicLayouts(admin).ask().topics.get(query.topic)
    if topic is None:
        raise BrokerError(f"topic {query.topic}: there is no such topic, or an ACL hides it")
    if topic.trouble:
        raise BrokerError(topic.trouble)
    numbers = [partition.number for partition in topic.partitions]
    if query.partition is None:
        return numbers
    if query.partition not in numbers:
        raise BrokerError(f"topic {query.topic}: there is no partition {query.partition}, only 0 to {len(numbers) - 1}")
    return [query.partition]


def _starts(connection: Connection, asker: PartitionEnds, query: Query, ends: Mapping[int, Ends]) -> dict[int, int]:
    if isinstance(query.start, datetime) and transport_of(connection).finds_offsets_by_time:
        found = asker.at({(query.topic, number): each for number, each in ends.items()}, _milliseconds(query.start))
        return {number: offset for (_, number), offset in found.items()}
    if isinstance(query.start, int):
        return dict.fromkeys(ends, query.start)
    return {number: first for number, (first, _) in ends.items()}


def _since_ms(connection: Connection, query: Query) -> int:
    """Messages before this are left out, where the broker doesn't find a time by itself."""
    by_itself = transport_of(connection).finds_offsets_by_time
    return _milliseconds(query.start) if isinstance(query.start, datetime) and not by_itself else 0


def _milliseconds(moment: datetime) -> int:
    return max(0, int(moment.timestamp() * 1000))


def _span(query: Query, ends: Ends, start: int, size: int) -> Span:
    """What is looked at of one partition: the last ``size`` offsets, or as many from the start on."""
    first, end = ends
    if query.wants_newest:
        return max(first, end - size), end
    begin = min(max(first, start), end)
    return begin, min(end, begin + size)


def _found(
    reader: BoundedReader, spans: Mapping[Place, Span], query: Query, since_ms: int
) -> tuple[list[SeenMessage], bool]:
    """The newest, or the oldest from the start on, as many as are wanted, in the order of their times."""
    found: list[SeenMessage] = []
    is_cut = False
    for seen in _matching(reader, spans, query, since_ms):
        found.append(seen)
        # Not all of them at once: they may be large.
        if len(found) >= 2 * query.limit:
            found, is_cut = _best(found, query), True
    return _best(found, query), is_cut or len(found) > query.limit


def _matching(reader: BoundedReader, spans: Mapping[Place, Span], query: Query, since_ms: int) -> Iterator[SeenMessage]:
    with closing(reader.read(spans, seconds=SECONDS)) as batches:
        for batch in batches:
            for seen in map(_seen, batch):
                if seen.timestamp_ms >= since_ms and _matches(seen, query):
                    yield seen


def _seen(message: RawMessage) -> SeenMessage:
    headers, _ = headers_of(message)
    return SeenMessage(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=headers,
    )


def _matches(seen: SeenMessage, query: Query) -> bool:
    if query.key is not None and seen.key != query.key:
        return False
    return query.text is None or any(query.text in part for part in _parts(seen))


def _parts(seen: SeenMessage) -> Iterator[bytes]:
    yield seen.value or b""
    yield seen.key or b""
    for name, value in seen.headers:
        yield name.encode()
        yield value or b""


def _best(found: list[SeenMessage], query: Query) -> list[SeenMessage]:
    found.sort(key=lambda seen: (seen.timestamp_ms, seen.partition, seen.offset))
    return found[-query.limit :] if query.wants_newest else found[: query.limit]


def _looked(number: int, ends: Ends, span: Span, left: Span | None) -> PartitionLook:
    looked_to = span[1] if left is None else left[0]
    return PartitionLook(number=number, first=ends[0], end=ends[1], looked_from=span[0], looked_to=looked_to)
