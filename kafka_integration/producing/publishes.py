"""``@publishes``: a model whose saved and deleted rows become events, in the transaction that saves or deletes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from functools import wraps
from itertools import islice
from typing import Any, TypeVar

from django.db import router, transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import class_prepared, post_delete, post_save, pre_delete

from ..errors import InvalidMessageError
from ..models import OutboxMessage
from .fresh_rows import is_complete, load_missing, source_of
from .publications import ATTRIBUTE, EVENTS, Publication, declare, hand_on, is_abstract, publications_of
from .publish import build_message, write

M = TypeVar("M", bound=Model)

ROWS_AT_ONCE = 500
_MARK = "_kafka_is_atomic"


def publishes(
    topic: str, *, fields: Iterable[str], on: Iterable[str] = EVENTS, key: str | None = "pk"
) -> Callable[[type[M]], type[M]]:
    """Decorates a model: each of its rows that is saved or deleted is published with the same transaction.

    ``fields`` names what the event carries ("__all__" is every column); a foreign key is its id, and a deletion
    carries the same fields. ``on`` chooses among "created", "updated" and "deleted"; ``key`` is the field whose
    value keeps events in order. Proxies and multi-table children publish as their model does. Fixtures
    (``raw=True``) don't, and what sends no signals (``bulk_create``, ``update``) needs ``publish_instances``.
    Raises ConfigurationError, when the class is made, for a topic, fields or events that can't be.
    """

    def decorate(model: type[M]) -> type[M]:
        declare(model, topic, fields=fields, on=on, key=key)
        _save_atomically(model)
        if not is_abstract(model):
            _listen(model)
        return model

    return decorate


def publish_instances(instances: Iterable[Model], event: str = "updated", *, using: str | None = None) -> int:
    """Publish rows of models with ``@publishes``, whatever their ``on`` says; returns the number of messages.

    For what sends no signals: ``bulk_create``, ``QuerySet.update``, cascades of the database. Call it in the same
    ``atomic`` block as those. ``using`` names the database; by default it is that of each instance. Raises
    InvalidMessageError for an instance without ``@publishes`` or primary key: then none is published.
    """
    if event not in EVENTS:
        raise InvalidMessageError(f"The event is {event!r:.80}: give one of {EVENTS}.")
    rows = iter(instances.iterator(ROWS_AT_ONCE) if isinstance(instances, QuerySet) else instances)
    count = 0
    with ExitStack() as transactions:
        entered: set[str] = set()
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            for alias, messages in _messages_by_alias(chunk, event, using).items():
                if alias not in entered:
                    entered.add(alias)
                    transactions.enter_context(transaction.atomic(using=alias, savepoint=False))
                write(messages, alias)
                count += len(messages)
    return count


# --- Signals


def _listen(model: type[Model]) -> None:
    # For this class alone: a receiver for all models would cost every model its fast deletion.
    post_save.connect(_on_save, sender=model, dispatch_uid="kafka_integration.publishes")
    pre_delete.connect(_before_delete, sender=model, dispatch_uid="kafka_integration.publishes")
    post_delete.connect(_on_delete, sender=model, dispatch_uid="kafka_integration.publishes")


def _on_class_prepared(sender: type[Model], **kwargs: Any) -> None:
    """Proxies and children of a published model: signals name the class itself, never its parents."""
    for base in sender.__mro__[1:]:
        if ATTRIBUTE in vars(base) and is_abstract(base) and not _has_concrete_parent(sender, base):
            hand_on(base, sender)
    if publications_of(sender):
        _save_atomically(sender)
        _listen(sender)


def _has_concrete_parent(model: type[Model], base: type[Model]) -> bool:
    """Whether a parent of the model has got what the base declares: its rows are published as the parent's."""
    parents = [cls for cls in model.__mro__[1:] if issubclass(cls, base) and cls is not base]
    return any(not is_abstract(parent) for parent in parents)


def _on_save(
    sender: type[Model],
    instance: Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None = None,
    **kwargs: Any,
) -> None:
    if raw:
        return
    event = "created" if created else "updated"
    for publication in publications_of(sender):
        if event in publication.on:
            source = source_of(publication, instance, using, written=update_fields, created=created)
            _write(publication, source, event, using)


def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    for publication in _published_with(sender):
        load_missing(publication, instance, using)


def _on_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    for publication in _published_with(sender):
        if is_complete(publication, instance):
            _write(publication, instance, "deleted", using)


def _published_with(sender: type[Model]) -> list[Publication]:
    """What a deletion from the sender's own table publishes: a parent's rows are deleted, and told of, apart."""
    table = sender._meta.concrete_model
    return [p for p in publications_of(sender) if "deleted" in p.on and p.model._meta.concrete_model is table]


class_prepared.connect(_on_class_prepared, dispatch_uid="kafka_integration.publishes")


# --- Rows


def _save_atomically(model: type[Model]) -> None:
    """Make save and event one transaction: ``save()`` alone commits before ``post_save`` is sent."""
    original = model.save_base
    if getattr(original, _MARK, False):
        return

    @wraps(original)
    def save_base(
        self: Model,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with nullcontext() if raw else transaction.atomic(using=using, savepoint=False):
            original(self, raw, force_insert, force_update, using, update_fields)

    setattr(save_base, _MARK, True)
    model.save_base = save_base  # type: ignore[method-assign]  # this is the decorator's work


def _write(publication: Publication, source: Model, event: str, using: str) -> None:
    write([_message(publication, source, event)], using)


def _message(publication: Publication, source: Model, event: str) -> OutboxMessage:
    return build_message(
        publication.topic,
        publication.value_of(source),
        key=publication.key_of(source),
        event_type=publication.event_type(event),
    )


def _messages_by_alias(instances: list[Model], event: str, using: str | None) -> dict[str, list[OutboxMessage]]:
    messages: dict[str, list[OutboxMessage]] = {}
    for instance in instances:
        publications = publications_of(type(instance))
        if not publications:
            raise InvalidMessageError(f"{type(instance).__name__} has no @publishes: use publish().")
        if instance.pk is None:
            raise InvalidMessageError(f"A {type(instance).__name__} without a primary key can't be published: save it.")
        alias = using or router.db_for_write(type(instance), instance=instance)
        for publication in publications:
            source = source_of(publication, instance, alias)
            messages.setdefault(alias, []).append(_message(publication, source, event))
    return messages
