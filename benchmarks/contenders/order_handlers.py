"""The handler that saves a model, and what it tells of that."""

from __future__ import annotations

from kafka_integration import Message

from .orders import Orders
from .shop.models import Order

orders = Orders()


def save(message: Message) -> None:
    value = message.value
    Order(number=value["id"], user=value["user"], amount=value["amount"]).save()
    orders.meter.add(value["size"])
