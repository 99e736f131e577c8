"""Large messages wait for a slow handler: large by their values, by their keys, or by their headers.

Whatever makes them large, a worker's resident memory grows by no more than the formula says, beyond what it is of a
worker that has nothing to do. Of keys and headers librdkafka fetches up to ``prefetch_count``: by default that is much,
but then a pause comes long before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import Producer

from kafka_integration.conf.connection import Connection
from kafka_integration.conf.consumers import ConsumerSettings
from kafka_integration.consuming.fetching.memory_bound import memory_bound_bytes
from kafka_integration.sizes import record_bytes
from tests.faults.watching import elapse, resident_mib

pytestmark = pytest.mark.faults

SIZE = 100_000
RECORDS = 4000
PARTITIONS = 4
MIB = 1024 * 1024
LZ4_AT_MOST = 255
FEW = {"prefetch_count": 100}
A_HEADER = [("large", b"x" * SIZE)]
MANY_HEADERS = [("small", b"x" * 10)] * 1000


@dataclass(frozen=True, kw_only=True)
class Load:
    """Records that are all alike, and the settings that they meet."""

    value: bytes = b""
    key: bytes | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    settings: dict[str, int] = field(default_factory=dict)
    compression: str = "none"

    def bound_mib(self, *, counted: bool) -> float:
        """By the formula; ``counted`` as if librdkafka counted keys and headers too."""
        size = record_bytes(self.key, self.value, self.headers)
        consumer = ConsumerSettings(
            name="c", topics=("t",), message_handler="h", consumer_group="g", connection=Connection(), **self.settings
        )
        bound = memory_bound_bytes(
            consumer,
            partitions=PARTITIONS,
            record_bytes=size,
            value_bytes=size if counted else len(self.value),
            compression_ratio=LZ4_AT_MOST if self.compression == "lz4" else 1,
        )
        return bound / MIB


def send(scenario: Any, load: Load) -> None:
    producer = Producer(
        {"bootstrap.servers": scenario.bootstrap, "linger.ms": 20, "compression.type": load.compression}
    )
    for number in range(RECORDS):
        producer.produce(
            scenario.topic, partition=number % PARTITIONS, key=load.key, value=load.value, headers=load.headers
        )
        if number % 500 == 0:
            assert producer.flush(60) == 0
    assert producer.flush(60) == 0


def growth_mib(scenario: Any, load: Load) -> float:
    """How far a worker that meets the load goes beyond one that meets nothing."""
    slow = {"message_handler": "tests.workload.handlers.slow", "value_deserializer": "bytes"}
    scenario.consumer |= {**slow, **load.settings}
    highest = []
    for is_loaded in (False, True):
        if is_loaded:
            send(scenario, load)
        worker = scenario.worker(env={"HANDLER_SECONDS": "0.01"})
        worker.wait_for_output("assigned", 40)
        elapse(6 if is_loaded else 1)
        highest.append(resident_mib(worker.pid, highest=True))
        assert worker.terminate() == 0
    assert " handled" in worker.output()
    return highest[1] - highest[0]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "load",
    [
        pytest.param(Load(value=b"x" * SIZE), id="values"),
        pytest.param(Load(key=b"x" * SIZE, settings=FEW), id="keys"),
        pytest.param(Load(headers=A_HEADER, settings=FEW), id="a header"),
        pytest.param(Load(headers=MANY_HEADERS, settings=FEW), id="many headers"),
        pytest.param(Load(value=b"x" * SIZE, settings={"max_bytes": 16_384}, compression="lz4"), id="compressible"),
    ],
)
def test_resident_memory_grows_by_no_more_than_the_formula_says(
    new_scenario: Any, load: Load, request: pytest.FixtureRequest
) -> None:
    growth = growth_mib(new_scenario(config={"retention.ms": "600000"}), load)

    bound = load.bound_mib(counted=False)
    print(f"{request.node.callspec.id}: {growth:.0f} of {bound:.0f} MiB")
    assert growth < bound


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "load",
    [
        pytest.param(Load(headers=A_HEADER), id="a header"),
        pytest.param(Load(key=b"x" * SIZE), id="keys"),
        pytest.param(Load(headers=MANY_HEADERS), id="many headers"),
    ],
)
def test_a_pause_bounds_what_the_client_does_not_count(
    new_scenario: Any, load: Load, request: pytest.FixtureRequest
) -> None:
    growth = growth_mib(new_scenario(config={"retention.ms": "600000"}), load)

    # What arrives in the moment before it takes as long as it takes.
    bound = 2 * load.bound_mib(counted=True)
    print(f"{request.node.callspec.id}: {growth:.0f} of {bound:.0f} MiB")
    assert growth < bound
