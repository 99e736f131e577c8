"""The memory transport's broker and producer."""

import threading

import pytest
from confluent_kafka import KafkaError, KafkaException, murmur2

from kafka_integration.client.transports.memory import MemoryBroker, MemoryProducer, memory_broker


@pytest.fixture
def broker():
    return MemoryBroker()


def test_a_topic_appears_on_first_use_with_four_partitions(broker):
    broker.produce("t", "v")

    assert len(broker.topics["t"].partitions) == 4


def test_offsets_count_up_in_each_partition(broker):
    records = [broker.produce("t", "v", partition=number) for number in (0, 0, 1)]

    assert [(r.partition, r.offset) for r in records] == [(0, 0), (0, 1), (1, 0)]


def test_a_key_goes_where_murmur2_puts_it(broker):
    record = broker.produce("t", b"v", key="user-1")

    assert record.partition == murmur2(b"user-1", 4)


def test_null_keys_are_spread(broker):
    assert {broker.produce("t", "v").partition for _ in range(200)} == {0, 1, 2, 3}


def test_an_empty_key_is_a_key_and_a_null_value_stays_null(broker):
    record = broker.produce("t", None, key="")

    assert (record.key, record.value, record.partition) == (b"", None, murmur2(b"", 4))


def test_a_record_keeps_headers_in_order_with_repeats_and_nulls(broker):
    record = broker.produce("t", "v", headers=[("a", "1"), ("b", None), ("a", b"\xff")], timestamp_ms=5)

    message = record.as_message()

    assert message.headers() == [("a", b"1"), ("b", None), ("a", b"\xff")]
    assert message.timestamp() == (1, 5)


def test_a_record_without_a_timestamp_gets_the_time_of_now(broker):
    assert broker.produce("t", "v").timestamp_ms > 1_700_000_000_000


@pytest.mark.parametrize("partition", [-1, 4])
def test_a_partition_that_does_not_exist_is_refused(broker, partition):
    with pytest.raises(KafkaException) as info:
        broker.produce("t", "v", partition=partition)

    assert info.value.args[0].code() == KafkaError._UNKNOWN_PARTITION


def test_a_topic_can_grow_but_not_shrink(broker):
    broker.create_topic("t", 2)
    broker.create_topic("t", 6)
    broker.create_topic("t", 1)

    assert len(broker.topics["t"].partitions) == 6


def test_a_topic_made_again_is_empty_and_has_another_id(broker):
    broker.produce("t", "v", partition=0)
    broker.commit("g", "t", 0, 1)
    before = broker.topics["t"].topic_id

    broker.delete_topic("t")
    broker.create_topic("t")

    assert broker.topics["t"].topic_id != before
    assert broker.records("t") == []
    assert broker.committed("g", "t", 0) is None


def test_deleted_records_raise_the_low_offset_and_leave_the_end(broker):
    for value in "abc":
        broker.produce("t", value, partition=0)

    broker.delete_records("t", 0, before_offset=2)

    partition = broker.partition("t", 0)
    assert (partition.low_offset, partition.end_offset) == (2, 3)
    assert [r.value for r in broker.records("t")] == [b"c"]
    assert broker.produce("t", "d", partition=0).offset == 3


def test_reset_forgets_everything(broker):
    broker.produce("t", "v", partition=0)
    broker.commit("g", "t", 0, 1)

    broker.reset()

    assert broker.records("t") == []
    assert broker.committed("g", "t", 0) is None


def test_everybody_in_the_process_has_the_same_broker():
    assert memory_broker() is memory_broker()


def test_a_producer_reports_deliveries_when_polled(broker):
    producer = MemoryProducer(broker, {})
    reports = []
    producer.produce("t", b"v", b"k", on_delivery=lambda error, message: reports.append((error, message)))
    queued = len(producer)

    served = producer.poll(0)

    ((error, message),) = reports
    assert (queued, served, len(producer)) == (1, 1, 0)
    assert error is None
    assert (message.topic(), message.partition(), message.offset()) == ("t", murmur2(b"k", 4), 0)


def test_a_producer_takes_headers_as_pairs_or_as_a_mapping(broker):
    producer = MemoryProducer(broker, {})

    producer.produce("t", "1", partition=0, headers={"a": "b"})
    producer.produce("t", "2", partition=0, headers=[("a", None)])

    assert [record.headers for record in broker.records("t")] == [(("a", b"b"),), (("a", None),)]


def test_a_producer_refuses_what_is_larger_than_message_max_bytes(broker):
    producer = MemoryProducer(broker, {"message.max.bytes": 1000})

    with pytest.raises(KafkaException) as info:
        producer.produce("t", b"x" * 1001)

    assert info.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert broker.records("t") == []


def test_a_producer_counts_headers_as_the_real_one_does(broker):
    producer = MemoryProducer(broker, {"message.max.bytes": 1000})

    with pytest.raises(KafkaException) as info:
        producer.produce("t", b"x", headers={"h": b"x" * 1000})

    assert info.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_closing_a_producer_reports_what_is_left(broker):
    producer = MemoryProducer(broker, {})
    reports = []
    producer.produce("t", b"v", callback=lambda *report: reports.append(report))

    closed = producer.close()

    assert closed
    assert len(reports) == 1


def test_a_waiting_poll_is_woken_by_a_delivery(broker):
    producer = MemoryProducer(broker, {})
    reports = []
    poller = threading.Thread(target=lambda: reports.append(producer.poll(30)))

    poller.start()
    producer.produce("t", b"v")
    poller.join(10)

    assert reports == [1]


def test_a_poll_without_deliveries_waits_no_longer_than_told(broker):
    assert MemoryProducer(broker, {}).poll(0.01) == 0


def test_topics_get_the_partitions_of_the_settings(settings):
    settings.KAFKA = {"endpoints": "memory", "topics": {"memory_wide": {"partitions": 7}}}

    memory_broker().produce("memory_wide", "v")
    memory_broker().produce("memory_other", "v")

    assert len(memory_broker().topics["memory_wide"].partitions) == 7
    assert len(memory_broker().topics["memory_other"].partitions) == 4


def test_a_watcher_sees_what_is_produced_while_it_watches(broker):
    seen = []
    broker.produce("t", "before")
    with broker.watched(seen.append):
        broker.produce("t", "during")
        broker.reset()
        broker.produce("t", "after a reset")
    broker.produce("t", "after")

    assert [record.value for record in seen] == [b"during", b"after a reset"]


def test_asking_a_producer_for_a_topic_makes_it(broker):
    metadata = MemoryProducer(broker, {}).list_topics("t")

    assert metadata.topics["t"].error is None
    assert sorted(metadata.topics["t"].partitions) == [0, 1, 2, 3]
