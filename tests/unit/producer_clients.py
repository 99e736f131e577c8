"""Clients that producers are built on, which a test answers for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaError, KafkaException, Message

DELIVERED = Message(topic="t", partition=1, offset=7, timestamp=(TIMESTAMP_CREATE_TIME, 1000))


class Metadata:
    """What list_topics() answers, one answer after the other and the last for ever."""

    def __init__(self, *answers: int | KafkaError | KafkaException) -> None:
        self.answers = list(answers)
        self.asked = 0

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, KafkaException):
            raise answer
        error = answer if isinstance(answer, KafkaError) else None
        partitions = {} if error else {number: object() for number in range(int(answer))}  # type: ignore[call-overload]
        return SimpleNamespace(topics={topic: SimpleNamespace(error=error, partitions=partitions)})


class Client(Metadata):
    """A producer that keeps what it is given, until told what became of it."""

    def __init__(self, *answers: int | KafkaError) -> None:
        super().__init__(*(answers or (4,)))
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    def produce(self, topic: str, **message: Any) -> None:
        self.sent.append(message)

    def settle(self, error: KafkaError | None = None) -> None:
        for message in self.sent:
            message["on_delivery"](error, DELIVERED)
        self.sent.clear()

    def poll(self, timeout: float = -1) -> int:
        return 0

    def flush(self, timeout: float = -1) -> int:
        return len(self.sent)

    def purge(self) -> None:
        self.settle(KafkaError(KafkaError._PURGE_QUEUE))

    def close(self) -> bool:
        self.closed = True
        return True

    def __len__(self) -> int:
        return len(self.sent)
