"""Where the values of an event come from: the instance at hand, or its row, if the instance can't be trusted.

An instance may hold what the database doesn't: an expression like ``F("clicks") + 1``, a value that
``update_fields`` left out, a generated column from before. An event says what was written.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Field, Model

from .publications import Publication


def source_of(
    publication: Publication,
    instance: Model,
    using: str,
    *,
    written: Iterable[str] | None = None,
    created: bool = False,
) -> Model:
    """An instance whose declared fields are those of the row. ``written`` are the ``update_fields`` of a save."""
    columns = publication.columns.values()
    stale = [f for f in columns if _is_missing(f, instance) or (f.generated and not created)]
    if written is not None:
        names = set(written)
        stale += [f for f in columns if not f.primary_key and not names & {f.name, f.attname}]
    if not stale:
        return instance
    return _read(publication, instance, using) or instance


def load_missing(publication: Publication, instance: Model, using: str) -> None:
    """Before a deletion: afterwards there is no row to read deferred fields from."""
    missing = [f.attname for f in publication.columns.values() if _is_missing(f, instance)]
    if missing:
        # It may be gone already: then whoever deleted it has told of it.
        with suppress(ObjectDoesNotExist):
            instance.refresh_from_db(using=using, fields=missing)


def is_complete(publication: Publication, instance: Model) -> bool:
    """Whether the declared fields can be read without asking the database."""
    return not any(_is_missing(field, instance) for field in publication.columns.values())


def _is_missing(field: Field[Any, Any], instance: Model) -> bool:
    value = instance.__dict__.get(field.attname, _DEFERRED)
    if value is _DEFERRED:
        # Not every field keeps its value there.
        return field.attname in instance.get_deferred_fields()
    return hasattr(value, "resolve_expression")


def _read(publication: Publication, instance: Model, using: str) -> Model | None:
    pk = publication.model._meta.pk
    names = {field.attname for field in publication.columns.values()}
    rows = publication.model._base_manager.using(using).only(*names)
    return rows.filter(pk=pk.value_from_object(instance)).first()


_DEFERRED = object()
