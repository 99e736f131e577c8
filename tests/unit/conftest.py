from __future__ import annotations

import pytest
from django.apps import apps
from pytest_django import Settings

from kafka_integration.client.memory import MemoryBroker, memory_broker
from tests.unit import scripted
from tests.unit.consumers import consumer_settings


@pytest.fixture
def project_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the project count alone: no installed app brings consumers or topics of its own."""
    for app in apps.get_app_configs():
        if hasattr(type(app), "kafka"):
            monkeypatch.delattr(type(app), "kafka")


@pytest.fixture
def memory_transport(project_alone: None, settings: Settings) -> MemoryBroker:
    """An empty memory broker, the project's endpoints, and scripted handlers without a script."""
    settings.KAFKA = consumer_settings()
    scripted.reset()
    memory_broker().reset()
    return memory_broker()
