"""``@publishes``: a model whose saved and deleted rows become events, in the transaction that saves or deletes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from functools import wraps
from itertools import islice
from typing import Any, TypeVar

from django.db import router, transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import class_prepared, post_delete, post_save, pre_delete, pre_save

from ..errors import InvalidMessageError
from ..models import OutboxMessage
from .declarations import (
    ATTRIBUTE,
    EVENTS,
    Declaration,
    children_declaring,
    declarations_of,
    declare,
    hand_on,
    is_abstract,
)
from .fresh_rows import Row, holds_all, no_row, read_row, read_rows, row_is_there
from .publish import build_message, write

M = TypeVar("M", bound=Model)

ROWS_AT_ONCE = 500
_MARK = "_kafka_is_atomic"
# What an instance carries from a signal before the act to the one after it.
_PARENTS = "_kafka_parents"
_BEFORE = "_kafka_before_deletion"
_SAVE_BASE = ("raw", "force_insert", "force_update", "using", "update_fields")


def publishes(
    topic: str, *, fields: Iterable[str], on: Iterable[str] = EVENTS, key: str | None = "pk"
) -> Callable[[type[M]], type[M]]:
    """Decorates a model: each of its rows that is saved or deleted is published with the same transaction.

    ``fields`` names what the event carries (``"__all__"`` is every column); a foreign key is its id, and a deletion
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
    ``atomic`` block as those. Each message says what the database has; of a row that is deleted already, what the
    instance holds. ``using`` names the database; by default it is that of each instance. Raises
    InvalidMessageError for an instance without ``@publishes``, primary key or row: then none is published.
    """
    if event not in EVENTS:
        raise InvalidMessageError(f"The event is {event!r:.80}: give one of {EVENTS}.")
    rows = iter(instances.iterator(ROWS_AT_ONCE) if isinstance(instances, QuerySet) else instances)
    count = 0
    with ExitStack() as transactions:
        entered: set[str] = set()
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            for alias, of_alias in _by_alias(chunk, using).items():
                if alias not in entered:
                    entered.add(alias)
                    # With a savepoint: what is refused here leaves the caller's transaction as it was.
                    transactions.enter_context(transaction.atomic(using=alias))
                messages = _messages(of_alias, event, alias)
                write(messages, alias)
                count += len(messages)
    return count


# --- Signals


def _listen(model: type[Model]) -> None:
    # For this class alone: a receiver for all models would cost every model its fast deletion.
    if _table(model)._meta.parents:
        pre_save.connect(_before_save, sender=model, dispatch_uid="kafka_integration.publishes")
    post_save.connect(_on_save, sender=model, dispatch_uid="kafka_integration.publishes")
    pre_delete.connect(_before_delete, sender=model, dispatch_uid="kafka_integration.publishes")
    post_delete.connect(_on_delete, sender=model, dispatch_uid="kafka_integration.publishes")


def _on_class_prepared(sender: type[Model], **kwargs: Any) -> None:
    """Proxies and children of a published model: signals name the class itself, never its parents."""
    for base in sender.__mro__[1:]:
        if ATTRIBUTE in vars(base) and is_abstract(base) and not _has_concrete_parent(sender, base):
            hand_on(base, sender)
    if declarations_of(sender):
        _save_atomically(sender)
        _listen(sender)


def _has_concrete_parent(model: type[Model], base: type[Model]) -> bool:
    """Whether a parent of the model has got what the base declares: its rows are published as the parent's."""
    parents = [cls for cls in model.__mro__[1:] if issubclass(cls, base) and cls is not base]
    return any(not is_abstract(parent) for parent in parents)


def _before_save(
    sender: type[Model],
    instance: Model,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None = None,
    **kwargs: Any,
) -> None:
    """Of a child's row the signal says whether it was created, and not whether its parent's was there before."""
    if raw or update_fields is not None:
        return
    parents = {_table(declaration.model) for declaration in declarations_of(sender)} - {_table(sender)}
    vars(instance)[_PARENTS] = {parent for parent in parents if row_is_there(parent, parent, instance, using)}


def _on_save(sender: type[Model], instance: Model, created: bool, raw: bool, using: str, **kwargs: Any) -> None:
    were_there = vars(instance).pop(_PARENTS, ())
    if raw:
        return
    if _BEFORE in vars(instance):
        # Saved by a receiver of pre_delete, after ours.
        _before_delete(sender, instance, using)
    events = {
        declaration: "created" if created and _table(declaration.model) not in were_there else "updated"
        for declaration in declarations_of(sender)
    }
    wanted = [declaration for declaration, event in events.items() if event in declaration.on]
    for declaration, row in _rows_of(wanted, instance, using):
        if row is None:
            raise no_row(declaration, instance, using)
        _write(declaration, row, events[declaration], using)


