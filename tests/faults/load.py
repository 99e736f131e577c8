"""Records for a topic, and which of them the broker acknowledged."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from tests.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """``offset`` is None where a broker found that it had the record already, and did not say where."""

    partition: int
    offset: int | None
    key: str
    seq: int


class Load:
    """Produces records with keys, numbered per key; ``acknowledged`` is what must have its effect."""

    def __init__(
        self, bootstrap: str, topic: str, *, keys: int = 20, properties: Mapping[str, Any] | None = None
    ) -> None:
        self.topic = topic
        self.acknowledged: list[Acknowledged] = []
        self.refused: list[KafkaError] = []
        self._keys = [f"key-{number}" for number in range(keys)]
        self._sent: Counter[str] = Counter()
        self._turn = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                # With more, what is acknowledged may be lost on its way to a new partition (KAFKA-15591).
                "max.in.flight": 1,
                "linger.ms": 5,
                # A broker that is down is waited for: what was sent arrives in the end, or the scenario is wrong.
                "message.timeout.ms": 300_000,
                # After a freeze librdkafka may believe that there are no brokers, for five minutes by default.
                "metadata.recovery.rebootstrap.trigger.ms": 5_000,
                "log_level": 0,
                **(properties or {}),
            }
        )

    def send(self, count: int = 1, *, key: str | None = None, partition: int | None = None, **orders: Any) -> None:
        """Queue records, keys in turn; ``orders`` go to the handler in each of them."""
        place = {} if partition is None else {"partition": partition}
        for _ in range(count):
            chosen = key or self._next_key()
            self._sent[chosen] += 1
            seq = self._sent[chosen]
            failures = {"fail": fail} if (fail := self.failures_of(chosen, seq)) else {}
            value = json.dumps({"seq": seq, **failures, **orders})
            note = self._noting(chosen, seq)
            self._producer.produce(self.topic, value.encode(), chosen.encode(), on_delivery=note, **place)
            self._producer.poll(0)

    def failures_of(self, key: str, seq: int) -> int:
        """How many attempts at this record its handler is told to fail."""
        return 0

    def wait_for_partitions(self, number: int) -> None:
        """Until the producer knows so many partitions of its topic."""

        def known() -> bool:
            return len(self._producer.list_topics(self.topic, timeout=5).topics[self.topic].partitions) >= number

        wait_for(known, 20, f"{number} partitions of {self.topic}")

    def flush(self, timeout: float = 60.0) -> None:
        left = self._producer.flush(timeout)
        assert not left, f"{left} records were not acknowledged within {timeout:g} s"
        assert not self.refused, f"the broker refused {len(self.refused)} records: {self.refused[0]}"

    def sent(self, count: int = 1, **options: Any) -> None:
        """Send and wait for the acknowledgements."""
        self.send(count, **options)
        self.flush()

    @contextmanager
    def flowing(self, per_second: float, **orders: Any) -> Iterator[None]:
        """Records all the time that the block takes; acknowledged at its end."""
        over = threading.Event()

        def flow() -> None:
            while not over.wait(0.05):
                self.send(max(1, round(per_second * 0.05)), **orders)

        thread = threading.Thread(target=flow)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        self.flush(120)

    def _next_key(self) -> str:
        self._turn += 1
        return self._keys[self._turn % len(self._keys)]

    def _noting(self, key: str, seq: int) -> Any:
        def note(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.refused.append(error)
            else:
                self.acknowledged.append(Acknowledged(message.partition(), message.offset(), key, seq))

        return note
