"""How long a message takes from before it is produced to its handler: our handler, and the client's `poll()` loop."""

from __future__ import annotations

from confluent_kafka import Message as RawMessage

from kafka_integration import Message

from .latencies import Latencies
from .raw import poll

latencies = Latencies()


def handle(message: Message) -> None:
    latencies.note(message.value)


def handle_raw(message: RawMessage) -> None:
    latencies.note(message.value() or b"")


if __name__ == "__main__":
    poll(handle_raw)
