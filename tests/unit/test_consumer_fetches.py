"""What a fetch takes: how many messages, and by which calls of the client."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message as RawMessage
from django.test import override_settings

from kafka_integration.client.consumer import ConsumerClient
from kafka_integration.conf import get_settings
from kafka_integration.consuming.fetching.backpressure import Backpressure
from kafka_integration.consuming.partition import Partition
from tests.unit.consumers import consumer_settings
from tests.unit.scripted_transport import script_consumers

pytestmark = pytest.mark.usefixtures("memory_transport")

Calls = list[tuple[str, float]]


def raw(offset: int) -> RawMessage:
    return RawMessage(topic="events", partition=0, offset=offset, value=b"v")


def client_of(monkeypatch: pytest.MonkeyPatch, *fetched: list[RawMessage]) -> tuple[ConsumerClient, Calls]:
    """A client whose calls find these in its queue, one after the other; and its calls, with how long they may wait."""
    calls: Calls = []
    queue = list(fetched)

    def consume(consumer: Any, count: int, timeout: float) -> list[RawMessage]:
        calls.append(("consume", timeout))
        return queue.pop(0)[:count]

    def poll(consumer: Any, timeout: float) -> RawMessage | None:
        calls.append(("poll", timeout))
        return next(iter(queue.pop(0)), None)

    script_consumers(monkeypatch, consume=consume, poll=poll)
    with override_settings(KAFKA=consumer_settings()):
        # Nobody listens: it is never told anything.
        return ConsumerClient(get_settings().consumers["c"], None), calls  # type: ignore[arg-type]


def test_a_backlog_is_taken_by_one_call_that_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    client, calls = client_of(monkeypatch, [raw(0), raw(1), raw(2)])

    assert [message.offset() for message in client.fetch(2, 0.5)] == [0, 1]

    assert calls == [("consume", 0)]


def test_a_lone_message_is_waited_for_and_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    client, calls = client_of(monkeypatch, [], [raw(0)], [])

    assert [message.offset() for message in client.fetch(2, 0.5)] == [0]

    assert calls == [("consume", 0), ("poll", 0.5), ("consume", 0)]


def test_what_comes_with_the_message_that_was_waited_for_is_taken_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = client_of(monkeypatch, [], [raw(0)], [raw(1), raw(2), raw(3)])

    assert [message.offset() for message in client.fetch(3, 0.5)] == [0, 1, 2]


def test_where_one_message_is_wanted_no_second_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = client_of(monkeypatch, [], [raw(0)], [raw(1)])

    assert [message.offset() for message in client.fetch(1, 0.5)] == [0]


def test_nothing_comes_of_a_wait_without_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = client_of(monkeypatch, [], [])

    assert client.fetch(2, 0.5) == []


@pytest.mark.parametrize(
    ("held", "room"),
    [([], 2000), ([0, 0], 2000), ([0, 300], 1700), ([1600, 0], 500), ([2400], 500)],
)
def test_no_more_is_taken_at_once_than_the_fullest_partition_has_room_for(held: list[int], room: int) -> None:
    partitions = [holding(count) for count in held]

    assert Backpressure(most_ahead=2000).room(partitions) == room


def test_a_partition_that_is_paused_brings_nothing_so_its_room_does_not_count() -> None:
    paused = holding(1900)
    paused.pause()

    assert Backpressure(most_ahead=2000).room([paused, holding(0)]) == 2000


def holding(count: int) -> Partition:
    partition = Partition("events", 0)
    partition.line.put([None] * count, 0)  # type: ignore[list-item]  # nobody looks at them
    return partition
