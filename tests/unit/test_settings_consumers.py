"""The keys of a consumer: what each means, and which values it takes."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest

from kafka_integration.conf import get_settings
from kafka_integration.conf.consumers import KEYS, ConsumerSettings, RetryPolicy
from tests.unit.kafka_settings import CONSUMER, problems_of, read_consumer, with_consumer

pytestmark = pytest.mark.usefixtures("project_alone")

AUDIT = 'KAFKA["consumers"]["audit"]'


def test_a_consumer_needs_three_keys_and_has_the_documented_defaults(settings: Any) -> None:
    consumer = read_consumer(settings)

    assert consumer.name == "audit"
    assert consumer.topics == ("orders",)
    assert consumer.consumer_group == "shop"
    assert consumer.enabled
    assert consumer.start_with_earliest_message
    assert consumer.offset_reset_policy == "earliest"
    assert consumer.offset_commit_interval_seconds == 5
    assert (consumer.subscriber_retries, consumer.subscriber_retry_delay_ms) == (5, 5000)
    assert (consumer.key_deserializer, consumer.value_deserializer) == ("text", "text")
    assert (consumer.batch_size, consumer.concurrency, consumer.ordering, consumer.max_ahead) == (
        500,
        1,
        "partition",
        10_000,
    )
    assert (consumer.offset_storage, consumer.transaction, consumer.database) == ("kafka", "message", "default")
    assert not consumer.deduplicate
    assert consumer.retry == RetryPolicy(attempts=5, backoff_seconds=1, backoff_factor=2, max_backoff_seconds=60)
    assert (consumer.on_failure, dict(consumer.failure_rules)) == ("dead_letter", {})
    assert (consumer.dead_letter_topic, consumer.max_dead_letters_per_minute) == (None, None)
    assert consumer.group_protocol == "classic"
    assert (consumer.rebalance_drain_seconds, consumer.shutdown_grace_seconds) == (15, 25)


@pytest.mark.parametrize("key", ["topics", "consumer_group", "message_handler"])
def test_each_required_key_is_missed(key: str, settings: Any) -> None:
    kafka = with_consumer()
    del kafka["consumers"]["audit"][key]

    problems = problems_of(settings, kafka)

    assert len(problems) == 1
    assert problems[0].startswith(f'{AUDIT}["{key}"] is missing: ')


def test_the_seeds_single_consumer_is_the_one_named_default(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h:1"], "consumer": CONSUMER}

    assert list(get_settings().consumers) == ["default"]


def test_a_single_consumer_stands_beside_named_ones(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h:1"], "consumer": CONSUMER, "consumers": {"other": CONSUMER}}

    assert set(get_settings().consumers) == {"default", "other"}


def test_the_consumer_named_default_is_given_once(settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": ["h:1"], "consumer": CONSUMER, "consumers": {"default": CONSUMER}})

    assert problems == ['KAFKA["consumer"] means KAFKA["consumers"]["default"], which is given too: remove one.']


GOOD = {
    "enabled": [(False, False)],
    "offset_reset_policy": [
        ("latest", "latest"),
        ("none", "none"),
        ("reset_to_earliest", "earliest"),
        ("reset_to_latest", "latest"),
        ("reset_by_subscriber", "none"),
    ],
    "topics": [(("a", "b"), ("a", "b")), (["^a-.*"], ("^a-.*",)), (["a" * 249], ("a" * 249,))],
    "offset_commit_interval_seconds": [(1, 1), (0.5, 0.5)],
    "batch_size": [(1, 1), (100.0, 100)],
    "prefetch_count": [(10, 10), (None, None)],
    "min_bytes": [(0, 0)],
    "key_deserializer": [("bytes", "bytes"), ("shop.codec.decode", "shop.codec.decode")],
    "rebalance_drain_seconds": [(0, 0), (2.5, 2.5)],
    "group_protocol": [("consumer", "consumer"), ("auto", "auto")],
    "dead_letter_topic": [("orders.dead", "orders.dead"), (None, None)],
    "offset_storage": [("database", "database")],
    "max_dead_letters_per_minute": [(3, 3)],
}


@pytest.mark.parametrize(("key", "value", "read"), [(key, *pair) for key, pairs in GOOD.items() for pair in pairs])
def test_a_good_value_is_read(key: str, value: Any, read: Any, settings: Any) -> None:
    consumer = read_consumer(settings, **{key: value})

    assert getattr(consumer, key) == read
    assert type(getattr(consumer, key)) is type(read)


BAD = {
    "enabled": ["yes", 1, None],
    "topics": [
        "orders",
        {},
        5,
        [5],
        [None],
        [""],
        ["a b"],
        ["."],
        [".."],
        ["ü"],
        ["a" * 250],
        ["a\0"],
        ["^("],
        ["a", "a"],
    ],
    "consumer_group": ["", " ", None, 5, "g" * 250],
    "message_handler": ["", "handler", "a-b.c", None, print],
    "start_with_earliest_message": ["earliest", 1],
    "offset_reset_policy": ["newest", None, 5, True],
    "offset_commit_interval_seconds": [0, -1, math.nan, math.inf, True, "5", None],
    "max_bytes": [0, -1, True, 1.5, math.nan, "5"],
    "min_bytes": [-1, False],
    "max_wait_time": [-1, 300_001, math.nan],
    "prefetch_count": [0, True, 1.5],
    "prefetch_bytes": [0, -5],
    "subscriber_retries": [-1, True, None],
    "subscriber_retry_delay_ms": [-1, math.nan],
    "key_deserializer": ["yaml", "", None, 5],
    "value_deserializer": ["msgpack"],
    "batch_size": [0, -1, True, 1.5, math.nan, math.inf, "500", None],
    "concurrency": [0, -1, True, 10**9, math.nan],
    "ordering": ["keys", None, 1],
    "max_ahead": [0, -1, True, None, 1.5],
    "offset_storage": ["redis", True],
    "transaction": ["none", False],
    "database": ["", None, 5],
    "deduplicate": ["yes", 0],
    "retry": [5, None, True, []],
    "on_failure": ["retry", "discard", None],
    "failure_rules": [[], "skip", {"builtins.ValueError": "discard"}, {"ValueError": "skip"}, {5: "skip"}],
    "dead_letter_topic": ["a b", "", "..", 5],
    "max_dead_letters_per_minute": [0, -1, True],
    "group_protocol": ["share", 1],
    "rebalance_drain_seconds": [-1, math.nan, math.inf, True, "15"],
    "shutdown_grace_seconds": [-1, math.nan, None],
    "allow_topic_auto_creation": ["yes", 1],
    "config": [[], "linger.ms=5", None],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_a_bad_value_is_one_problem_with_the_path_of_its_key(key: str, value: Any, settings: Any) -> None:
    problems = problems_of(settings, with_consumer(**{key: value}))

    assert len(problems) == 1, problems
    assert problems[0].startswith(f'{AUDIT}["{key}"]')
    assert problems[0].endswith((".", "?"))


def test_a_problem_names_the_path_the_value_and_the_remedy(settings: Any) -> None:
    assert problems_of(settings, with_consumer(topics=["a b"])) == [
        f'{AUDIT}["topics"][0] is "a b": a topic name has only letters a-z, digits, ".", "_" and "-"; try "a_b".'
    ]
    assert problems_of(settings, with_consumer(batch_size=-1)) == [
        f'{AUDIT}["batch_size"] is -1: use a whole number from 1 to 1000000.'
    ]
    assert problems_of(settings, with_consumer(topics="orders")) == [
        f'{AUDIT}["topics"] is "orders": use a list, like ["banner_click"].'
    ]


def test_no_topics_at_all_is_a_problem(settings: Any) -> None:
    assert problems_of(settings, with_consumer(topics=[])) == [
        f'{AUDIT}["topics"] is empty: name what it reads, like ["banner_click"].'
    ]


def test_a_part_of_retry_is_laid_over_its_defaults(settings: Any) -> None:
    consumer = read_consumer(settings, retry={"attempts": None, "backoff_seconds": 0.5})

    assert consumer.retry == RetryPolicy(attempts=None, backoff_seconds=0.5, backoff_factor=2, max_backoff_seconds=60)


@pytest.mark.parametrize(
    ("retry", "place"),
    [
        ({"attempts": 0}, '["retry"]["attempts"]'),
        ({"attempts": True}, '["retry"]["attempts"]'),
        ({"backoff_seconds": -1}, '["retry"]["backoff_seconds"]'),
        ({"backoff_seconds": math.nan}, '["retry"]["backoff_seconds"]'),
        ({"backoff_factor": 0.5}, '["retry"]["backoff_factor"]'),
        ({"max_backoff_seconds": math.inf}, '["retry"]["max_backoff_seconds"]'),
        ({"atempts": 3}, '["retry"]["atempts"] is unknown: did you mean "attempts"?'),
        ({"backoff_seconds": 90}, '["retry"] has max_backoff_seconds 60 below backoff_seconds 90'),
    ],
)
def test_a_bad_retry_is_a_problem_of_its_key(retry: dict[str, Any], place: str, settings: Any) -> None:
    problems = problems_of(settings, with_consumer(retry=retry))

    assert len(problems) == 1
    assert problems[0].startswith(f"{AUDIT}{place}")


def test_failure_rules_map_exceptions_to_decisions(settings: Any) -> None:
    consumer = read_consumer(settings, failure_rules={"builtins.ValueError": "skip", "builtins.OSError": "retry"})

    assert dict(consumer.failure_rules) == {"builtins.ValueError": "skip", "builtins.OSError": "retry"}


def test_an_unknown_key_is_a_problem_with_the_nearest_known_one(settings: Any) -> None:
    problems = problems_of(settings, with_consumer(batch_sise=5, topic=["a"], zzzz=1))

    assert problems[0] == f'{AUDIT}["batch_sise"] is unknown: did you mean "batch_size"?'
    assert problems[1] == f'{AUDIT}["topic"] is unknown: did you mean "topics"?'
    assert problems[2].startswith(f'{AUDIT}["zzzz"] is unknown: remove it, or use one of allow_topic_auto_creation, ')


@pytest.mark.parametrize("name", ["", "a b", "-x", "ü", "a/b"])
def test_the_name_of_a_consumer_can_be_typed_on_a_command_line(name: str, settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": ["h:1"], "consumers": {name: CONSUMER}})

    assert len(problems) == 1
    assert "the name of a consumer has letters" in problems[0]


def test_every_field_of_a_consumer_has_a_key() -> None:
    named_otherwise = {"name", "connection", "app_label", "max_wait_time_ms", "tracing"}

    assert {field.name for field in fields(ConsumerSettings)} - set(KEYS) == named_otherwise
