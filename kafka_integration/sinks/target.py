"""What a sink declares, checked against its model: which columns a row has, and by which it is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model
from django.db.models.fields import NOT_PROVIDED

from ..errors import HandlerError, RowError
from .columns import Column

ALL = "__all__"

# Python and database agree on which of two of these is the greater. Not so on texts, which a database may sort by a
# language, or on decimals that it rounds.
_COMPARABLE = (models.IntegerField, models.FloatField, models.DateTimeField, models.DateField)


class Shape:
    """The columns that some rows have: those given for them first, then what Django adds to a row."""

    def __init__(self, target: Target, given_columns: Sequence[Column]) -> None:
        self.given = tuple(given_columns)
        given = {column.field for column in given_columns}
        self.from_key = next((column for column in target.match if column.field not in given), None)
        """The column by which a row is found where only the message's key has its value."""
        columns = [*given_columns, *([self.from_key] if self.from_key else [])]
        self.match_places = [[c.field for c in columns].index(column.field) for column in target.match]
        self.version = target.version
        given |= {column.field for column in target.match}
        self._given_count = len(columns)
        added = [field for field in target.fields if field not in given and not _is_the_databases(field)]
        self._automatic = [field for field in added if _is_automatic(field)]
        self._defaults = [field for field in added if not _is_automatic(field)]
        self.fields = [*(column.field for column in columns), *self._automatic, *self._defaults]
        match = {column.field for column in target.match}
        self.updated = [
            *(column.field for column in columns if column.field not in match),
            *(field for field in self._automatic if getattr(field, "auto_now", False)),
        ]
        """What a row that is there already gets; the rest is for new ones."""

    @property
    def without_default(self) -> list[Field[Any, Any]]:
        """Those of its fields that nothing gives a value to."""
        return [field for field in self._defaults if not field.null and field.get_default() is None]

    def added(self, connection: BaseDatabaseWrapper) -> list[Any]:
        """What Django adds to one row."""
        if len(self.fields) == self._given_count:
            return []
        values = [field.pre_save(_Nothing(), True) for field in self._automatic]  # type: ignore[arg-type]  # is set on it
        values += [field.get_default() for field in self._defaults]
        fields = self.fields[self._given_count :]
        return [field.get_db_prep_save(value, connection) for field, value in zip(fields, values, strict=True)]


