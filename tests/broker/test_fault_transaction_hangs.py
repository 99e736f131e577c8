"""A transaction that hangs: its producer is gone without an end, and what came behind it can't be read.

The log names the partition, the offset and the reason; nobody's handler is called stuck, nothing is skipped, the other
partitions flow. Once the transaction is aborted, what waited behind it is handled, once.
"""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Producer

from tests.waiting import wait_for

PARTITION_HELD_UP, ANOTHER = 0, 1


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_the_log_says_which_partition_it_holds_up_and_all_is_handled_in_the_end(scenario, offset_storage):
    scenario.consumer |= {"offset_storage": offset_storage}
    worker = scenario.ready_worker()
    scenario.load.sent(20, partition=PARTITION_HELD_UP)
    identity = f"hangs-{uuid.uuid4().hex[:8]}"
    hanging = begin_and_leave_open(scenario, identity)
    scenario.load.sent(10, partition=PARTITION_HELD_UP)
    # With a key of its own: between partitions there is no order.
    scenario.load.sent(10, partition=ANOTHER, key="another")
    scenario.wait_handled(count=30)

    said = worker.wait_for_output(r"WARNING .* can't be read beyond offset (\d+), its end is (\d+): a producer's", 120)

    assert f"{scenario.topic}[{PARTITION_HELD_UP}] can't be read beyond" in said[0]
    assert (said[1], said[2]) == ("20", "35")
    assert "in the handler's hands" not in worker.output()
    assert scenario.effects.count() == 30
    # The next producer of that name ends what the former one left.
    transactional_producer(scenario, identity).init_transactions(30)
    scenario.wait_handled()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    wait_for(lambda: scenario.committed.read().get(PARTITION_HELD_UP) == 36, 20, worker.tail)
    assert worker.terminate() == 0
    del hanging


def begin_and_leave_open(scenario, identity: str) -> Producer:
    """Five records of a transaction that nobody ends."""
    producer = transactional_producer(scenario, identity)
    producer.init_transactions(30)
    producer.begin_transaction()
    for _ in range(5):
        producer.produce(scenario.topic, b"{}", partition=PARTITION_HELD_UP)
    assert producer.flush(30) == 0
    return producer


def transactional_producer(scenario, identity: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": scenario.bootstrap,
            "transactional.id": identity,
            "transaction.timeout.ms": 900_000,
            "log_level": 0,
        }
    )
