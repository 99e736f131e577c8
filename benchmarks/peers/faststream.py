"""FastStream with its confluent broker: a subscriber for each message or for batches, acknowledged when handled."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from faststream import AckPolicy
from faststream.confluent import KafkaBroker

from benchmarks.contenders.latencies import Latencies
from benchmarks.contenders.meter import Meter, work
from benchmarks.workload import BATCH, keyed

SLEEP_SECONDS = 0.050
MESSAGE = {"auto_offset_reset": "earliest", "ack_policy": AckPolicy.ACK}


async def undecoded(message: object) -> bytes:
    return message.body  # type: ignore[attr-defined,no-any-return]


async def each() -> None:
    meter, broker = Meter(work().messages), broker_for_consuming()

    @broker.subscriber(work().topic, group_id=work().group, decoder=undecoded, **MESSAGE)
    async def handle(body: bytes) -> None:
        meter.add(len(body))

    await run(broker)


async def each_json() -> None:
    meter, broker = Meter(work().messages), broker_for_consuming()

    @broker.subscriber(work().topic, group_id=work().group, **MESSAGE)
    async def handle(body: dict) -> None:  # type: ignore[type-arg]  # as its users write it
        meter.add(body["size"])

    await run(broker)


async def sleeping() -> None:
    """Many at a time: FastStream then acknowledges before it handles, and has no other way."""
    meter, broker = Meter(work().messages), broker_for_consuming()

    @broker.subscriber(
        work().topic,
        group_id=work().group,
        decoder=undecoded,
        auto_offset_reset="earliest",
        max_workers=1000,
    )
    async def handle(body: bytes) -> None:
        meter.begin_once()
        await asyncio.sleep(SLEEP_SECONDS)
        meter.add(len(body))

    await run(broker)


async def latency() -> None:
    latencies, broker = Latencies(), broker_for_consuming()

    @broker.subscriber(work().topic, group_id=work().group, decoder=undecoded, **MESSAGE)
    async def handle(body: bytes) -> None:
        latencies.note(body)

    await run(broker)


async def batch() -> None:
    meter, broker = Meter(work().messages), broker_for_consuming()

    @broker.subscriber(work().topic, group_id=work().group, decoder=undecoded, batch=True, max_records=BATCH, **MESSAGE)
    async def handle(bodies: list[bytes]) -> None:
        meter.add_many(len(bodies), sum([len(body) for body in bodies]))

    await run(broker)


async def produce() -> None:
    """As many at a time as a batch has: one at a time waits for each answer."""
    meter, values = Meter(work().messages), keyed(work().messages)
    async with KafkaBroker(work().servers, logger=None, acks="all") as broker:
        meter.begin()
        for start in range(0, len(values), BATCH):
            some = values[start : start + BATCH]
            await asyncio.gather(*[broker.publish(value, work().topic, key=key) for key, value in some])
            meter.add_many(len(some), sum([len(value) for _, value in some]))


def broker_for_consuming() -> KafkaBroker:
    return KafkaBroker(work().servers, logger=None, config={"fetch.queue.backoff.ms": 10})


async def run(broker: KafkaBroker) -> None:
    await broker.start()
    await asyncio.Event().wait()


FORMS: dict[str, Callable[[], Awaitable[None]]] = {
    "each": each,
    "json": each_json,
    "batch": batch,
    "latency": latency,
    "sleeping": sleeping,
    "produce": produce,
}

if __name__ == "__main__":
    asyncio.run(FORMS[sys.argv[1]]())  # type: ignore[arg-type]
