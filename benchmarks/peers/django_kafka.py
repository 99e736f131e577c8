"""django-kafka: a topic's `consume`, offsets stored after each message, as its documentation has it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import django
from django.conf import settings

from benchmarks.contenders.meter import Meter, work
from benchmarks.workload import keyed

settings.configure(
    SECRET_KEY="benchmarks",
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django_kafka"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DJANGO_KAFKA={
        "GLOBAL_CONFIG": {"bootstrap.servers": work().servers},
        "CONSUMER_CONFIG": {
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "topic.metadata.refresh.interval.ms": 10000,
            "fetch.queue.backoff.ms": 10,
        },
    },
)
django.setup()

from django_kafka import kafka  # noqa: E402 - it reads the settings
from django_kafka.consumer import Consumer, Topics  # noqa: E402
from django_kafka.serialization import NoOpSerializer  # noqa: E402
from django_kafka.topic import TopicConsumer, TopicProducer  # noqa: E402


def each() -> None:
    meter = Meter(work().messages)
    consume(lambda value: meter.add(len(value)))


def each_json() -> None:
    meter = Meter(work().messages)
    consume(lambda value: meter.add(json.loads(value)["size"]))


def consume(handle: Callable[[bytes], None]) -> None:
    class Bench(TopicConsumer):
        name = work().topic

        def consume(self, msg: object) -> None:
            handle(msg.value())  # type: ignore[attr-defined]

    class Bencher(Consumer):
        topics = Topics(Bench())
        config = {"group.id": work().group}

    Bencher().start()


def produce() -> None:
    class Out(TopicProducer):
        name = work().topic
        key_serializer = value_serializer = NoOpSerializer

    meter, values, topic = Meter(work().messages), keyed(work().messages), Out()
    meter.begin()
    for key, value in values:
        while True:
            try:
                topic.produce(value, key=key)
                break
            except BufferError:
                kafka.producer.poll(0.05)
        kafka.producer.poll(0)
    kafka.producer.flush()
    meter.add_many(len(values), sum([len(value) for _, value in values]))


FORMS = {"each": each, "json": each_json, "produce": produce}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()
