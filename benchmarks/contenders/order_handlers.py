"""Handlers that save a model for each message."""

from __future__ import annotations

import time
from threading import Lock

from kafka_integration import Message

from .orders import TABLE, Writing
from .shop.models import Order

SLEEP_SECONDS = 0.010

orders = Writing(TABLE)
lock = Lock()


def save(message: Message) -> None:
    value = message.value
    Order(number=value["number"], user=value["user"], amount=value["amount"]).save()
    orders.meter.add(value["size"])


def save_after_waiting(message: Message) -> None:
    with lock:
        orders.meter.begin_once()
    time.sleep(SLEEP_SECONDS)
    value = message.value
    Order(number=value["number"], user=value["user"], amount=value["amount"]).save()
    with lock:
        orders.meter.add(value["size"])