def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Afterwards there is no row to read. One that is gone already was told of by whoever deleted it."""
    rows = _rows_of(_published_with(sender, instance, using), instance, using, lock=True)
    vars(instance)[_BEFORE] = [(declaration, row) for declaration, row in rows if row is not None]


def _on_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    for declaration, row in vars(instance).pop(_BEFORE, ()):
        _write(declaration, row, "deleted", using)


def _published_with(sender: type[Model], instance: Model, using: str) -> list[Declaration]:
    """What a deletion from the sender's own table publishes: a parent's rows are deleted, and told of, apart."""
    return [
        declaration
        for declaration in declarations_of(sender)
        if "deleted" in declaration.on
        and _table(declaration.model) is _table(sender)
        and not any(
            row_is_there(child, declaration.model, instance, using) for child in children_declaring(declaration)
        )
    ]


def _rows_of(
    declarations: list[Declaration], instance: Model, using: str, *, lock: bool = False
) -> list[tuple[Declaration, Row | None]]:
    """Each with the instance's row; one query for those of one model."""
    models = {
        declaration.model: [p for p in declarations if p.model is declaration.model] for declaration in declarations
    }
    rows = {model: read_row(of_model, instance, using, lock=lock) for model, of_model in models.items()}
    return [(declaration, rows[declaration.model]) for declaration in declarations]


def _table(model: type[Model]) -> type[Model]:
    table = model._meta.concrete_model
    assert table is not None, "abstract models are not saved"
    return table


class_prepared.connect(_on_class_prepared, dispatch_uid="kafka_integration.publishes")


# --- Rows


def _save_atomically(model: type[Model]) -> None:
    """Make save and event one transaction: ``save()`` alone commits before ``post_save`` is sent."""
    original = model.save_base
    if getattr(original, _MARK, False):
        return

    @wraps(original)
    def save_base(self: Model, *args: Any, **kwargs: Any) -> Any:
        # Passed on as it came: a model's own save_base() may take less, and others look for it by name.
        given = {**dict(zip(_SAVE_BASE, args, strict=False)), **kwargs}
        using = given.get("using") or router.db_for_write(type(self), instance=self)
        with nullcontext() if given.get("raw") else transaction.atomic(using=using, savepoint=False):
            return original(self, *args, **kwargs)

    setattr(save_base, _MARK, True)
    model.save_base = save_base  # type: ignore[method-assign]  # this is the decorator's work


def _write(declaration: Declaration, row: Row, event: str, using: str) -> None:
    write([_message(declaration, row, event)], using)


def _message(declaration: Declaration, row: Row, event: str) -> OutboxMessage:
    return build_message(
        declaration.topic,
        declaration.value_of(row),
        key=declaration.key_of(row),
        event_type=declaration.event_type(event),
    )


def _by_alias(instances: list[Model], using: str | None) -> dict[str, list[Model]]:
    found: dict[str, list[Model]] = {}
    for instance in instances:
        if not declarations_of(type(instance)):
            raise InvalidMessageError(f"{type(instance).__name__} has no @publishes: use publish().")
        if instance.pk is None:
            raise InvalidMessageError(f"A {type(instance).__name__} without a primary key can't be published: save it.")
        found.setdefault(using or router.db_for_write(type(instance), instance=instance), []).append(instance)
    return found


def _messages(instances: list[Model], event: str, alias: str) -> list[OutboxMessage]:
    """Of each instance in turn; the rows of all instances of a model come with one query for each declaration."""
    by_model: dict[type[Model], list[int]] = {}
    for number, instance in enumerate(instances):
        by_model.setdefault(type(instance), []).append(number)
    messages: list[list[OutboxMessage]] = [[] for _ in instances]
    for model, numbers in by_model.items():
        for declaration in declarations_of(model):
            rows = read_rows([declaration], [instances[number] for number in numbers], alias)
            for number, row in zip(numbers, rows, strict=True):
                source = row or _last_known(declaration, instances[number], event, alias)
                messages[number].append(_message(declaration, source, event))
    return [message for of_instance in messages for message in of_instance]


def _last_known(declaration: Declaration, instance: Model, event: str, alias: str) -> Row:
    if event == "deleted" and holds_all(declaration, instance):
        return instance
    raise no_row(declaration, instance, alias)
