"""Large messages wait for a slow handler: large by their values, by their keys, or by their headers.

Whatever makes them large, a worker holds only so much of them: its resident memory stays under 250 MiB.
"""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Producer

from tests.faults.watching import elapse, resident_mib

SIZE = 100_000
RECORDS = 4000
PARTITIONS = 4
# Of what librdkafka holds it counts the values alone: keys and headers come on top until the partitions are paused.
BOUND_MIB = 250

LARGE: dict[str, dict[str, Any]] = {
    "values": {"value": b"x" * SIZE},
    "keys": {"key": b"x" * SIZE},
    "a header": {"headers": [("large", b"x" * SIZE)]},
    "many headers": {"headers": [("small", b"x" * 10)] * 1000},
}


def send(scenario: Any, records: int, **message: Any) -> None:
    producer = Producer({"bootstrap.servers": scenario.bootstrap, "linger.ms": 20})
    for number in range(records):
        producer.produce(scenario.topic, partition=number % PARTITIONS, **message)
        if number % 500 == 0:
            assert producer.flush(60) == 0
    assert producer.flush(60) == 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "what", ["a header", *(pytest.param(what, marks=pytest.mark.faults) for what in LARGE if what != "a header")]
)
def test_resident_memory_stays_under_its_bound(new_scenario: Any, what: str) -> None:
    scenario = new_scenario(config={"retention.ms": "600000"})
    scenario.consumer |= {"message_handler": "tests.workload.handlers.slow", "value_deserializer": "bytes"}
    send(scenario, RECORDS, **LARGE[what])
    worker = scenario.worker(env={"HANDLER_SECONDS": "0.01"})
    worker.wait_for_output("assigned", 40)

    elapse(6)

    highest = resident_mib(worker.pid, highest=True)
    print(f"{what}: {highest:.0f} MiB at most")
    assert highest < BOUND_MIB
    assert worker.terminate() == 0
    assert " handled" in worker.output()
