"""Quix Streams: a streaming dataframe whose only step is the handler; it commits by checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Callable

from quixstreams import Application

from benchmarks.contenders.meter import Meter, work
from benchmarks.workload import keyed


def each() -> None:
    meter = Meter(work().messages)
    consume("bytes", lambda value: meter.add(len(value)))


def each_json() -> None:
    meter = Meter(work().messages)
    consume("json", lambda value: meter.add(value["size"]))


def produce() -> None:
    meter, values = Meter(work().messages), keyed(work().messages)
    app = Application(broker_address=work().servers, loglevel=None, producer_extra_config={"acks": "all"})
    with app.get_producer() as producer:
        meter.begin()
        for key, value in values:
            producer.produce(work().topic, value, key)
        producer.flush()
        meter.add_many(len(values), sum([len(value) for _, value in values]))


def consume(deserializer: str, handle: Callable[..., None]) -> None:
    app = Application(
        broker_address=work().servers,
        consumer_group=work().group,
        auto_offset_reset="earliest",
        loglevel=None,
        auto_create_topics=False,
        consumer_extra_config={"fetch.queue.backoff.ms": 10},
    )
    topic = app.topic(work().topic, value_deserializer=deserializer, key_deserializer="bytes")
    app.dataframe(topic).update(handle)
    app.run()


FORMS = {"each": each, "json": each_json, "produce": produce}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()
