"""``manage.py check`` on published models: what could never leave is said before anything is published."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.db.models import Model

pytestmark = pytest.mark.usefixtures("shop")


class NoOutbox:
    """A router that keeps our tables out."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if app_label == "kafka_integration" else None


class Elsewhere:
    """A router that keeps the shop in a database of its own."""

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        return "elsewhere" if model._meta.app_label == "shop" else None


def complaints() -> list[str]:
    return [problem.msg for problem in run_checks(tags=["kafka_integration"]) if problem.id.endswith("E017")]


def test_published_models_that_can_leave_are_fine() -> None:
    assert complaints() == []


def test_a_topic_that_is_not_configured_is_an_error(settings: Any) -> None:
    topics = ["customers", "everything", "parcels", "stock", "maps", "search_term", "banner_click"]
    settings.KAFKA = {"endpoints": "memory", "producer": {"topics": topics}}

    (complaint,) = complaints()

    assert "shop.Order" in complaint
    assert "topic orders" in complaint


def test_a_database_without_an_outbox_is_an_error(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [NoOutbox()]

    assert any("shop.Customer" in complaint and "outbox" in complaint for complaint in complaints())
