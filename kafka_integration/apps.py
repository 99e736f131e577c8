from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.core.signals import setting_changed
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from .codecs import forget_codecs
from .conf import reset_settings


class KafkaIntegrationConfig(AppConfig):
    name = "kafka_integration"
    verbose_name = _("Kafka integration")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - registers them; it imports models, which are ready only now

        setting_changed.connect(reset_settings, dispatch_uid="kafka_integration.conf")
        setting_changed.connect(forget_codecs, dispatch_uid="kafka_integration.codecs")
        post_migrate.connect(_create_permissions, dispatch_uid="kafka_integration.permissions")


def _create_permissions(sender: AppConfig, **kwargs: Any) -> None:
    if apps.is_installed("django.contrib.admin"):
        from .admin.permissions import create_publish_permissions

        create_publish_permissions(**kwargs)
