"""A million records wait, and the handler is slow.

However much waits, a worker holds only so much of it: its resident memory stays under 250 MiB, and it begins at once.
"""

from __future__ import annotations

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.faults.watching import elapse, resident_mib

RECORDS = 1_000_000
BOUND_MIB = 250
PAYLOAD = b"x" * 200


@pytest.fixture(scope="module")
def backlog(kafka):
    """One backlog for all of the tests here; each reads it with a group of its own."""
    topic = "backlog-of-a-million"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(topic, 4)])[topic].result(30)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 50, "queue.buffering.max.kbytes": 200_000})
    for number in range(RECORDS):
        producer.produce(topic, PAYLOAD, partition=number % 4)
        if number % 10_000 == 0:
            producer.flush(60)
    assert producer.flush(60) == 0
    yield topic
    admin.delete_topics([topic])[topic].result(30)


@pytest.mark.faults
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("handler", "offset_storage", "concurrency"),
    [("slow", "kafka", 1), ("slow", "kafka", 4), ("slow", "database", 4), ("SlowBatch", "kafka", 1)],
)
def test_resident_memory_stays_under_its_bound(scenario, backlog, handler, offset_storage, concurrency):
    worker = scenario.worker(
        topics=[backlog],
        message_handler=f"tests.workload.handlers.{handler}",
        offset_storage=offset_storage,
        concurrency=concurrency,
        env={"HANDLER_SECONDS": "0.005"},
    )
    worker.wait_for_output("assigned", 40)

    elapse(45)

    highest = resident_mib(worker.pid, highest=True)
    print(f"{highest:.0f} MiB at most")
    assert highest < BOUND_MIB
    assert worker.terminate() == 0
    assert " handled" in worker.output()
