from django.apps import AppConfig


class ActivityLogConfig(AppConfig):
    name = "activitylog"
    verbose_name = "Activity log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import events  # noqa: F401 - connects the login to its event
