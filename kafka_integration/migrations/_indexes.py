"""Indexes of tables that are at work: while PostgreSQL makes one, and ends one, everybody goes on writing.

Outside a transaction, as that has to be, a migration that is stopped leaves a part of its work. Run again it does the
rest, and makes those anew that PostgreSQL was kept from finishing.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Index


class AddIndex(migrations.AddIndex):
    """Django's ``AddIndexConcurrently`` on PostgreSQL, which can't be imported without a driver, and on others its own."""

    atomic = False

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _add(schema_editor, model, self.index)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _remove(schema_editor, model, self.index)


class RemoveIndex(migrations.RemoveIndex):
    """The same for Django's ``RemoveIndexConcurrently``."""

    atomic = False

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            state = from_state.models[app_label, self.model_name_lower]
            _remove(schema_editor, model, state.get_index_by_name(self.name))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            state = to_state.models[app_label, self.model_name_lower]
            _add(schema_editor, model, state.get_index_by_name(self.name))


def _add(editor: BaseDatabaseSchemaEditor, model: Any, index: Index) -> None:
    if not editor.collect_sql and _is_finished(editor, model, index.name):
        return
    if editor.connection.vendor == "postgresql":
        # One that was not finished keeps the name, and is of no use.
        editor.remove_index(model, index, **_beside_writers(editor))
    editor.add_index(model, index, **_beside_writers(editor))


def _remove(editor: BaseDatabaseSchemaEditor, model: Any, index: Index) -> None:
    if editor.collect_sql or _is_there(editor, model, index.name):
        editor.remove_index(model, index, **_beside_writers(editor))


def _beside_writers(editor: BaseDatabaseSchemaEditor) -> dict[str, Any]:
    return {"concurrently": True} if editor.connection.vendor == "postgresql" else {}


def _is_finished(editor: BaseDatabaseSchemaEditor, model: Any, name: str) -> bool:
    if editor.connection.vendor != "postgresql":
        return _is_there(editor, model, name)
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [editor.quote_name(name)])
        return bool(cursor.fetchone() == (True,))


def _is_there(editor: BaseDatabaseSchemaEditor, model: Any, name: str) -> bool:
    with editor.connection.cursor() as cursor:
        return name in editor.connection.introspection.get_constraints(cursor, model._meta.db_table)
