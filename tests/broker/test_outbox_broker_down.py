"""Kafka is down, and the outbox grows.

Publishing goes on, because it never speaks to Kafka. With 100,000 rows waiting the relay's memory stays where it was,
because it takes only as many rows as it may have on their way. When Kafka is back, everything drains, nothing twice,
and the whole outage cost a few lines in the log.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_integration.outbox.forwarder import MAX_BYTES_IN_FLIGHT, MEMORY_BOUND_BYTES
from tests.processes import ChildProcess
from tests.publishing.scenario import OUTBOX, PublishingScenario
from tests.services.kafka import KafkaCluster
from tests.waiting import wait_for

ROWS = 100_000
MIB = 1024


@pytest.fixture
def own_kafka(start_kafka: Callable[..., KafkaCluster]) -> KafkaCluster:
    return start_kafka()


@pytest.fixture
def scenario(publishing_url: str, manage, own_kafka: KafkaCluster) -> PublishingScenario:
    topic = "outage"
    with AdminClient({"bootstrap.servers": own_kafka.bootstrap}) as admin:
        admin.create_topics([NewTopic(topic, 4)])[topic].result(30)
    return PublishingScenario(
        bootstrap=own_kafka.bootstrap, topic=topic, database_url=publishing_url, start_manage=manage
    )


def memory_kib(process: ChildProcess, field: str) -> int:
    """VmRSS or VmHWM of a process."""
    with open(f"/proc/{process.pid}/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1])


@pytest.mark.faults
def test_a_hundred_thousand_rows_wait_in_little_memory_and_then_drain(
    scenario: PublishingScenario, own_kafka: KafkaCluster
) -> None:
    relay = scenario.active_relay()
    scenario.insert("warm")
    scenario.wait_empty()
    before = memory_kib(relay, "VmRSS")
    own_kafka.kill()

    scenario.insert("x" * 200, key="k", count=ROWS)
    relay.wait_for_output("ERROR kafka_integration.client")
    wait_for(lambda: scenario.waiting() == ROWS, 10)
    down = memory_kib(relay, "VmRSS")
    own_kafka.restart()
    scenario.wait_empty(90)

    assert down < before + 32 * MIB
    assert memory_kib(relay, "VmHWM") < before + 64 * MIB
    assert len({message.event_id for message in scenario.arrived()}) == ROWS + 1
    assert scenario.repeats() == 0
    assert relay.output().count("ERROR") <= 3
    assert relay.terminate() == 0


@pytest.mark.faults
def test_large_headers_wait_within_the_bound_of_the_relay(
    scenario: PublishingScenario, own_kafka: KafkaCluster
) -> None:
    relay = scenario.active_relay()
    scenario.insert("warm")
    scenario.wait_empty()
    before = memory_kib(relay, "VmRSS")
    own_kafka.kill()

    scenario.execute(
        f"INSERT INTO {OUTBOX} (topic, value, headers, refusal) "
        "SELECT %s, '', json_build_array(json_build_array('ce_id', gen_random_uuid()::text), "
        "json_build_array('large', repeat('x', 400000))), '' FROM generate_series(1, 300)",
        scenario.topic,
    )
    wait_for(lambda: memory_kib(relay, "VmRSS") > before + MAX_BYTES_IN_FLIGHT // 1024, 20)
    own_kafka.restart()
    scenario.wait_empty(60)

    growth = memory_kib(relay, "VmHWM") - before
    print(f"relay with large headers: {growth // 1024} of {MEMORY_BOUND_BYTES // 1024 // MIB} MiB")
    assert growth < MEMORY_BOUND_BYTES // 1024
    assert relay.terminate() == 0


@pytest.mark.faults
def test_publishing_succeeds_without_kafka_and_a_relay_that_starts_before_it_waits(
    scenario: PublishingScenario, own_kafka: KafkaCluster
) -> None:
    own_kafka.kill()
    scenario.play("one")
    relay = scenario.active_relay()
    relay.wait_for_output("ERROR kafka_integration.client")

    own_kafka.restart()

    scenario.wait_empty()
    assert [message.value for message in scenario.arrived()] == [b"one"]


def test_a_relay_stops_within_five_seconds_though_kafka_is_down(
    scenario: PublishingScenario, own_kafka: KafkaCluster
) -> None:
    relay = scenario.active_relay()
    scenario.insert("warm")
    scenario.wait_empty()
    own_kafka.kill()
    scenario.insert("x", count=50)
    relay.wait_for_output("ERROR kafka_integration.client")

    assert relay.terminate(5) == 0
    assert scenario.waiting() == 50


def test_a_broker_that_restarts_under_load_loses_and_repeats_nothing(
    scenario: PublishingScenario, own_kafka: KafkaCluster
) -> None:
    scenario.active_relay()
    writers = scenario.writers("--writers=6", "--transactions=80", "--delay-ms=40")
    scenario.wait_arrived(50)

    own_kafka.kill()
    own_kafka.restart()

    assert writers.wait(90) == 0, writers.tail()
    scenario.wait_empty(60)
    scenario.assert_published_means_arrived()
    scenario.assert_first_appearances_in_order()
    assert scenario.repeats() == 0
