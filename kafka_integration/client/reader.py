"""A consumer that belongs to no group, for who reads what somebody wants to see now."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaException

from ..conf.connection import Connection
from .opening import Properties, open_client
from .properties.build import admin_properties
from .transports.choosing import transport_of

KNOWN_SECONDS = 1.0


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
