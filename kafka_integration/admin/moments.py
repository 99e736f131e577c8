"""Moments as pages and lists show them: by the server's clock, until the browser shows them by its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..local_times import spoken_moment


def moment_element(value: datetime) -> SafeString:
    """A moment with its zone, as an element that the script of these pages knows."""
    here = timezone.localtime(value) if timezone.is_aware(value) else timezone.make_aware(value)
    return format_html('<time datetime="{}">{}</time>', here.isoformat(), spoken_moment(here))


def moment_field(model: type[Model], name: str) -> Callable[[Any, Any], Any]:
    """A column or field of an admin that shows this one of the rows."""

    @admin.display(description=model._meta.get_field(name).verbose_name, ordering=name)  # type: ignore[union-attr]  # a field of its own
    def shown(model_admin: Any, row: Any) -> Any:
        value = getattr(row, name)
        return None if value is None else moment_element(value)

    return shown
