"""A client that gave up all brokers is told where some are, and goes on with what it had."""

from __future__ import annotations

from confluent_kafka import Consumer
from confluent_kafka import Producer as ClientProducer

from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.client.naming_brokers import name_brokers
from kafka_integration.client.producers.producer import Producer
from kafka_integration.producing.delivery import Delivery
from tests.waiting import wait_for

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


def test_a_producer_sends_what_it_had_to_the_brokers_that_it_is_told_of(shared_broker, topic):
    producer = ClientProducer(NOWHERE)
    producer.produce(topic, b"kept")
    assert producer.flush(0.1) == 1

    assert name_brokers(producer, shared_broker.servers)

    assert producer.flush(20) == 0
    producer.close()


def test_a_consumer_asks_the_brokers_that_it_is_told_of(shared_broker):
    consumer = Consumer({**NOWHERE, "group.id": "group"})

    assert name_brokers(consumer, shared_broker.servers)

    wait_for(lambda: consumer.list_topics(timeout=5).brokers)
    consumer.close()


def test_a_producer_that_is_stranded_is_told_by_itself(shared_broker, topic, caplog):
    log = ClientLog("producer", {"bootstrap.servers": shared_broker.servers})
    producer = Producer(ClientProducer(NOWHERE), log=log)
    delivery = Delivery(topic, producer, 0)
    producer.send(topic, b"kept", None, -1, delivery, 0, None, 1.0)

    log.stranding.is_certain = True

    assert delivery.result(20).offset == 0
    assert not log.stranding.is_certain
    assert "producer: the client gave up all brokers, and is told of the bootstrap servers again" in caplog.text
    producer.close(0)


def test_what_is_no_client_any_more_or_only_wraps_one_is_left_alone():
    consumer = Consumer({**NOWHERE, "group.id": "group"})
    consumer.close()

    assert not name_brokers(consumer, "127.0.0.1:1")
    assert not name_brokers(object(), "127.0.0.1:1")
