"""A login becomes an event; searches and clicks do by ``@publishes`` on their models."""

from __future__ import annotations

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.utils import timezone

from kafka_integration import publish


@receiver(user_logged_in, dispatch_uid="activitylog.publish_login")
def publish_login(sender, request, user, **kwargs) -> None:
    publish("login", {"user": user.pk, "at": timezone.now()}, key=user.pk)
