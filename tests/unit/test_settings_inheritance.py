"""What a consumer and the producer inherit from the top, and what each says itself."""

from __future__ import annotations

from typing import Any

import pytest

from kafka_integration.conf import get_settings
from kafka_integration.conf.connection import Sasl, Tls
from tests.unit.kafka_settings import CONSUMER, problems_of

pytestmark = pytest.mark.usefixtures("project_alone")

SASL = {"mechanism": "plain", "login": "ann", "password": "s3cret"}


def test_a_consumer_and_the_producer_inherit_the_connection(settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": ["h1:9092"],
        "ssl": {"ca": "/etc/ca.pem"},
        "sasl": SASL,
        "config": {"client.rack": "eu-1"},
        "consumers": {"audit": CONSUMER},
        "producer": {},
    }

    kafka = get_settings()

    for connection in (kafka.connection, kafka.producer.connection, kafka.consumers["audit"].connection):
        assert connection.servers == ("h1:9092",)
        assert connection.tls == Tls(ca="/etc/ca.pem")
        assert connection.sasl == Sasl(mechanism="PLAIN", login="ann", password="s3cret")
        assert dict(connection.config) == {"client.rack": "eu-1"}


def test_endpoints_of_its_own_replace_the_inherited_ones(settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": ["h1:9092"],
        "consumers": {"audit": {**CONSUMER, "endpoints": ["h2:9092"]}, "other": CONSUMER},
    }

    kafka = get_settings()

    assert kafka.consumers["audit"].connection.servers == ("h2:9092",)
    assert kafka.consumers["other"].connection.servers == ("h1:9092",)
    assert kafka.producer.connection.servers == ("h1:9092",)


def test_the_tls_of_a_url_stays_with_the_url(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "kafka+ssl://h1:9096", "producer": {"endpoints": ["localhost:9092"]}}

    kafka = get_settings()

    assert kafka.connection.tls == Tls()
    assert kafka.producer.connection.tls is None


def test_false_and_none_turn_inherited_security_off(settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": ["h1:9092"],
        "ssl": True,
        "sasl": SASL,
        "producer": {"endpoints": ["localhost:9092"], "ssl": False, "sasl": None},
    }

    connection = get_settings().producer.connection

    assert connection.tls is None
    assert connection.sasl is None


def test_raw_properties_are_merged_and_the_nearer_level_wins(settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": ["h1:9092"],
        "config": {"client.rack": "eu-1", "socket.timeout.ms": 1000},
        "producer": {"config": {"client.rack": "eu-2"}},
    }

    kafka = get_settings()

    assert dict(kafka.producer.connection.config) == {"client.rack": "eu-2", "socket.timeout.ms": 1000}
    assert dict(kafka.connection.config) == {"client.rack": "eu-1", "socket.timeout.ms": 1000}


def test_endpoints_are_not_needed_at_the_top_where_everyone_has_their_own(settings: Any) -> None:
    settings.KAFKA = {"consumers": {"audit": {**CONSUMER, "endpoints": ["h2:9092"]}}}

    assert get_settings().consumers["audit"].connection.servers == ("h2:9092",)


def test_missing_endpoints_are_one_problem_that_names_who_needs_them(settings: Any) -> None:
    problems = problems_of(settings, {"consumers": {"audit": CONSUMER, "other": CONSUMER}, "producer": {}})

    assert problems == [
        'KAFKA["endpoints"] is missing: say where Kafka is, like ["localhost:9092"], "embedded" or "memory"; nothing '
        'else tells it to KAFKA["consumers"]["audit"], KAFKA["consumers"]["other"], KAFKA["producer"].'
    ]


def test_wrong_endpoints_are_not_reported_as_missing_too(settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": ["nowhere"], "consumers": {"audit": CONSUMER}})

    assert len(problems) == 1


def test_the_embedded_and_the_memory_broker_are_used_without_the_security_of_the_real_one(settings: Any) -> None:
    for transport in ("embedded", "memory"):
        settings.KAFKA = {
            "endpoints": transport,
            "ssl": {"ca": "/etc/ca.pem"},
            "sasl": SASL,
            "config": {"ssl.cipher.suites": "x", "sasl.username": "ann", "client.rack": "eu-1"},
        }

        connection = get_settings().connection

        assert connection.tls is None
        assert connection.sasl is None
        assert dict(connection.config) == {"client.rack": "eu-1"}
