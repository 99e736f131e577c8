"""Offsets go to Kafka, and come from it, with the epoch of the leader that wrote what lies before them."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, Message

from kafka_integration.client.fetched import events_apart
from kafka_integration.client.metadata.leader_epochs import KEPT, LeaderEpochs

PLACE = ("t", 0)


class Raw:
    def __init__(self, offset, epoch):
        self._offset, self._epoch = offset, epoch

    def offset(self):
        return self._offset

    def leader_epoch(self):
        return self._epoch


def seen(*messages):
    epochs = LeaderEpochs()
    epochs.note(PLACE, [Raw(*message) for message in messages])
    return epochs


def test_the_epoch_of_an_offset_is_that_of_the_message_before_it():
    epochs = seen((4, 1), (5, 1), (6, 3), (7, 3))

    assert [epochs.of(PLACE, offset) for offset in (4, 5, 6, 7, 8)] == [None, 1, 1, 3, 3]


def test_what_was_not_seen_has_none():
    epochs = seen((4, 1))

    # A transaction's marker lies there, which another leader may have written.
    assert epochs.of(PLACE, 6) is None
    assert epochs.of(("t", 1), 5) is None


def test_brokers_that_tell_none_leave_none():
    assert seen((4, None), (5, None)).of(PLACE, 6) is None


def test_what_the_group_committed_counts_until_something_is_seen():
    epochs = LeaderEpochs()
    epochs.remember(PLACE, 5, 2)
    assert epochs.of(PLACE, 5) == 2

    epochs.note(PLACE, [Raw(5, 3)])
    epochs.remember(PLACE, 5, 1)

    assert [epochs.of(PLACE, offset) for offset in (5, 6)] == [2, 3]


def test_what_was_committed_without_an_epoch_has_none():
    epochs = LeaderEpochs()

    epochs.remember(PLACE, 5, None)

    assert epochs.of(PLACE, 5) is None


def test_old_epochs_are_not_kept_for_ever():
    epochs = LeaderEpochs()

    for epoch in range(1000):
        epochs.note(PLACE, [Raw(epoch, epoch)])

    assert epochs.of(PLACE, 1000) == 999
    assert epochs.of(PLACE, 1000 - KEPT - 1) is None


def test_what_is_forgotten_has_none():
    epochs = seen((4, 1))

    epochs.forget([PLACE])

    assert epochs.of(PLACE, 5) is None


@pytest.mark.parametrize(
    ("text", "cut_at"),
    [
        (
            "Partition log truncation detected at offset 35 (leader epoch 2): broker end offset is 20 "
            "(offset leader epoch 1). Reset to INVALID.: Local: Partition log truncation detected (broker 2)",
            20,
        ),
        ("No epoch found less or equal to offset 35 (leader epoch 2): broker end offset is -1", 0),
        ("fetch failed due to requested offset not available on the broker: Broker: Offset out of range", None),
    ],
)
def test_where_the_log_was_cut_stands_in_the_text_alone(text, cut_at):
    error = KafkaError(KafkaError._AUTO_OFFSET_RESET, text)

    _, (event,) = events_apart([Message(topic="t", partition=0, offset=35, error=error)], place="consumer c")

    assert event.cut_at == cut_at
