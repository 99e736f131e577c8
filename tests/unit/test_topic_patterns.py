"""Which topics a ^pattern stands for."""

from __future__ import annotations

import pytest

from kafka_integration.conf.topic_names import INTERNAL_TOPICS, cover


@pytest.mark.parametrize("topic", sorted(INTERNAL_TOPICS))
def test_a_pattern_never_stands_for_a_topic_of_kafkas_own(topic):
    assert not cover(["^.*"], topic)
    assert not cover(["^__.*"], topic, whole_names=True)
    assert cover([topic], topic)


def test_a_pattern_stands_for_any_other_topic():
    assert cover(["^.*"], "orders")
    assert cover(["^__debezium.*"], "__debezium-heartbeat.shop")