class Target:
    """The table of a sink. Raises ``HandlerError`` with the remedy where the declaration can't work."""

    def __init__(
        self,
        model: type[Model] | None,
        *,
        match_fields: Sequence[str],
        fields: Sequence[str] | str,
        version_field: str | None,
        makes_rows: bool,
        place: str,
    ) -> None:
        self._place = place
        self.model = self._concrete(model)
        options = self.model._meta
        self.fields: list[Field[Any, Any]] = [f for f in options.concrete_fields if not _is_generated(f)]
        names = self._strings(match_fields, "match_fields") or [field.name for field in options.pk_fields]
        self.match = tuple(self.column(name) for name in names)
        self._require_unique()
        self.version = None if version_field is None else self._version(version_field)
        if makes_rows and fields:
            raise self._wrong("has fields and row(): keep one of them")
        self.shape = None if makes_rows else self._declared_shape(fields)
        """Of all rows, where ``fields`` says which columns they have."""
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._needed = [*(self.match if len(self.match) > 1 else ()), *([self.version] if self.version else [])]

    def column(self, name: str) -> Column:
        """The column of a field, by its name or that of its attribute (``shop`` or ``shop_id``)."""
        try:
            field = self._columns[name]
        except (KeyError, TypeError):
            raise self._wrong(f"names {name!r}, and {self.model._meta.label} has no column for that") from None
        if _is_generated(field):
            raise self._wrong(f'names "{name}", which the database generates: leave it out')
        if _is_automatic(field):
            raise self._wrong(f'names "{name}", which auto_now or auto_now_add sets: leave it out')
        return Column(name, field)

    def shape_of(self, names: tuple[str, ...]) -> Shape:
        """The columns of a row that ``row()`` made; ``RowError`` for a field that there isn't."""
        shape = self._shapes.get(names)
        if shape is None:
            try:
                columns = [self.column(name) for name in names]
            except HandlerError as error:
                raise RowError(f"row() {str(error).removeprefix(self._place).strip()}") from error
            if len({column.field for column in columns}) < len(columns):
                raise RowError(f"row() gives one field of {self.model._meta.label} twice, by two names: {names}")
            given = {column.field for column in columns}
            missing = [column.name for column in self._needed if column.field not in given]
            if missing:
                raise RowError(f"row() returned a dict without {', '.join(missing)}")
            shape = self._shapes[names] = Shape(self, columns)
        return shape

    @cached_property
    def may_replace(self) -> bool:
        """Whether a row may be left out where a later one of its batch takes its place.

        Not where another row may hold what it needs, for a while, or where two keys may be one to the database: then
        each is written, in the order of the messages.
        """
        if self.version is not None and not isinstance(self.version.field, _COMPARABLE):
            return False
        if any(_has_own_collation(column.field) for column in self.match):
            return False
        match = {column.field.name for column in self.match}
        return all(names == match for names in _kept_apart(self.model))

    @cached_property
    def _columns(self) -> dict[str, Field[Any, Any]]:
        concrete = self.model._meta.concrete_fields
        return {name: field for field in concrete for name in (field.attname, field.name) if field.column}

    def _declared_shape(self, fields: Sequence[str] | str) -> Shape:
        if fields == ALL:
            names = [field.name for field in self.fields if not (_is_automatic(field) or _is_numbered(field))]
        else:
            names = self._strings(fields, "fields")
        if not names:
            raise self._wrong('needs fields, such as ("sku", "amount") or "__all__", or a method row(message)')
        columns = [self.column(name) for name in names]
        given = [column.field for column in columns]
        if len(set(given)) < len(given):
            raise self._wrong(f"names a field twice in fields: {', '.join(names)}")
        missing = [column for column in self.match if column.field not in given]
        if missing and len(self.match) > 1:
            raise self._wrong(
                f"matches by {', '.join(column.name for column in self.match)}: name all of these in fields, as a "
                "message's key stands for one field alone"
            )
        match = {column.field for column in self.match}
        if any(field.primary_key and field not in match for field in given):
            raise self._wrong("has the primary key in fields: match by it, or leave it out")
        if self.version is not None and self.version.field not in given:
            raise self._wrong(f'has "{self.version.name}" as version_field: name it in fields, too')
        shape = Shape(self, columns)
        if without := shape.without_default:
            raise self._wrong(
                f"leaves out {', '.join(field.name for field in without)}, which a new row needs: name it in fields, "
                "or give it a default in the model"
            )
        return shape

    def _version(self, name: str) -> Column:
        version = self.column(name)
        if version.field in {column.field for column in self.match}:
            raise self._wrong(f'has "{name}" as version_field and in match_fields: a version is no part of the key')
        return version

    def _require_unique(self) -> None:
        fields = [column.field for column in self.match]
        names = {field.name for field in fields}
        if len(fields) == 1 and fields[0].unique:
            return
        if names in map(set, _unique_together(self.model)):
            return
        shown = ", ".join(sorted(names))
        raise self._wrong(
            f"matches by {shown}, which {self.model._meta.label} doesn't declare unique: add "
            f"UniqueConstraint(fields=[…], name=…) for exactly these, without condition and not deferrable, or match "
            "by others"
        )

    def _concrete(self, model: type[Model] | None) -> type[Model]:
        if not (isinstance(model, type) and issubclass(model, Model)) or model._meta.abstract:
            raise self._wrong("needs model, a model that has a table")
        if any(parent._meta.concrete_model is not model._meta.concrete_model for parent in model._meta.all_parents):
            raise self._wrong(
                f"writes {model._meta.label}, whose rows are in two tables (multi-table inheritance): use a model with "
                "one table, or a handler of your own"
            )
        return model

    def _strings(self, names: Any, what: str) -> list[str]:
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise self._wrong(f'has {what} of type {type(names).__name__}: give a tuple of names, such as ("sku",)')
        return list(names)

    def _wrong(self, text: str) -> HandlerError:
        return HandlerError(f"{self._place} {text}")


class _Nothing:
    """What ``pre_save`` sets a time on."""


def _unique_together(model: type[Model]) -> Iterator[Sequence[str]]:
    options = model._meta
    yield [field.name for field in options.pk_fields]
    yield from options.unique_together
    for constraint in options.total_unique_constraints:
        # PostgreSQL knows no conflict with a constraint that is looked at in the end only.
        if constraint.deferrable is None:
            yield constraint.fields


def _kept_apart(model: type[Model]) -> Iterator[set[str]]:
    """The fields in which no row may be like another one; none of them where that is about more than fields."""
    options = model._meta
    yield from ({f.name} for f in options.concrete_fields if f.unique and not _is_the_databases(f))
    yield from map(set, options.unique_together)
    for constraint in options.constraints:
        if not isinstance(constraint, models.CheckConstraint):
            yield set(getattr(constraint, "fields", ()))


def _has_own_collation(field: Field[Any, Any]) -> bool:
    """Whether texts may be equal that Python tells apart, of a foreign key those of its target."""
    if isinstance(field, models.ForeignKey):
        return _has_own_collation(field.target_field)
    return getattr(field, "db_collation", None) is not None


def _is_generated(field: Field[Any, Any]) -> bool:
    return bool(getattr(field, "generated", False))


def _is_automatic(field: Field[Any, Any]) -> bool:
    return bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))


def _is_numbered(field: Field[Any, Any]) -> bool:
    return isinstance(field, models.AutoField)


def _is_the_databases(field: Field[Any, Any]) -> bool:
    """Whether the database gives a new row a value where nobody else does."""
    return _is_numbered(field) or field.db_default is not NOT_PROVIDED
