"""The records that are read and written: keyed JSON of about 200 bytes."""

from __future__ import annotations

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC = "bench"
PARTITIONS = 4
VALUE_BYTES = 200
KEYS = 5000
MOST_PRODUCED = 300_000
MOST_RELAYED = 100_000


def value(number: int) -> bytes:
    user, amount = number % KEYS, number % 997
    head = f'{{"id": {number}, "event": "order.created", "user": "user-{user}", "amount": {amount}, "note": "'
    return (head + "x" * (VALUE_BYTES - len(head) - 2) + '"}').encode()


def fill(servers: str, count: int) -> None:
    """A topic with ``count`` records."""
    admin = AdminClient({"bootstrap.servers": servers})
    for created in admin.create_topics(
        [NewTopic(TOPIC, PARTITIONS, 1), NewTopic(f"{TOPIC}-out", PARTITIONS, 1)]
    ).values():
        created.result(30)
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    for number in range(count):
        while True:
            try:
                producer.produce(TOPIC, value(number), key=b"user-%d" % (number % KEYS))
                break
            except BufferError:
                producer.poll(0.05)
        if number % 1000 == 0:
            producer.poll(0)
    if left := producer.flush(60):
        raise SystemExit(f"{left} records could not be written")
