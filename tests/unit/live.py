"""Processes of consumers in threads of the test's own, and what commands say of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.test import override_settings

from kafka_integration.conf import get_settings
from kafka_integration.models import Process
from kafka_integration.operating.runner import RunOptions, run_consumers
from kafka_integration.operating.stopping import StopRequest
from tests.unit.consumers import consumer_settings

OFTEN = {"interval_seconds": 0.1}


def listed() -> list[dict[str, Any]]:
    out = StringIO()
    call_command("kafkaprocesses", "list", "--json", stdout=out)
    return json.loads(out.getvalue())


def shown() -> str:
    out = StringIO()
    call_command("kafkaprocesses", "list", stdout=out)
    return out.getvalue()


@contextmanager
def process(operations: dict[str, Any] | None = None, **options: Any) -> Iterator[Callable[[], int]]:
    """``runconsumer`` in a thread; the call ends it and gives its exit status."""
    kafka = consumer_settings(**options) | {"operations": OFTEN | (operations or {})}
    stop, statuses = StopRequest(), []
    with override_settings(KAFKA=kafka):
        consumers = list(get_settings().consumers.values())
        thread = threading.Thread(target=lambda: statuses.append(run_consumers(consumers, RunOptions(), stop)))
        thread.start()

        def end() -> int:
            stop.make()
            thread.join(20)
            return statuses[0]

        try:
            yield end
        finally:
            end()


def partitions() -> dict[int, dict[str, Any]]:
    return {each["partition"]: each for row in listed() for c in row["consumers"] for each in c["partitions"]}


def make_row(**fields: Any) -> Process:
    return Process.objects.create(**{"kind": "consumer", "host": "web", "pid": 7, "state": "running"} | fields)
