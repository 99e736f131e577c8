"""Questions about a group to a broker that takes its time."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from django.test import override_settings

from kafka_integration.client.metadata import group_offsets
from kafka_integration.client.metadata.group_offsets import GroupOffsets
from kafka_integration.conf import get_settings
from kafka_integration.errors import BrokerError
from tests.unit.consumers import consumer_settings

TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.fixture
def offsets(memory_transport):
    with override_settings(KAFKA=consumer_settings()):
        yield GroupOffsets(get_settings().consumers["c"].connection, "group")


def test_a_slow_broker_is_given_more_time_with_each_question(offsets):
    waited = []

    def answer_only_the_patient(timeout):
        waited.append(timeout)
        if timeout < 4:
            raise TIMED_OUT
        return "the answer"

    assert offsets._ask(answer_only_the_patient) == "the answer"
    assert waited == [0.5, 1, 2, 4]


def test_one_that_never_answers_is_given_up(offsets, monkeypatch):
    monkeypatch.setattr(group_offsets, "ANSWER_SECONDS", 0.0)

    def never(timeout):
        raise TIMED_OUT

    with pytest.raises(BrokerError):
        offsets._ask(never)
