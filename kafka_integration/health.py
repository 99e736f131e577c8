"""Checks for django-health-check, of what a web server needs of Kafka: name them among the ``checks`` of its view."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error as DatabaseLayerError
from django.db import connections
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from .client.metadata.topic_sizes import TopicSizes
from .conf import get_settings
from .durations import spoken
from .errors import BrokerError
from .models import DeadLetter
from .outbox.backlog import find_backlog


@dataclasses.dataclass
class Brokers(HealthCheck):
    """Kafka answers the project's producer, by the settings that it has. Publishing needs that only in the end."""

    def run(self) -> None:
        try:
            with TopicSizes(get_settings().producer.connection) as sizes:
                sizes.read()
        except BrokerError as error:
            raise ServiceUnavailable(str(error)) from error


@dataclasses.dataclass
class Outbox(HealthCheck):
    """What is published leaves: a relay runs, and no row waits for longer than so many seconds."""

    database: str = "default"
    oldest_seconds: float = 60.0

    def run(self) -> None:
        with _database(self.database):
            backlog = find_backlog(self.database)
        waits_for = backlog.oldest_seconds or 0.0
        if backlog.is_unattended or waits_for > self.oldest_seconds:
            relay = f"relay {backlog.holder} has the lease" if backlog.holder else "no relay is running"
            raise ServiceUnavailable(f"Messages published wait for {spoken(waits_for)}, and {relay}")
        if backlog.refused:
            raise ServiceWarning(f"{backlog.refused} messages were refused and hold their keys: see the admin's outbox")


@dataclasses.dataclass
class DeadLetters(HealthCheck):
    """No more than so many dead letters of all consumers wait for somebody to decide."""

    database: str = "default"
    most: int = 0

    def run(self) -> None:
        with _database(self.database):
            # One more than asked for: how many a large table has needn't be counted for each request.
            waiting = DeadLetter.objects.using(self.database).filter(state=DeadLetter.State.PARKED)
            count = len(waiting.values_list("id")[: self.most + 1])
        if count > self.most:
            raise ServiceWarning(f"Dead letters that wait for a decision: more than {self.most}, see the admin")


@contextmanager
def _database(alias: str) -> Iterator[None]:
    """For a query or two, in whatever thread the view has for checks, of which Django closes no connection."""
    try:
        yield
    except DatabaseLayerError as error:
        raise ServiceUnavailable(f'Database "{alias}" fails ({type(error).__name__})') from error
    finally:
        if not connections[alias].in_atomic_block:
            connections[alias].close()
