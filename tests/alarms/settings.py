"""The workload's settings with the admin, whose overview says what needs somebody."""

from tests.workload.settings import *  # noqa: F403
from tests.workload.settings import INSTALLED_APPS

INSTALLED_APPS = [
    *("django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.messages"),
    *("django.contrib.admin", *INSTALLED_APPS),
]
