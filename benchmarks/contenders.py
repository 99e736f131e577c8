"""One contender, one run, in a process of its own: prints its figures as a line of JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TypedDict

import django
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from . import relaying, workload
from .handlers import Meter, meter

BATCH = 500
TUNED = {"fetch.queue.backoff.ms": 10}


class Figures(TypedDict):
    rate: float
    cpu_us: float
    peak_mib: float


def raw_poll(servers: str, messages: int, handle: Callable[[Message], int]) -> None:
    """At least once, as the client's documentation has it."""
    consumer = _raw_consumer(servers, {})
    while meter.count < messages:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        _count(meter, handle(message))
        consumer.store_offsets(message=message)
    consumer.close()


def raw_consume(servers: str, messages: int, properties: dict[str, int] | None = None) -> None:
    consumer = _raw_consumer(servers, TUNED if properties is None else properties)
    while meter.count < messages:
        last: dict[int | None, Message] = {}
        for message in consumer.consume(BATCH, 1.0):
            if message.error():
                continue
            _count(meter, _read(message))
            last[message.partition()] = message
        if last:
            consumer.store_offsets(
                offsets=[
                    TopicPartition(workload.TOPIC, p, (m.offset() or 0) + 1) for p, m in last.items() if p is not None
                ]
            )
    consumer.close()


def ours(name: str) -> None:
    """As ``runconsumer`` runs it."""
    django.setup()
    from kafka_integration.conf import get_settings
    from kafka_integration.operating.runner import RunOptions, StopRequest, run_consumers

    status = run_consumers([get_settings().consumers[name]], RunOptions(until_caught_up=True), StopRequest())
    if status:
        raise SystemExit(status)


def raw_produce(servers: str, messages: int) -> None:
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "linger.ms": 5,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
        }
    )

    def confirmed(error: object, message: Message) -> None:
        if error is None:
            meter.count += 1

    values = [workload.value(number) for number in range(messages)]
    meter.began = perf_counter()
    for number, value in enumerate(values):
        producer.produce(
            f"{workload.TOPIC}-out", value, key=b"user-%d" % (number % workload.KEYS), on_delivery=confirmed
        )
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush(60)
    meter.ended = perf_counter()


def our_produce(messages: int) -> None:
    django.setup()
    from kafka_integration import produce

    values = [workload.value(number) for number in range(messages)]
    meter.began = perf_counter()
    deliveries = [
        produce(f"{workload.TOPIC}-out", value, key=b"user-%d" % (number % workload.KEYS))
        for number, value in enumerate(values)
    ]
    for delivery in deliveries:
        delivery.result(60)
    meter.ended = perf_counter()
    meter.count = messages


def _raw_consumer(servers: str, properties: dict[str, int]) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"raw-{os.getpid()}",
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            **properties,
        }
    )
    consumer.subscribe([workload.TOPIC])
    return consumer


def _count(meter: Meter, size: int) -> None:
    if not meter.count:
        meter.began = perf_counter()
    meter.count += 1
    meter.size += size
    meter.ended = perf_counter()


def _read(message: Message) -> int:
    return len(message.value() or b"")


def _decode(message: Message) -> int:
    return len(json.loads(message.value() or b"{}"))


def main(name: str, servers: str, messages: int) -> None:
    runs: dict[str, Callable[[], None]] = {
        "raw-poll": lambda: raw_poll(servers, messages, _read),
        "raw-poll-json": lambda: raw_poll(servers, messages, _decode),
        "raw-consume": lambda: raw_consume(servers, messages),
        "raw-consume-default": lambda: raw_consume(servers, messages, {}),
        "raw-produce": lambda: raw_produce(servers, messages),
        "produce": lambda: our_produce(messages),
        "plain-relay": lambda: relaying.plain_loop(servers, messages),
        "relay": lambda: relaying.our_relay(messages),
    }
    runs.get(name, lambda: ours(name))()
    if meter.count < messages:
        raise SystemExit(f"only {meter.count} of {messages} records")
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_microseconds = (used.ru_utime + used.ru_stime - meter.cpu_before) / meter.count * 1e6
    print(json.dumps(Figures(rate=meter.count / meter.seconds(), cpu_us=cpu_microseconds, peak_mib=_peak_mib())))


def _peak_mib() -> float:
    """Of this process alone: what getrusage gives begins with the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
