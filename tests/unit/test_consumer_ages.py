"""How old the lowest unfinished message is, whatever run it was taken in."""

from __future__ import annotations

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE

from kafka_integration.consuming.offsets.ages import Ages


class Raw:
    def __init__(self, offset, timestamp_ms):
        self._offset = offset
        self._timestamp_ms = timestamp_ms

    def offset(self):
        return self._offset

    def timestamp(self):
        return (
            (TIMESTAMP_NOT_AVAILABLE, 0) if self._timestamp_ms is None else (TIMESTAMP_CREATE_TIME, self._timestamp_ms)
        )


def ages_of(*runs):
    ages = Ages()
    for run in runs:
        ages.note([Raw(*each) for each in run], None)
    return ages


@pytest.mark.parametrize(
    "run",
    [
        [(7, 1_000), (8, 13_000), (9, 25_000)],
        [(7, 1_000), (8, 13_000), (11, 25_000)],
        [(7, 25_000), (8, 13_000), (9, 1_000)],
    ],
    ids=["one after another", "with a gap", "with clocks that differ"],
)
def test_messages_of_one_run_that_were_written_long_apart_have_each_their_own_age(run):
    ages = ages_of(run)

    assert [ages.of(offset) for offset, _ in run] == [timestamp_ms for _, timestamp_ms in run]


def test_at_a_gap_the_age_is_of_a_message_shortly_before_it():
    assert ages_of([(7, 1_000), (8, 13_000), (11, 25_000)]).of(10) == 13_000


def test_messages_of_one_run_that_were_written_at_the_same_time_share_a_mark():
    assert ages_of([(7, 1_000), (8, 1_400), (9, 1_900)]).of(9) == 1_000


def test_a_run_that_is_taken_again_counts_anew():
    ages = ages_of([(7, 1_000), (8, 13_000)], [(8, 14_000), (9, 30_000)])

    assert [ages.of(offset) for offset in (7, 8, 9, 10)] == [1_000, 14_000, 30_000, None]


def test_a_message_without_a_timestamp_has_no_age():
    assert ages_of([(7, None), (8, None)]).of(8) is None
