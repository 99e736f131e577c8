"""The permission to publish a model's rows, made by ``migrate`` for every model that the admin can publish."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.contrib.admin.sites import all_sites
from django.contrib.auth import get_permission_codename
from django.contrib.contenttypes.management import create_contenttypes
from django.db import DEFAULT_DB_ALIAS, router

from .publishing import PublishAdminMixin


def create_publish_permissions(
    app_config: AppConfig, *, apps: Any = global_apps, using: str = DEFAULT_DB_ALIAS, verbosity: int = 1, **kwargs: Any
) -> None:
    """What a receiver of ``post_migrate`` does for one app."""
    models = [
        model
        for site in all_sites
        for model, model_admin in site._registry.items()
        if isinstance(model_admin, PublishAdminMixin) and model._meta.app_label == app_config.label
    ]
    if not models:
        return
    try:
        content_type, permission = apps.get_model("contenttypes", "ContentType"), apps.get_model("auth", "Permission")
    except LookupError:
        return
    if not router.allow_migrate_model(using, permission):
        return
    create_contenttypes(app_config, using=using, verbosity=verbosity, apps=apps, **kwargs)
    for model in models:
        opts = model._meta
        permission.objects.using(using).get_or_create(
            content_type=content_type.objects.db_manager(using).get_for_model(model, for_concrete_model=False),
            codename=get_permission_codename("publish", opts),
            defaults={"name": f"Can publish {opts.verbose_name_raw} to Kafka"},
        )
