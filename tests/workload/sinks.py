"""A sink whose every write leaves a row of its own, so that a repeat is seen."""

from __future__ import annotations

from itertools import count
from time import monotonic_ns
from typing import Any

from kafka_integration import Message
from kafka_integration.sinks import ModelSink
from tests.workload.handlers import effect_of, obey, pause
from tests.workload.models import Effect

_numbers = count()


class Effects(ModelSink):
    model = Effect

    def row(self, message: Message) -> dict[str, Any]:
        began, orders = monotonic_ns(), message.json()
        pause(obey(message, orders))
        effect = effect_of(message, orders, began)
        values = {field.attname: getattr(effect, field.attname) for field in Effect._meta.concrete_fields}
        # By time, as the effects of a key are looked at in the order of their ids; and no other has it.
        return {**values, "id": (monotonic_ns() << 12) + next(_numbers) % 4096}
