"""Which partition a key goes to: the same as with Java's client, Kaffe's, or a function of the project."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from kafka_integration import InvalidMessageError, produce, produce_batch, produce_sync
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.errors import DeliveryError
from kafka_integration.producing.partitioners import load_partitioner, md5
from tests.waiting import wait_for

# From the tests of Kafka's own org.apache.kafka.common.utils.Utils.murmur2.
JAVA_MURMUR2 = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}
PARTITIONS = 4
numbers = itertools.count()
asked: list[tuple[str, int, bytes | None, bytes | None]] = []


def last_partition(topic: str, partitions: int, key: bytes | None, value: bytes | None) -> int:
    asked.append((topic, partitions, key, value))
    return partitions - 1


def beyond(topic: str, partitions: int, key: bytes | None, value: bytes | None) -> int:
    return partitions


def broken(topic: str, partitions: int, key: bytes | None, value: bytes | None) -> int:
    raise RuntimeError("s3cret-payload")


@pytest.fixture
def topic(shared_broker: EmbeddedBroker) -> str:
    name = f"placed-{next(numbers)}"
    shared_broker.create_topics([name])
    return name


@pytest.fixture(autouse=True)
def strategy(request: pytest.FixtureRequest, shared_broker: EmbeddedBroker) -> Iterator[None]:
    marker = request.node.get_closest_marker("parametrize")
    given_strategy = getattr(request, "param", None) if marker else None
    producer = {"partition_strategy": given_strategy} if given_strategy else {}
    with override_settings(KAFKA={"endpoints": [shared_broker.servers], "producer": producer}):
        yield
        producers.close(0)


def used(*strategies: str) -> Any:
    return pytest.mark.parametrize("strategy", strategies, indirect=True)


@pytest.mark.parametrize("key", JAVA_MURMUR2)
def test_the_default_agrees_with_java(topic: str, key: str) -> None:
    metadata = produce_sync(topic, "x", key=key)

    assert metadata.partition == (JAVA_MURMUR2[key] & 0x7FFFFFFF) % PARTITIONS


def test_the_default_hashes_an_empty_key_and_spreads_null_ones(topic: str) -> None:
    empty = produce_batch(topic, [("", "x")] * 100)

    assert {metadata.partition for metadata in empty} == {confluent_kafka.murmur2(b"", PARTITIONS)}
    # librdkafka stays on one partition for a moment, to fill its batches.
    null: set[int] = set()
    wait_for(lambda: null.add(produce_sync(topic, "x").partition) or len(null) == PARTITIONS)


@used("random")
def test_random_does_not_look_at_the_key(topic: str) -> None:
    results = produce_batch(topic, [("same", "x")] * 100)

    assert len({metadata.partition for metadata in results}) > 1


@used("md5")
def test_md5_is_kaffes(topic: str) -> None:
    # In Kaffe: :crypto.hash(:md5, key) |> :binary.bin_to_list |> Enum.sum |> rem(partitions)
    results = produce_batch(topic, [("key", "x"), ("Metamorphosis", "x")])
    null = produce_batch(topic, [(None, "x")] * 100)

    # The bytes of 3c6e0b8a9c15224a8228b9a98ca1531d and of e231f70d375e02851bcc57ff1b1875b4 sum up to these.
    assert [metadata.partition for metadata in results] == [1541 % PARTITIONS, 1740 % PARTITIONS]
    assert len({metadata.partition for metadata in null}) > 1


@used("md5")
def test_a_partition_that_is_given_comes_before_the_strategy(topic: str) -> None:
    other = (md5(topic, PARTITIONS, b"key", None) + 1) % PARTITIONS

    assert produce_sync(topic, "x", key="key", partition=other).partition == other


@used(f"{__name__}.last_partition")
def test_a_function_of_the_project_gets_what_kafka_will_get(topic: str) -> None:
    asked.clear()

    metadata = produce_sync(topic, {"v": 1}, key=7)

    assert metadata.partition == PARTITIONS - 1
    assert asked == [(topic, PARTITIONS, b"7", b'{"v": 1}')]


@used(f"{__name__}.beyond")
def test_a_function_that_names_no_partition_is_refused(topic: str) -> None:
    with pytest.raises(InvalidMessageError, match=r"beyond returned 4: .* 0 to 3"):
        produce(topic, "x")


@used(f"{__name__}.broken")
def test_a_function_that_raises_refuses_the_message_without_showing_it(topic: str) -> None:
    with pytest.raises(InvalidMessageError, match="broken raised RuntimeError") as refused:
        produce(topic, "x")

    assert "s3cret" not in str(refused.value)


@used("md5")
def test_a_topic_that_is_not_there_has_no_partitions_to_choose_from() -> None:
    with pytest.raises(DeliveryError, match="does not exist"):
        produce_sync("nowhere-at-all", "x", key="k", timeout=0.5)


@given(st.binary(max_size=100), st.integers(1, 1000))
def test_md5_names_a_partition_for_every_key(key: bytes, partitions: int) -> None:
    chosen = md5("topic", partitions, key, None)

    assert 0 <= chosen < partitions
    assert chosen == md5("another", partitions, key, b"value")


@pytest.mark.parametrize("name", ["murmur2_random", "random"])
def test_the_clients_own_strategies_are_left_to_it(name: str) -> None:
    assert load_partitioner(name) is None
