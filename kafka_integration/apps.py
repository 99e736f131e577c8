from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _

from .conf import reset_settings


class KafkaIntegrationConfig(AppConfig):
    name = "kafka_integration"
    verbose_name = _("Kafka integration")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - registers them; it imports models, which are ready only now

        setting_changed.connect(reset_settings, dispatch_uid="kafka_integration.conf")
