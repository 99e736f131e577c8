"""Admins that publish: what the model declares, fields of their own, a value of their own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model

from kafka_integration import PublishAdminMixin


class AsDeclared(PublishAdminMixin, admin.ModelAdmin):
    actions = ()


class OwnFields(PublishAdminMixin, admin.ModelAdmin):
    publish_topic = "names"
    publish_fields = ("name",)
    publish_key = "name"
    publish_event = "created"


class OwnValue(PublishAdminMixin, admin.ModelAdmin):
    publish_topic = "values"

    def get_publish_value(self, obj: Model) -> Any:
        return {"text": str(obj)}


class Nowhere(PublishAdminMixin, admin.ModelAdmin):
    """Forgets to say what and where."""


class Misspelt(PublishAdminMixin, admin.ModelAdmin):
    publish_topic = "a b"
    publish_fields = ("nmae",)
    publish_event = "saved"
