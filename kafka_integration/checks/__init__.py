"""System checks: everything that is wrong with ``settings.KAFKA``, all at once, under fixed ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register

from ..conf import Examined, Kind, Problem, examined
from ..conf.problems import sentence
from ..conf.security import find_weak_spots
from .certificates import find_certificate_problems
from .declarations import find_declaration_problems
from .imports import find_import_problems
from .tables import find_table_problems

TAG = "kafka_integration"
CLUSTER_TAG = "kafka_cluster"


@register(TAG)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report the settings, what they import, the properties they hand to librdkafka, and the tables they need."""
    found = examined()
    problems = [*found.problems, *found.warnings, *_find_property_problems(found)]
    if found.settings is not None:
        problems += [
            *find_import_problems(found),
            *find_table_problems(found),
            *find_declaration_problems(found),
        ]
    return [_message(problem) for problem in problems]


@register(TAG, deploy=True)
def check_connections(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report certificates that can't be read, and connections that anyone could listen to."""
    settings = examined().settings
    if settings is None:
        return []
    used = [settings.producer.connection, *(consumer.connection for consumer in settings.consumers.values())]
    found: list[Problem] = []
    for connection in dict.fromkeys(used):
        found += [Problem(kind=Kind.CERTIFICATE, text=text) for text in find_certificate_problems(connection)]
        found += find_weak_spots(connection)
    return [_message(problem) for problem in dict.fromkeys(found)]


@register(CLUSTER_TAG, deploy=True)
def check_clusters(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report what of the clusters doesn't suit the settings; asks them, so ``check --deploy`` alone does it."""
    found = examined()
    if found.problems or found.settings is None:
        return []
    # Not imported above: no other check connects anywhere.
    from .clusters import find_cluster_problems

    return [_message(problem) for problem in find_cluster_problems(found.settings)]


def _find_property_problems(found: Examined) -> list[Problem]:
    # Not imported above: a project can be checked for everything else where the client doesn't load.
    from ..client.properties.problems import consumer_problem, producer_problem, property_problem

    problems = [
        Problem(kind=Kind.PROPERTY, text=f"{raw.path} {sentence(text)}")
        for raw in found.raw_properties
        if (text := property_problem(raw.name, raw.value, raw.client))
    ]
    if problems or found.problems or found.settings is None:
        return problems
    together = {'KAFKA["producer"]': producer_problem(found.settings.producer)}
    for name, consumer in found.settings.consumers.items():
        together[found.consumers[name].path] = consumer_problem(consumer)
    return [
        Problem(kind=Kind.PROPERTY, text=f"{path} makes properties that librdkafka refuses together: {text}.")
        for path, text in together.items()
        if text
    ]


def _message(problem: Problem) -> CheckMessage:
    kind = Warning if problem.is_warning else Error
    return kind(problem.text, id=f"{TAG}.{problem.kind}")
