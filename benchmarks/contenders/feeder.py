"""Writes to a topic, a message at a time, each with the moment at which it was produced, until it is ended."""

from __future__ import annotations

import sys
from time import monotonic_ns, sleep

from confluent_kafka import Producer

from ..workload import VALUE_BYTES, key

PAUSE_SECONDS = 0.005


def feed(servers: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0, "acks": "all"})
    number = 0
    while True:
        value = b"%020d" % monotonic_ns()
        producer.produce(topic, value.ljust(VALUE_BYTES, b"x"), key(number))
        producer.flush()
        number += 1
        sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    feed(sys.argv[1], sys.argv[2])
