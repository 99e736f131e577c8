"""librdkafka's properties that ``"config"`` may not set: a key of ours says the same, or a promise would break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_COMMITS = "offsets are committed when messages are handled, never before; remove it"
_CALLBACKS = "a callback that raises would throw messages away; remove it"
_ENDPOINTS = 'use "endpoints"'

Wrong = Callable[[Any], bool]


def says_yes(value: Any) -> bool:
    return str(value).strip().lower() in {"true", "1", "t"}


def says_no(value: Any) -> bool:
    return not says_yes(value)


def _always(value: Any) -> bool:
    return True


RESERVED: Mapping[str, tuple[str, Wrong]] = {
    "bootstrap.servers": (_ENDPOINTS, _always),
    "metadata.broker.list": (_ENDPOINTS, _always),
    "group.id": ('use "consumer_group"', _always),
    "group.protocol": ('use "group_protocol"', _always),
    "group.protocol.type": ("no other type of group is supported; remove it", _always),
    "auto.offset.reset": ('use "offset_reset_policy" and "start_with_earliest_message"', _always),
    "enable.auto.commit": (_COMMITS, says_yes),
    "auto.commit.enable": (_COMMITS, says_yes),
    "enable.auto.offset.store": (_COMMITS, says_yes),
    "enable.partition.eof": ("the end of a partition is how a consumer knows that it caught up; remove it", says_no),
    "auto.commit.interval.ms": ('use "offset_commit_interval_seconds"', _always),
    "offset.store.method": (_COMMITS, lambda value: value != "broker"),
    "transactional.id": ("messages are produced outside of Kafka's transactions; remove it", _always),
    "delivery.report.only.error": ("a delivery would never be known as done; remove it", says_yes),
    "queuing.strategy": ("messages of a key would overtake each other; remove it", lambda value: value != "fifo"),
    "default.topic.config": ('put its properties into "config" themselves', _always),
    "test.mock.num.brokers": ('use "endpoints": "embedded"', _always),
    "logger": ("the client logs to kafka_integration.client; configure that logger", _always),
    "log.queue": ("the client logs to kafka_integration.client; configure that logger", _always),
    "error_cb": (_CALLBACKS, _always),
    "stats_cb": (_CALLBACKS, _always),
    "throttle_cb": (_CALLBACKS, _always),
    "on_commit": (_CALLBACKS, _always),
    "on_delivery": (_CALLBACKS, _always),
}


def reserved_reason(name: str, value: Any) -> str | None:
    """Return why ``"config"`` can't set ``name`` to ``value``, and what to do; None where it can."""
    reason, is_wrong = RESERVED.get(name, ("", says_no))
    return reason if reason and is_wrong(value) else None
