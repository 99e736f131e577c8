"""Questions about topics and groups to a broker that takes its time."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from django.test import override_settings

from kafka_integration.client.metadata import cluster as cluster_module
from kafka_integration.client.metadata.cluster import Cluster
from kafka_integration.client.metadata.group_members import GroupMembers
from kafka_integration.client.metadata.group_offsets import GroupOffsets
from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.conf import get_settings
from kafka_integration.errors import BrokerError, BrokerUnavailableError
from tests.unit.consumers import consumer_settings

TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.fixture
def cluster(memory_transport):
    with override_settings(KAFKA=consumer_settings()), Cluster(get_settings().consumers["c"].connection) as cluster:
        yield cluster


def test_a_slow_broker_is_given_more_time_with_each_question(cluster):
    waited = []

    def answer_only_the_patient(client, timeout):
        waited.append(timeout)
        if timeout < 4:
            raise TIMED_OUT
        return "the answer"

    assert cluster.ask(answer_only_the_patient, "group g") == "the answer"
    assert waited == [0.5, 1, 2, 4]


def test_one_that_never_answers_is_given_up(cluster, monkeypatch):
    monkeypatch.setattr(cluster_module, "ANSWER_SECONDS", 0.0)

    def never(client, timeout):
        raise TIMED_OUT

    with pytest.raises(BrokerError, match="group g"):
        cluster.ask(never, "group g")


def test_one_that_is_not_there_is_given_up_at_once(cluster):
    asked = []

    def refuse(client, timeout):
        asked.append(timeout)
        cluster.note(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        raise TIMED_OUT

    with pytest.raises(BrokerUnavailableError, match="group g"):
        cluster.ask(refuse, "group g")
    assert len(asked) == 1


def test_who_borrows_its_client_leaves_it_open(cluster):
    client = cluster.admin.client()
    for borrower in (GroupOffsets(cluster, "g"), GroupMembers(cluster.admin), PartitionEnds(cluster.admin)):
        with borrower:
            pass

    assert cluster.admin.client() is client
