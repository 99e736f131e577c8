"""Records for the topics of the mixed hour, and where and when each was written."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from tests.alarms.truth import Place
from tests.waiting import wait_for


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A record as the broker acknowledged it."""

    place: Place
    offset: int
    acknowledged_at: float
    timestamp_ms: int


class Sender:
    """Any thread may send."""

    def __init__(self, bootstrap: str) -> None:
        self.sent: list[Sent] = []
        self.refused: list[KafkaError] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 300_000,
                "metadata.recovery.rebootstrap.trigger.ms": 5_000,
                "log_level": 0,
            }
        )
        self._over = threading.Event()
        # Acknowledgements are noted when they come, whether anybody sends or not.
        # A daemon: where one of the acts fails, nobody closes this.
        self._thread = threading.Thread(target=self._note_all, name="acknowledgements", daemon=True)
        self._thread.start()

    def send(self, place: Place, key: str, **orders: Any) -> None:
        """Queue one record; ``orders`` go to the handler in it."""
        self._produce(place, key, orders, self._note)

    def send_now(self, place: Place, key: str, **orders: Any) -> Sent:
        """Where the record is, once it is there."""
        found: list[Sent] = []

        def note(error: KafkaError | None, message: Message) -> None:
            found.extend(filter(None, [self._note(error, message)]))

        self._produce(place, key, orders, note)
        # As patient as the producer is, as the broker may be away.
        wait_for(lambda: found, 300, f"a record for {place} is acknowledged")
        return found[0]

    def close(self) -> None:
        self._producer.flush(30)
        self._over.set()
        self._thread.join()

    def _produce(self, place: Place, key: str, orders: dict[str, Any], note: Any) -> None:
        topic, partition = place
        value = json.dumps({"seq": next(self._numbers), **orders}).encode()
        self._producer.produce(topic, value, key.encode(), partition=partition, on_delivery=note)

    def _note_all(self) -> None:
        while not self._over.is_set():
            self._producer.poll(0.1)

    def _note(self, error: KafkaError | None, message: Message) -> Sent | None:
        if error is not None:
            self.refused.append(error)
            return None
        offset, place = message.offset(), (message.topic(), message.partition())
        # Where a broker found that it had the record already it doesn't say where: the next record's place does.
        if offset is None or offset < 0:
            return None
        stamp = message.timestamp()[1]
        sent = Sent(place=place, offset=offset, acknowledged_at=monotonic(), timestamp_ms=stamp)
        with self._lock:
            self.sent.append(sent)
        return sent
