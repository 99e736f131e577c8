"""What a fetch brought, apart by partition."""

from __future__ import annotations

from confluent_kafka import Message

from kafka_integration.client.fetched import runs_of


def raws(*places: tuple[str, int]) -> list[Message]:
    return [Message(topic=topic, partition=number, offset=offset) for offset, (topic, number) in enumerate(places)]


def test_partitions_of_the_same_number_are_kept_apart_by_their_topics():
    mixed = raws(("a", 0), ("b", 0), ("a", 0), ("b", 1))

    runs = runs_of(mixed, among={"a", "b"})

    assert sorted((place, [raw.offset() for raw in run]) for place, run in runs) == [
        (("a", 0), [0, 2]), (("b", 0), [1]), (("b", 1), [3]),
    ]  # fmt: skip


def test_the_messages_of_a_single_topic_stay_in_their_order_by_partition():
    runs = runs_of(raws(("a", 0), ("a", 1), ("a", 0)), among={"a"})

    assert [(place, [raw.offset() for raw in run]) for place, run in runs] == [(("a", 0), [0, 2]), (("a", 1), [1])]


def test_what_may_be_of_any_topic_is_asked_for_it():
    assert [place for place, _ in runs_of(raws(("a", 0)), among=())] == [("a", 0)]
