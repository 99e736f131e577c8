"""The demo's operator: an account for whoever started it, to look at the admin with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import Q

NAME = "operator"
EMAIL = "operator@demo.invalid"


@dataclass(frozen=True, kw_only=True)
class Account:
    """How to sign in. The password is a new one each time."""

    name: str
    password: str = field(repr=False)


def open_account() -> Account | None:
    """Lets the operator see everything of the services and operate them; None where that isn't ours to decide.

    A site that isn't a development one gets no account by the way, and a real person who has the name keeps it.
    """
    users = get_user_model()._default_manager
    if not settings.DEBUG or users.filter(username=NAME).exclude(email=EMAIL).exists():
        return None
    operator, _is_new = users.get_or_create(username=NAME, email=EMAIL)
    password = secrets.token_urlsafe(9)
    operator.set_password(password)
    operator.is_staff = operator.is_active = True
    operator.save()
    operator.user_permissions.set(_permissions())
    return Account(name=NAME, password=password)


def _permissions():
    may_operate = Q(content_type__app_label="kafka_integration")
    may_look = Q(content_type__app_label__in=("activitylog", "trends"), codename__startswith="view_")
    return Permission.objects.filter(may_operate | may_look)
