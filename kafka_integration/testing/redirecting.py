"""``settings.KAFKA`` with other endpoints, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

from django.conf import settings as django_settings
from django.test import override_settings

from ..client.transports.memory import memory_broker
from ..conf import examined
from ..conf.connection import Transport

Endpoints = Literal["embedded", "memory"]

# The embedded and the memory broker know no credentials, and an address may come from only one place.
ADDRESS_KEYS = frozenset({"endpoints", "heroku_kafka_env"})


@contextmanager
def producing_in_memory() -> Iterator[None]:
    """Everything that is produced stays in this process; consumers stay where their own ``endpoints`` are."""
    if producer_transport() == "memory":
        yield
        return
    # Heroku's variables are missing where tests run.
    kafka = {key: value for key, value in _kafka().items() if key != "heroku_kafka_env"}
    kafka["producer"] = _redirected(kafka.get("producer"), "memory")
    try:
        with override_settings(KAFKA={"endpoints": "memory", **kafka}):
            yield
    finally:
        memory_broker().reset()


def producer_transport() -> Transport:
    found = examined().settings
    return found.producer.connection.transport if found else "kafka"


def redirected(endpoints: Endpoints) -> AbstractContextManager[Any]:
    """The producer and every consumer, those of apps included, go to ``endpoints``."""
    kafka: dict[str, Any] = {**_without_address(_kafka()), "endpoints": endpoints}
    kafka["producer"] = _redirected(kafka.get("producer"), endpoints)
    if "consumer" in kafka:
        kafka["consumer"] = _redirected(kafka["consumer"], endpoints)
    given = kafka.get("consumers", {})
    # As far as they can be read: that endpoints are missing here is no reason to refuse others.
    found = examined().settings
    names = (found.consumers.keys() if found else set()) - ({"default"} if "consumer" in kafka else set())
    kafka["consumers"] = {name: _redirected(given.get(name), endpoints) for name in names}
    return override_settings(KAFKA=kafka)


def _kafka() -> Mapping[str, Any]:
    return django_settings.KAFKA  # type: ignore[no-any-return, unused-ignore]  # each project's has its own type


def _redirected(section: Mapping[str, Any] | None, endpoints: Endpoints) -> dict[str, Any]:
    # Said again at each level, because a consumer of an app may bring an address of its own.
    return {**_without_address(section or {}), "heroku_kafka_env": False, "endpoints": endpoints}


def _without_address(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in ADDRESS_KEYS}
