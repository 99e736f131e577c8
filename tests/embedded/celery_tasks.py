"""A Celery app whose tasks produce: what is between its workers and those who call them is a folder."""

from __future__ import annotations

import os
from pathlib import Path

import celery
import django
from django.conf import settings

folder = Path(os.environ["TASKS_FOLDER"])
settings.configure(
    KAFKA={
        "endpoints": [os.environ["TASKS_KAFKA"]],
        # So long that only somebody's flush sends what was produced last.
        "producer": {"shutdown_grace_seconds": 5, "linger_ms": 60_000},
    },
    USE_TZ=True,
    DATABASES={},
    LOGGING_CONFIG=None,
)
django.setup()

app = celery.Celery("tasks", broker="filesystem://", set_as_current=False)
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(folder / "queue"),
        "data_folder_out": str(folder / "queue"),
        "control_folder": str(folder / "control"),
        "polling_interval": 0.05,
    },
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
)


@app.task(name="send")
def send(topic: str, value: str) -> None:
    from kafka_integration import produce

    produce(topic, value)


@app.task(name="send_and_wait")
def send_and_wait(topic: str, value: str) -> None:
    from kafka_integration import produce_sync

    produce_sync(topic, value, timeout=20)
