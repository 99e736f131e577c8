"""What is refused at start because its tables are those of another version."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from kafka_integration.errors import ConfigurationError
from kafka_integration.operating.migrations import APP, require_migrated

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def recorder():
    recorder = MigrationRecorder(connection)
    applied = [name for app, name in recorder.applied_migrations() if app == APP]
    yield recorder
    for name in {name for app, name in recorder.applied_migrations() if app == APP} ^ set(applied):
        recorder.record_applied(APP, name)


def test_a_database_that_lacks_a_migration_is_named_with_it_and_the_remedy(recorder):
    recorder.record_unapplied(APP, "0002_refused_rows_index")

    with pytest.raises(ConfigurationError) as caught:
        require_migrated(["default", "default"])

    assert str(caught.value).count("kafka_integration.0002_refused_rows_index") == 1
    assert 'database "default"' in str(caught.value)
    assert "manage.py migrate --database default" in str(caught.value)


def test_all_migrations_are_enough(recorder):
    require_migrated(["default"])


def test_a_database_that_has_none_yet_is_not_refused(recorder):
    for app, name in recorder.applied_migrations():
        if app == APP:
            recorder.record_unapplied(app, name)

    require_migrated(["default"])


def test_a_database_that_is_away_is_not_refused(recorder, monkeypatch):
    recorder.record_unapplied(APP, "0002_refused_rows_index")

    def refuse(self):
        raise OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(MigrationRecorder, "applied_migrations", refuse)
        require_migrated(["default"])
