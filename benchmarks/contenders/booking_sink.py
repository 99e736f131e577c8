"""The sink as a project declares it, which tells besides what it has written."""

from __future__ import annotations

from kafka_integration import Messages
from kafka_integration.sinks import ModelSink

from .bookings import TABLE
from .orders import Writing
from .shop.models import Booking

bookings = Writing(TABLE)


class BookingSink(ModelSink):
    model = Booking
    match_fields = ("number",)
    fields = ("number", "user", "amount")

    def handle_messages(self, messages: Messages) -> None:
        bookings.meter.begin_once()
        sizes = [len(message.value_bytes or b"") for message in messages]
        super().handle_messages(messages)
        bookings.meter.add_many(len(sizes), sum(sizes))
