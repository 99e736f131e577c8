"""The admin and nothing else, and a handler that nobody calls."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from kafka_integration import Message

urlpatterns = [path("admin/", admin.site.urls)]


def handle(message: Message) -> None:
    """Of the consumers in the settings; none of them runs."""
