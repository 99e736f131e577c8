from __future__ import annotations

import pytest
from django.apps import apps


@pytest.fixture
def project_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the project count alone: no installed app brings consumers or topics of its own."""
    for app in apps.get_app_configs():
        if hasattr(type(app), "kafka"):
            monkeypatch.delattr(type(app), "kafka")
