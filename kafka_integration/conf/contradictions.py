"""Settings that are right each by itself and wrong together, and raw properties that would break a promise."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings as django_settings

from .problems import Kind, Problems
from .section import Section
from .values import ConsumerSettings, Settings


def find_contradictions(
    settings: Settings, producer: Section | None, sections: Mapping[str, Section], problems: Problems
) -> None:
    """Add the problems that only show when several keys are looked at together."""
    for name, consumer in settings.consumers.items():
        _look_at_consumer(consumer, sections[name])


def _look_at_consumer(consumer: ConsumerSettings, section: Section) -> None:
    if consumer.database not in django_settings.DATABASES:
        known = ", ".join(f'"{alias}"' for alias in django_settings.DATABASES)
        section.add("database", Kind.DATABASE, f'is "{consumer.database}": settings.DATABASES has {known}')
