"""aiokafka: its iterator with automatic commits, and `getmany` with a commit a second, as it documents them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from time import monotonic

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.contenders.latencies import Latencies
from benchmarks.contenders.meter import Meter, work
from benchmarks.workload import BATCH, keyed


async def each() -> None:
    meter = Meter(work().messages)
    async for message in await consumer():
        meter.add(len(message.value))


async def each_json() -> None:
    meter = Meter(work().messages)
    async for message in await consumer(value_deserializer=json.loads):
        meter.add(message.value["size"])


async def latency() -> None:
    latencies = Latencies()
    async for message in await consumer():
        latencies.note(message.value)


async def batch() -> None:
    meter, reader, committed = Meter(work().messages), await consumer(enable_auto_commit=False), monotonic()
    while True:
        for messages in (await reader.getmany(timeout_ms=1000, max_records=BATCH)).values():
            meter.add_many(len(messages), sum([len(message.value) for message in messages]))
        if monotonic() - committed > 1:
            await reader.commit()
            committed = monotonic()


async def produce() -> None:
    meter, values = Meter(work().messages), keyed(work().messages)
    producer = AIOKafkaProducer(bootstrap_servers=work().servers, acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    meter.begin()
    for start in range(0, len(values), BATCH):
        some = values[start : start + BATCH]
        await asyncio.gather(*[await producer.send(work().topic, value, key) for key, value in some])
        meter.add_many(len(some), sum([len(value) for _, value in some]))


async def consumer(**options: object) -> AIOKafkaConsumer:
    started = AIOKafkaConsumer(
        work().topic,
        bootstrap_servers=work().servers,
        group_id=work().group,
        auto_offset_reset="earliest",
        **options,
    )
    await started.start()
    return started


FORMS: dict[str, Callable[[], Awaitable[None]]] = {
    "each": each,
    "json": each_json,
    "batch": batch,
    "latency": latency,
    "produce": produce,
}

if __name__ == "__main__":
    asyncio.run(FORMS[sys.argv[1]]())  # type: ignore[arg-type]
