"""Where topics hold an event: looked for in their newest records, as many as there is time for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from django.utils.translation import gettext

from ...client.bounded_reader import BoundedReader, Place, Span
from ...client.metadata.group_offsets import GroupOffsets
from ...client.producers.usual_partition import usual_partition
from ...client.transports.choosing import transport_of
from ...conf.connection import Connection
from ...conf.settings import Settings
from ...errors import BrokerError, KafkaIntegrationError
from ...headers import Headers
from ...message import headers_of, moment_of
from ...producing.partitioners import load_partitioner

MOST_RECORDS = 200_000
"""Of all partitions together, unless there are very many of them."""
FEWEST_RECORDS = 1_000
MOST_FOUND = 10_000
READER = "kafkaevents"
COPIED = "kafka_integration_origin_topic"
"""The header of a dead letter's copy, which has those of the event as well."""

Cluster = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A record of an event; one that is none has no ``event_id``."""

    cluster: Cluster
    place: Place
    offset: int
    leader_epoch: int
    key: bytes | None
    event_id: str | None
    at: datetime | None


@dataclass(kw_only=True)
class Seen:
    """What was found, in words what was not looked at, and where that was."""

    found: list[Sighting] = field(default_factory=list)
    spans: dict[Place, Span] = field(default_factory=dict)
    """What was looked at; of topics of one name in several clusters, in one of them."""
    unseen: list[str] = field(default_factory=list)
    gaps: set[Cluster] = field(default_factory=set)

    def note_gap(self, cluster: Cluster, words: str) -> None:
        """Something of this cluster was not looked at."""
        self.gaps.add(cluster)
        self.unseen.append(words)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is looked for: the records of an event, or of a key, which are most likely in one partition."""

    topics: Iterable[str]
    event_id: str | None = None
    key: bytes | None = None
    since: datetime | None = None
    seconds: float
    exactly: Mapping[Place, Span] | None = None
    """These offsets alone."""

    def sighting(self, message: Any, cluster: Cluster) -> Sighting | None:
        """What a record is, if it is one of these."""
        if self.event_id is None and message.key() != self.key:
            return None
        headers, message = headers_of(message)
        name = _event_id(headers)
        if self.event_id is not None and name != self.event_id:
            return None
        return None if any(name == COPIED for name, _ in headers) else _sighting(message, cluster, name)


def look(settings: Settings, wanted: Look) -> Seen:
    """The records of the topics that are wanted, in each cluster that the settings name."""
    seen = Seen()
    deadline = monotonic() + wanted.seconds
    for connection in clusters(settings).values():
        try:
            _look_in(connection, settings, wanted, seen, deadline)
        except BrokerError as error:
            where = ", ".join(connection.servers) or connection.transport
            text = gettext("Kafka at %(where)s: %(error)s") % {"where": where, "error": error}
            seen.note_gap(cluster_of(connection), text)
    return seen


def clusters(settings: Settings) -> dict[Cluster, Connection]:
    """The clusters that are written and read, each once, by one of the connections to it."""
    connections = [settings.producer.connection, *(consumer.connection for consumer in settings.consumers.values())]
    known = [each for each in connections if each.servers or each.transport != "kafka"]
    return {cluster_of(each): each for each in reversed(known)}


def cluster_of(connection: Connection) -> Cluster:
    """What two connections to one cluster share."""
    return connection.transport, *sorted(connection.servers)


def _look_in(connection: Connection, settings: Settings, wanted: Look, seen: Seen, deadline: float) -> None:
    cluster = cluster_of(connection)
    with GroupOffsets(connection, READER) as offsets:
        if wanted.exactly is None:
            spans = _spans(offsets, connection, settings, wanted, seen)
        else:
            spans = _still_there(offsets, wanted.exactly)

    unseen = _read(connection, wanted, spans, seen, seconds=max(0.1, deadline - monotonic()))
    # What there was no time for is at the end of each.
    seen.spans |= {place: (first, unseen.get(place, (end,))[0]) for place, (first, end) in spans.items()}
    for topic in sorted({topic for topic, _ in unseen}):
        left = [end - first for (name, _), (first, end) in unseen.items() if name == topic]
        text = gettext("the newest %(offsets)d offsets in %(count)d partition(s) of %(topic)s, for lack of time")
        seen.note_gap(cluster, text % {"offsets": sum(left), "count": len(left), "topic": topic})


