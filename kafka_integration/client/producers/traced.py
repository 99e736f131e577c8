"""The relay's producer where each row on its way has a span, in the trace of who published it."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError

from ...conf.producers import ProducerSettings
from ...headers import Headers
from ...tracing import Sending, Tracing, tracing_of
from .ordered import OrderedProducer


def ordered_producer(settings: ProducerSettings, *, name: str, careful: bool = False) -> OrderedProducer:
    """The relay's producer, traced where the settings say so."""
    tracing = tracing_of(wanted=settings.tracing)
    if tracing is None:
        return OrderedProducer(settings, name=name, careful=careful)
    return TracedOrderedProducer(settings, tracing, name=name, careful=careful)


class TracedOrderedProducer(OrderedProducer):
    """An ``OrderedProducer`` whose messages each have a span, from the hand-over to what becomes of them."""

    def __init__(self, settings: ProducerSettings, tracing: Tracing, *, name: str, careful: bool) -> None:
        self._tracing = tracing
        self._spans: dict[int, Sending] = {}
        super().__init__(settings, name=name, careful=careful)

    def send(
        self,
        row_id: int,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Headers,
        partition: int,
        timestamp_ms: int,
    ) -> None:
        # Headers go out as they were written: what is added to a copy is nobody's context.
        sending = self._spans[row_id] = self._tracing.sending(topic, [*headers])
        try:
            super().send(row_id, topic, value, key, headers, partition, timestamp_ms)
        except BaseException as error:
            if self._spans.pop(row_id, None) is not None:
                sending.failed(error)
            raise

    def note_delivery(self, row_id: int, topic: str, size: int, error: KafkaError | None, message: Any) -> None:
        super().note_delivery(row_id, topic, size, error, message)
        sending = self._spans.pop(row_id, None)
        if sending is None:
            return
        if error is None:
            sending.arrived(message.partition(), message.offset())
        else:
            sending.failed(self.error_of(error, topic))
