"""Settings to begin with, for tests of single keys."""

from __future__ import annotations

from typing import Any

from kafka_integration.conf import find_problems, get_settings
from kafka_integration.conf.consumers import ConsumerSettings
from kafka_integration.conf.producers import ProducerSettings

CONSUMER = {"topics": ["orders"], "consumer_group": "shop", "message_handler": "tests.unit.handlers_for_checks.one"}


def with_consumer(**keys: Any) -> dict[str, Any]:
    """KAFKA with one right consumer, "audit", and these keys."""
    return {"endpoints": ["localhost:9092"], "consumers": {"audit": {**CONSUMER, **keys}}}


def with_producer(**keys: Any) -> dict[str, Any]:
    """KAFKA with a producer of these keys."""
    return {"endpoints": ["localhost:9092"], "producer": keys}


def read_consumer(settings: Any, **keys: Any) -> ConsumerSettings:
    settings.KAFKA = with_consumer(**keys)
    return get_settings().consumers["audit"]


def read_producer(settings: Any, **keys: Any) -> ProducerSettings:
    settings.KAFKA = with_producer(**keys)
    return get_settings().producer


def problems_of(settings: Any, kafka: Any) -> list[str]:
    settings.KAFKA = kafka
    return [str(problem) for problem in find_problems()]
