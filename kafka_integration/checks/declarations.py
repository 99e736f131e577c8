"""Whether what models publish can get into an outbox, and out of it."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import router
from django.db.models import Model

from ..conf import Examined, Kind, Problem
from ..errors import InvalidMessageError
from ..models import OutboxMessage, RelayLease
from ..outbox.declarations import Declaration, declarations_of
from ..producing.arguments import check_topic


def find_declaration_problems(found: Examined) -> Iterator[Problem]:
    """Return which published models go to a topic that the settings refuse, or to a database without an outbox."""
    assert found.settings is not None
    for model in apps.get_models():
        for declaration in declarations_of(model):
            if declaration.model is model:
                try:
                    check_topic(declaration.topic, found.settings.producer)
                except InvalidMessageError as error:
                    yield _problem(declaration, str(error))
        if declarations_of(model):
            yield from _database_problems(model)


def _database_problems(model: type[Model]) -> Iterator[Problem]:
    alias = router.db_for_write(model)
    if not all(router.allow_migrate_model(alias, table) for table in (OutboxMessage, RelayLease)):
        yield _problem(
            declarations_of(model)[0],
            f'its rows are in database "{alias}", where a database router keeps out the outbox, which has to be in '
            "the same one: let allow_migrate() return True for kafka_integration there.",
        )


def _problem(declaration: Declaration, text: str) -> Problem:
    return Problem(kind=Kind.PUBLICATION, text=f"@publishes on {declaration.model._meta.label}: {text}")
