"""The keys of the producer, of the outbox, of operations and of topics."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest

from kafka_integration.conf import get_settings
from kafka_integration.conf.producers import KEYS, OperationsSettings, OutboxSettings, ProducerSettings, TopicSettings
from tests.unit.kafka_settings import problems_of, read_producer, with_producer

pytestmark = pytest.mark.usefixtures("project_alone")

PRODUCER = 'KAFKA["producer"]'


def test_a_producer_that_is_not_configured_has_the_documented_defaults(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"]}

    producer = get_settings().producer

    assert producer.connection.servers == ("h1:9092",)
    assert (producer.topics, producer.allow_any_topic) == ((), False)
    assert producer.partition_strategy == "murmur2_random"
    assert (producer.required_acks, producer.max_retries) == (-1, None)
    assert (producer.compression, producer.linger_ms) == ("none", 5)
    assert (producer.key_serializer, producer.value_serializer) == (None, None)


GOOD = {
    "topics": [(["a", "b"], ("a", "b")), ([], ())],
    "partition_strategy": [("md5", "md5"), ("random", "random"), ("shop.kafka.choose", "shop.kafka.choose")],
    "required_acks": [(0, 0), (1, 1), (-1, -1), ("all", -1)],
    "max_retries": [(0, 0), (3, 3)],
    "compression": [
        ("no_compression", "none"),
        ("gzip", "gzip"),
        ("snappy", "snappy"),
        ("lz4", "lz4"),
        ("zstd", "zstd"),
    ],
    "linger_ms": [(0, 0), (0.5, 0.5)],
    "max_batch_size": [(1_048_576, 1_048_576)],
    "client_name": [("shop", "shop")],
    "value_serializer": [("json", "json"), (None, None), ("shop.kafka.encode", "shop.kafka.encode")],
}


@pytest.mark.parametrize(("key", "value", "read"), [(key, *pair) for key, pairs in GOOD.items() for pair in pairs])
def test_a_good_value_is_read(key: str, value: Any, read: Any, settings: Any) -> None:
    assert getattr(read_producer(settings, **{key: value}), key) == read


BAD = {
    "topics": ["a", ["a b"], ["^a"], [None], {"a": 1}],
    "allow_any_topic": ["yes", 1],
    "client_name": ["", 5],
    "partition_strategy": ["round_robin", None, print, ""],
    "required_acks": [2, "1", True, None, -2],
    "max_retries": [-1, True, 1.5],
    "compression": ["brotli", None],
    "linger_ms": [-1, math.nan, True, "5"],
    "max_batch_size": [0, -1],
    "retry_backoff_ms": [0, 300_001],
    "ack_timeout": [0, -1],
    "key_serializer": ["pickle"],
    "value_serializer": ["yaml", 5],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_a_bad_value_is_one_problem_with_the_path_of_its_key(key: str, value: Any, settings: Any) -> None:
    problems = problems_of(settings, with_producer(**{key: value}))

    assert len(problems) == 1, problems
    assert problems[0].startswith(f'{PRODUCER}["{key}"]')


def test_an_unknown_key_is_a_problem_with_the_nearest_known_one(settings: Any) -> None:
    assert problems_of(settings, with_producer(lingerms=5)) == [
        f'{PRODUCER}["lingerms"] is unknown: did you mean "linger_ms"?'
    ]


def test_every_field_of_the_producer_has_a_key() -> None:
    assert {field.name for field in fields(ProducerSettings)} - set(KEYS) == {"connection", "ack_timeout_ms", "tracing"}


def test_the_outbox_is_tuned_in_part(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h:1"], "outbox": {"notify": True, "poll_interval_seconds": 1}}

    assert get_settings().outbox == OutboxSettings(notify=True, poll_interval_seconds=1)


@pytest.mark.parametrize(
    ("outbox", "start"),
    [
        (5, 'KAFKA["outbox"] is an int'),
        ({"notify": "yes"}, 'KAFKA["outbox"]["notify"] is "yes"'),
        ({"poll_interval_seconds": 0}, 'KAFKA["outbox"]["poll_interval_seconds"] is 0'),
        ({"poll_interval_seconds": math.nan}, 'KAFKA["outbox"]["poll_interval_seconds"] is nan'),
        ({"batch_size": True}, 'KAFKA["outbox"]["batch_size"] is True'),
        (
            {"direct_aliases": {"default": "nowhere"}},
            'KAFKA["outbox"]["direct_aliases"] is a dict: "nowhere" is not in',
        ),
        ({"direct_aliases": {"default": []}}, 'KAFKA["outbox"]["direct_aliases"] is a dict: a list is not in'),
        ({"lease_seconds": 0}, 'KAFKA["outbox"]["lease_seconds"] is 0'),
        ({"sauce": "x"}, 'KAFKA["outbox"]["sauce"] is unknown: did you mean "source"?'),
    ],
)
def test_a_bad_outbox_is_a_problem(outbox: Any, start: str, settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": ["h:1"], "outbox": outbox})

    assert len(problems) == 1
    assert problems[0].startswith(start)


def test_operations_are_tuned_in_part(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h:1"], "operations": {"rows": False, "command_days": 1}}

    assert get_settings().operations == OperationsSettings(rows=False, command_days=1)


def test_operations_have_the_documented_defaults(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h:1"]}

    assert get_settings().operations == OperationsSettings(
        rows=True, interval_seconds=5, history_days=30, command_days=7
    )


@pytest.mark.parametrize(
    ("operations", "start"),
    [
        ([], 'KAFKA["operations"] is a list'),
        ({"rows": 1}, 'KAFKA["operations"]["rows"] is 1'),
        ({"interval_seconds": 0}, 'KAFKA["operations"]["interval_seconds"] is 0'),
        ({"history_days": 0}, 'KAFKA["operations"]["history_days"] is 0'),
        ({"command_days": None}, 'KAFKA["operations"]["command_days"] is None'),
        ({"row": True}, 'KAFKA["operations"]["row"] is unknown: did you mean "rows"?'),
    ],
)
def test_bad_operations_are_a_problem(operations: Any, start: str, settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": ["h:1"], "operations": operations})

    assert len(problems) == 1
    assert problems[0].startswith(start)


def test_topics_say_what_they_should_look_like(settings: Any) -> None:
    config = {"retention.ms": 1000}
    settings.KAFKA = {
        "endpoints": ["h:1"],
        "topics": {"orders": {"partitions": 6, "replication_factor": 3, "config": config}, "other": {}},
    }

    assert dict(get_settings().topics) == {
        "orders": TopicSettings(name="orders", partitions=6, replication_factor=3, config=config),
        "other": TopicSettings(name="other"),
    }


@pytest.mark.parametrize(
    ("topics", "start"),
    [
        (["orders"], 'KAFKA["topics"] is a list'),
        ({"a b": {}}, 'KAFKA["topics"]["a b"]: a topic name has only'),
        ({"orders": 6}, 'KAFKA["topics"]["orders"] is an int'),
        ({"orders": {"partitions": 0}}, 'KAFKA["topics"]["orders"]["partitions"] is 0'),
        ({"orders": {"partition": 5}}, 'KAFKA["topics"]["orders"]["partition"] is unknown: did you mean "partitions"?'),
        ({"orders": {"config": 5}}, 'KAFKA["topics"]["orders"]["config"] is 5'),
    ],
)
def test_a_bad_topic_is_a_problem(topics: Any, start: str, settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": ["h:1"], "topics": topics})

    assert len(problems) == 1, problems
    assert problems[0].startswith(start)


def test_retentions_are_days(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h:1"], "dead_letter_retention_days": 90, "deduplication_retention_days": 7}

    assert get_settings().dead_letter_retention_days == 90
    assert get_settings().deduplication_retention_days == 7


@pytest.mark.parametrize("key", ["dead_letter_retention_days", "deduplication_retention_days"])
@pytest.mark.parametrize("value", [0, -1, True, "7", math.nan])
def test_a_bad_retention_is_a_problem(key: str, value: Any, settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": ["h:1"], key: value})

    assert [problem.partition(" ")[0] for problem in problems] == [f'KAFKA["{key}"]']
