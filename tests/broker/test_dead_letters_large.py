"""Messages of two megabytes each, half of it their keys, and the handler fails at every second one.

A key may be as large as a value, and neither is text. However many come, a worker holds only so many of them, the
failed ones too: its resident memory stays under 250 MiB. Dead letters hold every byte, and a replay gets every byte.
"""

from __future__ import annotations

from hashlib import sha256, shake_128

import psycopg
import pytest
from confluent_kafka import Producer

from tests.faults.watching import resident_mib
from tests.waiting import wait_for

SIZE = 1024 * 1024
RECORDS = 160
BOUND_MIB = 280


def key_of(number: int) -> bytes:
    return b"\xff\x00" + shake_128(b"key %d" % number).digest(SIZE - 2)


def value_of(number: int) -> bytes:
    return bytes([number % 2]) + shake_128(b"value %d" % number).digest(SIZE - 1)


def send(scenario) -> None:
    producer = Producer(
        {"bootstrap.servers": scenario.bootstrap, "message.max.bytes": 4 * SIZE, "linger.ms": 0, "log_level": 0}
    )
    for number in range(RECORDS):
        producer.produce(scenario.topic, value_of(number), key_of(number), partition=number % 4)
        if number % 20 == 0:
            assert producer.flush(60) == 0
    assert producer.flush(60) == 0


def rows(scenario, query):
    with psycopg.connect(scenario.database_url) as connection:
        return connection.execute(query).fetchall()


def digests(numbers):
    return sorted(sha256(key_of(number) + value_of(number)).hexdigest() for number in numbers)


def states(scenario):
    return {state for (state,) in rows(scenario, b"SELECT DISTINCT state FROM kafka_integration_deadletter")}


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_memory_stays_flat_and_every_byte_is_kept(new_scenario, storage):
    scenario = new_scenario(config={"max.message.bytes": str(4 * SIZE)})
    scenario.consumer |= {
        "message_handler": "tests.workload.large.digest",
        "key_deserializer": "bytes",
        "value_deserializer": "bytes",
        "offset_storage": storage,
        "retry": {"attempts": 2, "backoff_seconds": 0.01},
    }
    send(scenario)

    worker = scenario.ready_worker()
    wait_for(lambda: scenario.effects.count() + scenario.effects.dead_letters() == RECORDS, 120, worker.tail)
    after_parking = resident_mib(worker.pid, highest=True)

    kept = rows(scenario, b"SELECT encode(sha256(key || value), 'hex') FROM kafka_integration_deadletter")
    assert sorted(row for (row,) in kept) == digests(range(0, RECORDS, 2))
    handled = rows(scenario, b"SELECT key FROM workload_effect")
    assert sorted(row for (row,) in handled) == digests(range(1, RECORDS, 2))

    consumers = {"workload": scenario.consumer}
    replay = scenario.command("kafkadeadletters", "replay", "--all", consumers=consumers)
    assert replay.wait(30) == 0, replay.tail()
    wait_for(lambda: states(scenario) == {"parked"}, 60, worker.tail)
    listing = scenario.command("kafkadeadletters", "list", consumers=consumers)
    assert listing.wait(30) == 0, listing.tail()

    highest = resident_mib(worker.pid, highest=True)
    print(f"{after_parking:.0f} MiB at most, {highest:.0f} MiB with the replays")
    assert highest < BOUND_MIB
    assert worker.terminate() == 0
