"""A site whose pages produce, for the servers that run it: `/produce/VALUE`, `/wait/VALUE`."""

from __future__ import annotations

import os
import time

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

TOPIC = os.environ["SITE_TOPIC"]

settings.configure(
    # So long a linger that only somebody's flush sends what was produced last.
    KAFKA={"endpoints": [os.environ["SITE_KAFKA"]], "producer": {"linger_ms": 60_000, "shutdown_grace_seconds": 2}},
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    USE_TZ=True,
    DATABASES={},
    LOGGING_CONFIG=None,
)
django.setup()


def produce_later(request: HttpRequest, value: str) -> HttpResponse:
    from kafka_integration import produce

    produce(TOPIC, value)
    return HttpResponse("queued")


def produce_and_wait(request: HttpRequest, value: str) -> HttpResponse:
    from kafka_integration import produce_sync

    return HttpResponse(produce_sync(TOPIC, value).topic)


async def produce_in_async_code(request: HttpRequest, value: str) -> HttpResponse:
    from kafka_integration import ProduceTimeoutError, aproduce

    started = time.monotonic()
    try:
        return HttpResponse((await aproduce(TOPIC, value, timeout=3)).topic)
    except ProduceTimeoutError:
        return HttpResponse(f"ProduceTimeoutError after {time.monotonic() - started:.1f} s")


urlpatterns = [
    path("produce/<value>", produce_later),
    path("wait/<value>", produce_and_wait),
    path("async/<value>", produce_in_async_code),
]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
