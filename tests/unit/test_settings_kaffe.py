"""Every option of Kaffe 2.2 works under its name, or is refused with the reason and what does the same here."""

from __future__ import annotations

from typing import Any

import pytest

from kafka_integration.conf import find_problems
from kafka_integration.conf.problems import Kind
from tests.unit.kafka_settings import problems_of, with_consumer, with_producer

pytestmark = pytest.mark.usefixtures("project_alone")

SASL = {"mechanism": "plain", "login": "ann", "password": "s3cret"}

CONSUMER_OPTIONS_THAT_WORK = {
    "endpoints": {"kafka": 9092},
    "topics": ["interesting-topic"],
    "consumer_group": "your-app-consumer-group",
    "message_handler": "shop.handlers.MessageProcessor",
    "heroku_kafka_env": False,
    "sasl": SASL,
    "ssl": True,
    "start_with_earliest_message": True,
    "offset_reset_policy": "reset_to_latest",
    "offset_commit_interval_seconds": 5,
    "max_bytes": 100_000,
    "min_bytes": 0,
    "max_wait_time": 10_000,
    "prefetch_count": 10,
    "prefetch_bytes": 102_400,
    "subscriber_retries": 5,
    "subscriber_retry_delay_ms": 5_000,
    "allow_topic_auto_creation": False,
}
CONSUMER_OPTIONS_REFUSED = {
    "async_message_ack": (False, "NO_COMMIT"),
    "rebalance_delay_ms": (10_000, '"rebalance_drain_seconds"'),
    "sleep_timeout": (1_000, '"max_wait_time"'),
    "client_down_retry_expire": (30_000, '"reconnect.backoff.max.ms"'),
    "worker_allocation_strategy": ("worker_per_topic_partition", '"concurrency"'),
    "auto_start_producers": (False, "remove it"),
}
PRODUCER_OPTIONS_THAT_WORK = {
    "endpoints": {"kafka": 9092},
    "topics": ["kafka-topic"],
    "client_name": "kaffe_producer_client",
    "partition_strategy": "md5",
    "heroku_kafka_env": False,
    "ssl": True,
    "sasl": SASL,
    "allow_topic_auto_creation": False,
    "required_acks": -1,
    "ack_timeout": 1000,
    "max_batch_size": 1_048_576,
    "max_retries": 3,
    "retry_backoff_ms": 500,
    "compression": "no_compression",
}
PRODUCER_OPTIONS_REFUSED = {
    "auto_start_producers": (True, "remove it"),
    "partition_buffer_limit": (512, '"queue.buffering.max.messages"'),
    "partition_onwire_limit": (1, '"max.in.flight"'),
    "min_compression_batch_size": (1024, '"max_batch_size"'),
}


def test_the_options_that_work_for_a_consumer_work_together(settings: Any) -> None:
    assert problems_of(settings, with_consumer(**CONSUMER_OPTIONS_THAT_WORK)) == []


def test_the_options_that_work_for_the_producer_work_together(settings: Any) -> None:
    assert problems_of(settings, with_producer(**PRODUCER_OPTIONS_THAT_WORK)) == []


@pytest.mark.parametrize("option", CONSUMER_OPTIONS_REFUSED)
def test_a_consumer_option_that_has_no_place_here_is_refused_with_its_equivalent(option: str, settings: Any) -> None:
    value, equivalent = CONSUMER_OPTIONS_REFUSED[option]

    problems = problems_of(settings, with_consumer(**{option: value}))

    assert len(problems) == 1
    assert problems[0].startswith(f'KAFKA["consumers"]["audit"]["{option}"] is an option of Kaffe that has no place')
    assert equivalent in problems[0]
    assert find_problems()[0].kind == Kind.KAFFE_OPTION


@pytest.mark.parametrize("option", PRODUCER_OPTIONS_REFUSED)
def test_a_producer_option_that_has_no_place_here_is_refused_with_its_equivalent(option: str, settings: Any) -> None:
    value, equivalent = PRODUCER_OPTIONS_REFUSED[option]

    problems = problems_of(settings, with_producer(**{option: value}))

    assert len(problems) == 1
    assert problems[0].startswith(f'KAFKA["producer"]["{option}"] is an option of Kaffe that has no place')
    assert equivalent in problems[0]
    assert find_problems()[0].kind == Kind.KAFFE_OPTION
