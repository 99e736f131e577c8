from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import override_settings
from pytest_django import DjangoDbBlocker, Settings

from kafka_integration.client.transports.memory import MemoryBroker, memory_broker
from kafka_integration.consuming.failing import failure_policy
from tests.unit import coroutines, scripted
from tests.unit.consumers import consumer_settings
from tests.unit.replays import Lane


@pytest.fixture
def memory_transport(project_alone: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    """An empty memory broker, the project's endpoints, scripted handlers without a script, and outages soon over."""
    monkeypatch.setattr(failure_policy, "FLOOR_SECONDS", 0.0)
    settings.KAFKA = consumer_settings()
    scripted.reset()
    coroutines.reset()
    memory_broker().reset()
    return memory_broker()


@pytest.fixture
def lane(settings: Settings, memory_transport: MemoryBroker) -> Callable[..., Lane]:
    """Makes a lane that replays, for a consumer with these options."""
    memory_transport.create_topic("events")
    return lambda **options: Lane(settings, **options)


@contextmanager
def tables_of(app: str, blocker: DjangoDbBlocker) -> Iterator[None]:
    """The tables of an app of the tests, which is installed meanwhile."""
    with override_settings(INSTALLED_APPS=[*django_settings.INSTALLED_APPS, f"tests.{app}"]):
        models = apps.get_app_config(app).get_models(include_auto_created=True)
        tables = [model for model in models if model._meta.managed and not model._meta.proxy]
        with blocker.unblock():
            with connection.schema_editor() as editor:
                for table in tables:
                    editor.create_model(table)
            yield
            with connection.schema_editor() as editor:
                for table in reversed(tables):
                    editor.delete_model(table)


@pytest.fixture(scope="module")
def shop_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The tables of ``tests.shop``, as an installed app."""
    with tables_of("shop", django_db_blocker):
        yield


@pytest.fixture(scope="module")
def warehouse_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The tables of ``tests.warehouse``, as an installed app."""
    with tables_of("warehouse", django_db_blocker):
        yield


@pytest.fixture(scope="module")
def prices_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The tables of ``tests.prices``, as an installed app."""
    with tables_of("prices", django_db_blocker):
        yield


@pytest.fixture
def prices(prices_tables: None, memory_transport: MemoryBroker) -> None:
    """Tables for sinks, and the memory broker; a test says which access to the database it needs."""


@pytest.fixture
def shop(shop_tables: None, project_alone: None, settings: Settings, db: None) -> None:
    """A project whose models are those of ``tests.shop``, and which may publish to any topic."""
    settings.KAFKA = {"endpoints": "memory", "outbox": {"source": "/shop"}}
    # What another test made was rolled back with it.
    ContentType.objects.clear_cache()


@pytest.fixture
def warehouse(warehouse_tables: None, project_alone: None, settings: Settings, db: None) -> None:
    """The same with the models of ``tests.warehouse``."""
    settings.KAFKA = {"endpoints": "memory"}
