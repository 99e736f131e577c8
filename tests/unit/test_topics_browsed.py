"""Looking at what a topic holds: in bounds, and with what was not looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.client.transports.memory.transport import MemoryTransport
from kafka_integration.conf import get_settings
from kafka_integration.errors import BrokerError
from kafka_integration.operating.topics import browsing
from kafka_integration.operating.topics.browsing import Look, Query, look

pytestmark = pytest.mark.usefixtures("memory_transport")


@pytest.fixture
def clients(monkeypatch):
    """The admin clients that were made."""
    made = []
    make = MemoryTransport.admin
    monkeypatch.setattr(
        MemoryTransport, "admin", lambda transport, properties: made.append(make(transport, properties)) or made[-1]
    )
    return made


def write(*values: str, partition: int = 0, **options: Any) -> None:
    for value in values:
        memory_broker().produce("orders", value, partition=partition, **options)


def found(**query: Any) -> tuple[list[str], Look]:
    shown = look(get_settings().connection, Query(topic="orders", **query))
    return [str(message.value, "utf-8") for message in shown.messages], shown


def test_the_newest_messages_are_shown_unless_told():
    write(*map(str, range(10)))

    values, shown = found(limit=3)

    assert values == ["7", "8", "9"]
    assert not shown.is_whole
    assert (shown.partitions[0].looked_from, shown.partitions[0].looked_to, shown.partitions[0].end) == (7, 10, 10)


def test_all_of_a_small_topic_is_shown_and_that_is_said():
    write("a", partition=0, timestamp_ms=2000)
    write("b", partition=3, timestamp_ms=1000)

    values, shown = found()

    assert values == ["b", "a"]
    assert shown.is_whole
    assert [each.number for each in shown.partitions] == [0, 1, 2, 3]


def test_ends_are_asked_for_by_the_client_that_was_asked_for_topics(clients):
    """One that connects only then may wait for 3 seconds."""
    write("a")

    assert found()[0] == ["a"]
    assert len(clients) == 1


def test_an_empty_topic_is_whole():
    memory_broker().create_topic("orders")

    assert found()[0] == []
    assert found()[1].is_whole


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("earliest", ["0", "1"]),
        (4, ["4", "5"]),
        (9, ["9"]),
        (50, []),
        (datetime(2026, 1, 7, tzinfo=UTC), ["6", "7"]),
        (datetime(2027, 1, 7, tzinfo=UTC), []),
        (datetime(1960, 1, 7, tzinfo=UTC), ["0", "1"]),
    ],
)
def test_one_begins_where_one_likes(start, expected):
    for day in range(10):
        write(str(day), timestamp_ms=int(datetime(2026, 1, day + 1, tzinfo=UTC).timestamp() * 1000))

    assert found(start=start, partition=0, limit=2)[0] == expected


def test_a_partition_in_which_the_start_cannot_be_found_is_said(monkeypatch):
    write("a", timestamp_ms=5000)
    write("b", partition=1, timestamp_ms=5000)
    at = PartitionEnds.at

    def without_a_leader(asker, ends, moment_ms):
        return {place: found for place, found in at(asker, ends, moment_ms).items() if place != ("orders", 1)}

    monkeypatch.setattr(PartitionEnds, "at", without_a_leader)

    values, shown = found(start=datetime.fromtimestamp(4, UTC))

    assert (values, shown.unknown) == (["a"], (1,))


def test_what_retention_took_is_passed_over():
    write(*map(str, range(10)))
    memory_broker().delete_records("orders", 0, 6)

    values, shown = found(start=2, partition=0)

    assert values == ["6", "7", "8", "9"]
    assert shown.is_whole


def test_one_partition_can_be_chosen():
    write("a", partition=0)
    write("b", partition=1)

    assert found(partition=1)[0] == ["b"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"key": b"k1"}, ["one"]),
        ({"text": b"wo"}, ["two"]),
        ({"text": b"k"}, ["one", "two"]),
        ({"text": b"trace"}, ["one", "two"]),
        ({"key": b"k1", "text": b"two"}, []),
    ],
)
def test_messages_are_searched_by_key_and_by_text(query, expected):
    write("one", key="k1", headers=[("trace", b"1")], timestamp_ms=1)
    write("two", key="k2", headers=[("trace", b"2")], timestamp_ms=2)
    memory_broker().produce("orders", None, key="z", partition=0)

    assert found(**query)[0] == expected


def test_a_search_ends_at_its_bound_and_says_what_it_did_not_look_at(monkeypatch):
    monkeypatch.setattr(browsing, "MOST_OFFSETS", 400)
    write("wanted", *["other"] * 200)

    values, shown = found(text=b"wanted")

    assert values == []
    assert not shown.is_whole
    first = shown.partitions[0]
    assert (first.first, first.looked_from, first.looked_to, first.end) == (0, 101, 201, 201)


def test_a_search_that_takes_too_long_says_what_it_did_not_look_at(monkeypatch):
    monkeypatch.setattr(browsing, "SECONDS", 0)
    write("wanted")

    values, shown = found(text=b"wanted", partition=0)

    assert values == []
    assert [(each.looked_from, each.looked_to, each.end) for each in shown.partitions] == [(0, 0, 1)]
    assert not shown.is_whole


def test_more_than_were_asked_for_are_cut_and_that_is_said():
    write(*["wanted"] * 30)

    values, shown = found(text=b"wanted", limit=3)

    assert len(values) == 3
    assert shown.is_cut
    assert [message.offset for message in shown.messages] == [27, 28, 29]


@pytest.mark.parametrize(
    ("topic", "partition", "said"), [("nope", None, "no such topic"), ("orders", 9, "only 0 to 3")]
)
def test_what_is_not_there_is_refused(topic, partition, said):
    memory_broker().create_topic("orders")

    with pytest.raises(BrokerError, match=said):
        look(get_settings().connection, Query(topic=topic, partition=partition))

    assert set(memory_broker().topics) == {"orders"}