def _read(
    connection: Connection, wanted: Look, spans: Mapping[Place, Span], seen: Seen, *, seconds: float
) -> Mapping[Place, Span]:
    """Note what is wanted of these spans; what of them there was no time for."""
    cluster, most = cluster_of(connection), len(seen.found) + MOST_FOUND
    with (
        BoundedReader(connection, name=READER, place=READER) as reader,
        closing(reader.read(spans, seconds=seconds)) as batches,
    ):
        for batch in batches:
            sightings = (wanted.sighting(message, cluster) for message in batch)
            seen.found += [sighting for sighting in sightings if sighting is not None]
            if len(seen.found) >= most:
                break
        return reader.left


def _still_there(offsets: GroupOffsets, wanted: Mapping[Place, Span]) -> dict[Place, Span]:
    """Without what retention took, and what a shorter log has no more: a reader would wait for them."""
    ends = offsets.ends(wanted)
    cut = {
        place: (max(first, ends[place][0]), min(end, ends[place][1]))
        for place, (first, end) in wanted.items()
        if place in ends
    }
    return {place: (first, end) for place, (first, end) in cut.items() if first < end}


def _spans(
    offsets: GroupOffsets, connection: Connection, settings: Settings, wanted: Look, seen: Seen
) -> dict[Place, Span]:
    places = offsets.places(list(wanted.topics), whole_names=False)
    ends = offsets.ends(places)
    since = wanted.since if transport_of(connection).finds_offsets_by_time else None
    starts = {place: first for place, (first, _) in ends.items()}
    if since is not None:
        starts = offsets.at(ends, int(since.timestamp() * 1000))
    window = max(FEWEST_RECORDS, MOST_RECORDS // max(1, len(ends)))
    spans: dict[Place, Span] = {}
    cut: dict[str, int] = {}
    for place, begin in starts.items():
        _, end = ends[place]
        most = MOST_RECORDS if _is_likely(place, places, settings, wanted.key) else window
        spans[place] = max(begin, end - most), end
        cut[place[0]] = cut.get(place[0], 0) + (begin < end - most)
    for topic in [topic for topic, count in cut.items() if count]:
        text = gettext(
            "what is older in %(count)d partition(s) of %(topic)s than the newest %(window)d offsets of each"
        )
        values = {"count": cut[topic], "topic": topic, "window": window}
        seen.note_gap(cluster_of(connection), text % values)
    for topic, partition in [place for place in places if place not in starts]:
        text = gettext("%(place)s, whose end can't be known now")
        seen.note_gap(cluster_of(connection), text % {"place": f"{topic}[{partition}]"})
    return spans


def _is_likely(place: Place, places: Iterable[Place], settings: Settings, key: bytes | None) -> bool:
    """Whether the project's producer puts the key there."""
    if key is None:
        return False
    strategy = settings.producer.partition_strategy
    if strategy == "random":
        return False
    topic, partition = place
    count = sum(name == topic for name, _ in places)
    try:
        choose = load_partitioner(strategy)
        return partition == (choose(topic, count, key, None) if choose else usual_partition(key, count))
    except KafkaIntegrationError:
        # One of the project's own may need the value.
        return False


def _event_id(headers: Headers) -> str | None:
    value = next((value for name, value in reversed(headers) if name == "ce_id"), None)
    return value.decode(errors="backslashreplace") if value else None


def _sighting(message: Any, cluster: Cluster, event_id: str | None) -> Sighting:
    kind, milliseconds = message.timestamp()
    return Sighting(
        cluster=cluster,
        place=(message.topic(), message.partition()),
        offset=message.offset(),
        leader_epoch=getattr(message, "leader_epoch", lambda: None)() or 0,
        key=message.key(),
        event_id=event_id,
        at=moment_of(milliseconds) if kind and milliseconds >= 0 else None,
    )
