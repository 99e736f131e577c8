"""What a model's rows are published as: which topic, which fields, on which events, under which key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model

from ..errors import ConfigurationError
from ..topic_names import topic_name_problem
from .column_values import event_key, event_value

EVENTS = ("created", "updated", "deleted")
ALL_FIELDS = "__all__"
# Where a model class keeps its own; its subclasses look through their bases.
ATTRIBUTE = "_kafka_declarations"


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One ``@publishes`` of a model. That of an abstract model is handed on to each of its concrete children."""

    model: type[Model]
    topic: str
    fields: tuple[str, ...]
    on: frozenset[str]
    key: str | None
    is_handed_on: bool = False

    def event_type(self, event: str) -> str:
        """``app_label.model.created``, of the model that was declared: a proxy's rows are its model's rows."""
        return f"{self.model._meta.label_lower}.{event}"

    def value_of(self, row: Any) -> dict[str, Any]:
        """The declared fields of a row, or of an instance as it was loaded; a foreign key is its id."""
        return {name: event_value(field, field.value_from_object(row)) for name, field in self._fields(self.fields)}

    def key_of(self, row: Any) -> Any:
        """The key, as text where ``produce`` would not take it as it is."""
        if self.key is None:
            return None
        field = find_field(self.model, self.key)
        return event_key(field, field.value_from_object(row))

    @property
    def columns(self) -> dict[str, Field[Any, Any]]:
        """The fields it reads, by name, the key's among them."""
        names = self.fields if self.key is None else (*self.fields, self.key)
        return dict(self._fields(names))

    def _fields(self, names: Iterable[str]) -> Iterator[tuple[str, Field[Any, Any]]]:
        return ((name, find_field(self.model, name)) for name in names)


def declare(
    model: type[Model], topic: str, *, fields: Iterable[str], on: Iterable[str], key: str | None
) -> Declaration:
    """Check a ``@publishes`` and keep it with its model; ``ConfigurationError`` says all that is wrong with it."""
    problems = list(_find_problems(model, topic, fields, on, key))
    if problems:
        raise ConfigurationError([f"@publishes on {model.__qualname__}: {problem}" for problem in problems])
    names = (ALL_FIELDS,) if fields == ALL_FIELDS else tuple(fields)
    declared = Declaration(model=model, topic=topic, fields=names, on=frozenset(on), key=key)
    # What it was handed by an abstract base, it may declare anew.
    others = [p for p in _own(model) if not (p.is_handed_on and p.topic == topic)]
    for other in others:
        if other.topic == topic and (twice := other.on & declared.on):
            raise ConfigurationError(
                [f"@publishes on {model.__qualname__}: topic {topic!r} has {', '.join(sorted(twice))} twice."]
            )
    return _keep(model, others, declared)


def hand_on(base: type[Model], model: type[Model]) -> None:
    """Give a concrete model what its abstract base declares, unless a nearer base has declared the topic anew."""
    nearer = _own(model)
    for declaration in _own(base):
        if declaration.topic not in {p.topic for p in nearer}:
            _keep(model, list(_own(model)), replace(declaration, model=model, is_handed_on=True))


def declarations_of(model: type[Model]) -> list[Declaration]:
    """What is published of a model's rows: its own and its parents'; for one topic the nearest counts."""
    found: list[Declaration] = []
    taken: set[str] = set()
    for cls in model.__mro__:
        own = [p for p in _own(cls) if p.topic not in taken and not p.model._meta.abstract]
        found += own
        taken.update(declaration.topic for declaration in own)
    return found


def children_declaring(declaration: Declaration) -> list[type[Model]]:
    """Multi-table children whose rows are published in its topic as they say, or as another parent of theirs says."""
    children: list[type[Model]] = []
    pending = list(declaration.model.__subclasses__())
    for model in pending:
        if _is_table_of_its_own(model) and declaration not in declarations_of(model):
            children.append(model)
        else:
            pending += model.__subclasses__()
    return children


def find_field(model: type[Model], name: str) -> Field[Any, Any]:
    """The column of that name; "pk" is the primary key."""
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    if not isinstance(field, Field) or not getattr(field, "concrete", False) or field.many_to_many:
        raise FieldDoesNotExist(name)
    return field


def is_abstract(model: type[Model]) -> bool:
    return bool(model._meta.abstract)


def _is_table_of_its_own(model: type[Model]) -> bool:
    return not is_abstract(model) and not model._meta.proxy


def _keep(model: type[Model], others: list[Declaration], declaration: Declaration) -> Declaration:
    if not is_abstract(model):
        declaration = _resolved(declaration)
    setattr(model, ATTRIBUTE, (*others, declaration))
    return declaration


def _resolved(declaration: Declaration) -> Declaration:
    """With the names of its fields, now that the model has them."""
    if declaration.fields == (ALL_FIELDS,):
        names = tuple(field.name for field in declaration.model._meta.concrete_fields)
        declaration = replace(declaration, fields=names)
    problems = [*_find_field_problems(declaration)]
    if problems:
        raise ConfigurationError([f"@publishes on {declaration.model.__qualname__}: {problem}" for problem in problems])
    return declaration


def _own(model: type) -> tuple[Declaration, ...]:
    own: tuple[Declaration, ...] = vars(model).get(ATTRIBUTE, ())
    return own


def _find_problems(model: Any, topic: Any, fields: Any, on: Any, key: Any) -> Iterable[str]:
    if not isinstance(model, type) or not issubclass(model, Model):
        raise TypeError("@publishes decorates a model class.")
    if problem := topic_name_problem(topic):
        yield f"topic {topic!r:.80}: {problem}."
    if fields != ALL_FIELDS and (isinstance(fields, str) or not all(isinstance(name, str) for name in fields)):
        yield f'fields is {fields!r:.80}: give a tuple of names, like ("name",), or "{ALL_FIELDS}".'
    elif not fields:
        yield "fields is empty: name at least one."
    if isinstance(on, str) or not on or not set(on) <= set(EVENTS):
        yield f"on is {on!r:.80}: give some of {EVENTS}."
    if key is not None and not isinstance(key, str):
        yield f"key is {key!r:.80}: give the name of a field, or None."


def _find_field_problems(declaration: Declaration) -> Iterable[str]:
    model = declaration.model
    for name in (*declaration.fields, *([declaration.key] if declaration.key else [])):
        try:
            find_field(model, name)
        except FieldDoesNotExist:
            known = [field.name for field in model._meta.concrete_fields]
            near = get_close_matches(name, known, n=1)
            yield f"{name!r} is no column of it" + (f": did you mean {near[0]!r}?" if near else f": it has {known}.")
