"""How many partitions a topic has: asked for once, and waited for as long as that may help."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.client.metadata import partition_counts
from kafka_integration.client.metadata.partition_counts import PartitionCounts
from kafka_integration.errors import AccessDeniedError, BrokerError
from tests.unit.producer_clients import Metadata


def test_partitions_are_asked_for_once() -> None:
    source = Metadata(4)
    counts = PartitionCounts(source, ClientLog("producer", {}))

    assert [counts.get("t", 1), counts.get("t", 1), counts.get("other", 1)] == [4, 4, 4]
    assert source.asked == 2


def test_partitions_are_asked_for_again_before_one_is_denied() -> None:
    source = Metadata(4, 6)
    counts = PartitionCounts(source, ClientLog("producer", {}))

    assert counts.covers("t", 3, 1)
    assert counts.covers("t", 5, 1)
    assert not counts.covers("t", 6, 1)


def test_partitions_that_were_asked_for_long_ago_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Metadata(4, 6)
    counts = PartitionCounts(source, ClientLog("producer", {}))
    counts.get("t", 1)

    monkeypatch.setattr(partition_counts, "FRESH_SECONDS", 0.0)

    assert counts.get("t", 1) == 6


def test_what_was_known_last_is_good_enough_while_kafka_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Metadata(4, KafkaException(KafkaError(KafkaError._TRANSPORT)))
    counts = PartitionCounts(source, ClientLog("producer", {}))
    counts.get("t", 1)

    monkeypatch.setattr(partition_counts, "FRESH_SECONDS", 0.0)

    assert counts.get("t", 0.01) == 4


def test_a_topic_that_is_just_being_created_is_asked_for_again_within_the_timeout() -> None:
    source = Metadata(KafkaError(KafkaError.LEADER_NOT_AVAILABLE), KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), 0, 4)
    counts = PartitionCounts(source, ClientLog("producer", {}))

    assert counts.get("t", 5) == 4
    assert source.asked == 4


NO_BROKER = KafkaException(KafkaError(KafkaError._TRANSPORT))


def test_while_no_broker_answers_one_waits_for_all_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_counts, "LOOK_AGAIN_SECONDS", 0.3)
    source = Metadata(NO_BROKER)
    counts = PartitionCounts(source, ClientLog("producer", {}))
    with pytest.raises(BrokerError):
        counts.get("t", 0.3)
    asked = source.asked

    for topic in ("t", "other", "t"):
        with pytest.raises(BrokerError):
            counts.get(topic, 10)
    with pytest.raises(BrokerError):
        counts.covers("t", 7, 10)

    assert source.asked == asked


def test_a_topic_that_was_waited_for_in_vain_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_counts, "LOOK_AGAIN_SECONDS", 0.3)
    source = Metadata(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    counts = PartitionCounts(source, ClientLog("producer", {}))
    with pytest.raises(BrokerError):
        counts.get("not-there", 0.3)
    asked = source.asked

    with pytest.raises(BrokerError, match="topic not-there"):
        counts.get("not-there", 10)

    assert source.asked == asked
    source.answers = [4]
    assert counts.get("there", 10) == 4


def test_after_a_while_one_looks_again_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_counts, "LOOK_AGAIN_SECONDS", 0.3)
    monkeypatch.setattr(partition_counts, "UNANSWERED_SECONDS", 0.0)
    source = Metadata(NO_BROKER)
    counts = PartitionCounts(source, ClientLog("producer", {}))
    for timeout in (0.3, 60):
        with pytest.raises(BrokerError):
            counts.get("t", timeout)
    source.answers = [4]

    assert counts.get("t", 60) == 4
    assert counts.get("other", 60) == 4


def test_a_broker_that_is_back_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_counts, "LOOK_AGAIN_SECONDS", 0.3)
    log = ClientLog("producer", {})
    log.on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    source = Metadata(NO_BROKER)
    counts = PartitionCounts(source, log)
    with pytest.raises(BrokerError):
        counts.get("t", 0.3)
    source.answers = [4]

    log.reached()

    assert counts.get("t", 10) == 4


def test_a_topic_we_may_not_see_is_not_asked_for_twice() -> None:
    source = Metadata(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    counts = PartitionCounts(source, ClientLog("producer", {}))

    with pytest.raises(AccessDeniedError, match="topic t"):
        counts.get("t", 5)

    assert source.asked == 1
