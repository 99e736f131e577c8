"""A consumer that belongs to no group, for who reads what somebody wants to see now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from ..conf.connection import Connection
from .opening import Properties, open_client
from .properties.build import admin_properties
from .transports.choosing import transport_of

KNOWN_SECONDS = 1.0
POLL_SECONDS = 0.1
PAGE = 500


def open_reader(connection: Connection, *, name: str, place: str, properties: Mapping[str, Any]) -> Any:
    """A consumer that gets what any consumer gets, and notes where partitions end; ``BrokerError`` where there is none.

    It knows all topics, if its brokers say in time which there are. One that is given partitions while it connects
    misses now and then who leads them, and looks again a second later.
    """
    ours = {
        # librdkafka asks for a group, and nothing joins it.
        "group.id": name,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        # What retention takes in the meantime wasn't there to be read.
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "fetch.queue.backoff.ms": 10,
        **properties,
    }
    make = transport_of(connection).consumer
    wanted = Properties({**admin_properties(connection), **ours})
    consumer = open_client(make, wanted, place=place, options={"log_level": 0})
    # Who reads says what is wrong, if something is.
    with suppress(KafkaException):
        consumer.list_topics(timeout=KNOWN_SECONDS)
    return consumer


def pages_of(
    reader: Any, starts: Mapping[tuple[str, int], int], *, until: Callable[[], bool], deadline: float
) -> Iterator[list[Any]]:
    """What comes from these offsets on, errors too, ``until`` nothing more is wanted, or ``monotonic()`` says so."""
    reader.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
    while not until() and monotonic() < deadline:
        # One first, then what is there: a batch call alone would hold a lone message back.
        if (first := reader.poll(POLL_SECONDS)) is not None:
            yield [first, *reader.consume(PAGE, 0)]


def leave(reader: Any, places: Collection[tuple[str, int]]) -> None:
    """Read no more of these; all in one call, as each takes as long for one as for many."""
    # What still comes of them is not wanted: that costs a moment.
    with suppress(KafkaException):
        reader.pause([TopicPartition(*place) for place in places])
