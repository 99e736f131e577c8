"""What differs between a cluster and what stands in for one, for their clients."""

from __future__ import annotations

from typing import get_args

import confluent_kafka
import pytest

from kafka_integration.client.transports import embedded
from kafka_integration.client.transports.choosing import transport_named, transport_of
from kafka_integration.conf.connection import Connection, Transport

CLUSTER, EMBEDDED = Connection(servers=("one:9092", "two:9092")), Connection(transport="embedded")


def test_each_transport_of_the_settings_is_there() -> None:
    names = get_args(Transport)

    assert len({type(transport_named(name)) for name in names}) == len(names) == 3


def test_a_class_that_a_tracer_puts_in_the_clients_place_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Consumer", "Producer"):
        monkeypatch.setattr(confluent_kafka, name, dict)

    cluster = transport_of(CLUSTER)

    assert cluster.consumer({"group.id": "g"}) == {"group.id": "g"}
    assert cluster.producer({"linger.ms": 5}) == {"linger.ms": 5}


def test_only_the_embedded_broker_moves_and_only_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(embedded.SERVERS_VARIABLE, "127.0.0.1:2")

    assert transport_of(EMBEDDED).has_moved(EMBEDDED, "127.0.0.1:1")
    assert not transport_of(EMBEDDED).has_moved(EMBEDDED, "127.0.0.1:2")
    assert not transport_of(CLUSTER).has_moved(CLUSTER, "one:9092,two:9092")

    monkeypatch.delenv(embedded.SERVERS_VARIABLE)
    monkeypatch.setattr(embedded, "_read_announcement", lambda path: None)
    assert not transport_of(EMBEDDED).has_moved(EMBEDDED, "127.0.0.1:1")
