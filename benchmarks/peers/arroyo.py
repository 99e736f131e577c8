"""sentry-arroyo: a task run on each message, or on batches, offsets committed once a second behind it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from arroyo.backends.kafka import KafkaConsumer, KafkaPayload, KafkaProducer
from arroyo.backends.kafka.configuration import (
    build_kafka_consumer_configuration,
    build_kafka_producer_configuration,
)
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import BatchStep, CommitOffsets, ProcessingStrategyFactory, RunTask
from arroyo.types import Commit, Partition, Topic

from benchmarks.contenders.meter import Meter, work
from benchmarks.workload import BATCH, keyed


class Strategy(ProcessingStrategyFactory[KafkaPayload]):
    def __init__(self, handle: Callable[[Any], None], batch_size: int | None = None) -> None:
        self._handle = handle
        self._batch_size = batch_size

    def create_with_partitions(self, commit: Commit, partitions: Mapping[Partition, int]) -> Any:
        step = RunTask(self._handle, CommitOffsets(commit))
        return BatchStep(self._batch_size, 1.0, step) if self._batch_size else step


def each() -> None:
    meter = Meter(work().messages)
    consume(Strategy(lambda message: meter.add(len(message.payload.value))))


def each_json() -> None:
    meter = Meter(work().messages)
    consume(Strategy(lambda message: meter.add(json.loads(message.payload.value)["size"])))


def batch() -> None:
    meter = Meter(work().messages)

    def handle(message: Any) -> None:
        meter.add_many(len(message.payload), sum([len(each.payload.value) for each in message.payload]))

    consume(Strategy(handle, BATCH))


def consume(strategy: Strategy) -> None:
    configuration = build_kafka_consumer_configuration(
        {"bootstrap.servers": work().servers, "fetch.queue.backoff.ms": 10},
        group_id=work().group,
        auto_offset_reset="earliest",
    )
    StreamProcessor(KafkaConsumer(configuration), Topic(work().topic), strategy).run()


def produce() -> None:
    meter, values = Meter(work().messages), keyed(work().messages)
    configuration = build_kafka_producer_configuration(
        {"bootstrap.servers": work().servers, "linger.ms": 5, "enable.idempotence": True}
    )
    producer, topic = KafkaProducer(configuration), Topic(work().topic)
    meter.begin()
    for start in range(0, len(values), BATCH):
        some = values[start : start + BATCH]
        for delivery in [producer.produce(topic, KafkaPayload(key, value, [])) for key, value in some]:
            delivery.result(60)
        meter.add_many(len(some), sum([len(value) for _, value in some]))


FORMS = {"each": each, "json": each_json, "batch": batch, "produce": produce}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()
