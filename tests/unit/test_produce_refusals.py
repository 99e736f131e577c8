"""Bad calls: refused at the call, before any network, with what is wrong and what to do.

The brokers of these settings don't exist: a call that tried to reach one would not return so soon.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.test import override_settings

from kafka_integration import (
    BatchProduceError,
    ConfigurationError,
    InvalidMessageError,
    produce,
    produce_batch,
    produce_sync,
)
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.memory import memory_broker

NOWHERE = {"endpoints": ["127.0.0.1:1"], "producer": {"shutdown_grace_seconds": 0}}
SECRET = "s3cret-payload"

pytestmark = pytest.mark.usefixtures("project_alone")


def with_producer(**keys: Any) -> dict[str, Any]:
    return {**NOWHERE, "producer": {**NOWHERE["producer"], **keys}}  # type: ignore[dict-item]


@pytest.fixture(autouse=True)
def _nowhere() -> Iterator[None]:
    with override_settings(KAFKA=NOWHERE):
        yield
        producers.close(0)


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("", "at least one character"),
        ("a b", '"a_b"'),
        ("..", "keeps"),
        ("ü", "letters"),
        ("x" * 250, "249"),
        ("a\0b", "letters"),
        (None, "NoneType"),
        (["a"], "list"),
        (b"a", "bytes"),
    ],
)
@pytest.mark.parametrize("send", [produce, produce_sync, lambda topic, value: produce_batch(topic, [("k", value)])])
def test_a_topic_that_kafka_does_not_take(send: Any, topic: Any, said: str) -> None:
    with pytest.raises(InvalidMessageError, match=said):
        send(topic, "value")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"value": object()}, "not JSON serializable"),
        ({"value": {1: 2}}, "JSON key of type int"),
        ({"value": float("nan")}, "Out of range"),
        ({"value": "\ud800"}, "lone surrogate"),
        ({"key": True}, "key is a bool"),
        ({"headers": {"attempt": 1}}, "'attempt' is of type int"),
        ({"headers": [("a", "b", "c")]}, r"headers\[0\]"),
        ({"timestamp": -1}, "timestamp -1"),
        ({"timestamp": 0}, "timestamp 0"),
        ({"timestamp": 2**63}, "too large"),
        ({"timestamp": 1.5}, "type float"),
        ({"timestamp": True}, "type bool"),
        ({"timestamp": datetime(2026, 1, 1)}, "naive"),  # noqa: DTZ001 - what is refused
        ({"timestamp": datetime(1969, 12, 31, tzinfo=UTC)}, "not after 1970"),
        ({"partition": -1}, "no partition -1"),
        ({"partition": 2**31}, "no partition"),
        ({"partition": "1"}, "partition is of type str"),
        ({"partition": True}, "partition is of type bool"),
        ({"value": b"x" * 1_000_001}, "message.max.bytes"),
    ],
)
def test_a_message_that_kafka_does_not_take(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidMessageError, match=said):
        produce("orders", **{"value": SECRET, **options})


def test_what_is_refused_shows_no_payload() -> None:
    with pytest.raises(InvalidMessageError) as refused:
        produce("orders", {SECRET: object()}, key=SECRET, headers={"h": SECRET})

    assert SECRET not in str(refused.value)


def test_a_message_over_the_configured_size_says_which_is_allowed() -> None:
    with (
        override_settings(KAFKA=with_producer(config={"message.max.bytes": 2000})),
        pytest.raises(InvalidMessageError, match=r"2142 bytes .*, over message.max.bytes \(2000\)"),
    ):
        produce("orders", b"x" * 2100, key="key-01")


def test_headers_count_in_the_size_that_a_refusal_names() -> None:
    with (
        override_settings(KAFKA=with_producer(config={"message.max.bytes": 2000})),
        pytest.raises(InvalidMessageError, match=r"2150 bytes with its key, headers and overhead"),
    ):
        produce("orders", b"x", headers={"abc": b"h" * 2100})


class Topic(enum.StrEnum):
    ORDERS = "orders"


@pytest.mark.parametrize("timeout", [None, "3", -1, float("nan"), float("inf")])
@pytest.mark.parametrize("send", [produce_sync, produce_batch])
def test_a_time_out_is_a_number_of_seconds(send: Any, timeout: Any) -> None:
    with pytest.raises(InvalidMessageError, match=r"topic 'orders': timeout is .*\. Give seconds, 0 or more\."):
        send("orders", [("k", "v")], timeout=timeout)


def test_a_topic_beyond_the_configured_ones_is_refused() -> None:
    with override_settings(KAFKA=with_producer(topics=["orders", "refunds"])):
        produce("orders", "x")
        produce(Topic.ORDERS, "x")

        with pytest.raises(InvalidMessageError, match=r"topic order is not in .*orders, refunds.*allow_any_topic"):
            produce("order", "x", key="k")


def test_any_topic_goes_where_that_is_allowed() -> None:
    with override_settings(KAFKA=with_producer(topics=["orders"], allow_any_topic=True)):
        produce("order", "x")

        assert producers.default().flush(0) == 1


@pytest.mark.parametrize("topics", [[], ["another_topic"]])
def test_a_call_that_looks_like_kaffes_says_so(topics: list[str]) -> None:
    with override_settings(KAFKA=with_producer(topics=topics)), pytest.raises(InvalidMessageError, match="Kaffe"):
        produce_sync("Metamorphosis!", "Franz Kafka")


def test_a_call_that_names_a_key_does_not_look_like_kaffes() -> None:
    with pytest.raises(InvalidMessageError) as refused:
        produce_sync("a b", "Franz Kafka", key="Metamorphosis")

    assert "Kaffe" not in str(refused.value)


@pytest.mark.parametrize("messages", ["text", b"bytes", {"key": "k", "value": "v"}, 5, None])
def test_a_batch_is_a_list(messages: Any) -> None:
    with pytest.raises(InvalidMessageError, match="Give a list"):
        produce_batch("orders", messages)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("text", "not str"),
        (("k", "v", "extra"), "not tuple"),
        ({"key": "k"}, 'no "value"'),
        ({"value": "v", "header": {}}, "unknown key"),
        (("k", object()), "not JSON serializable"),
        ({"value": "v", "partition": -5}, "no partition -5"),
    ],
)
def test_a_batch_says_which_message_is_bad(message: Any, said: str) -> None:
    with pytest.raises(BatchProduceError) as raised:
        produce_batch("orders", [message], timeout=0)

    assert isinstance(raised.value.failed[0], InvalidMessageError)
    assert said in str(raised.value.failed[0])
    assert said in str(raised.value)
    assert not raised.value.may_still_arrive


def test_an_aware_timestamp_of_any_zone_is_taken() -> None:
    with override_settings(KAFKA={"endpoints": "memory"}):
        memory_broker().reset()

        produce("orders", "x", partition=0, timestamp=datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5))))
        produce("orders", "x", partition=0, timestamp=1)

        sent = [record.timestamp_ms for record in memory_broker().records("orders")]
        memory_broker().reset()
    assert sent == [datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000, 1]


def test_a_partition_strategy_that_is_nowhere_is_a_configuration_error() -> None:
    with (
        override_settings(KAFKA=with_producer(partition_strategy="nowhere.strategy")),
        pytest.raises(ConfigurationError, match=r"nowhere.strategy"),
    ):
        produce("orders", "x")
