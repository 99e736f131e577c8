"""The memory transport and librdkafka on its mock cluster give the same answers to the same calls."""

import itertools
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)

from kafka_integration.client.transports.memory import MemoryBroker, MemoryConsumer, MemoryProducer
from tests.waiting import wait_for

numbers = itertools.count()


class World:
    """One transport: where its clients come from, and a topic and a group that nobody else uses."""

    def __init__(self, open_consumer: Callable, open_producer: Callable) -> None:
        self._open_consumer = open_consumer
        self.producer = open_producer()
        number = next(numbers)
        self.topic, self.group = f"parity-{number}", f"parity-{number}"
        self.producer.list_topics(self.topic, timeout=10)

    def consumer(self, **properties):
        defaults = {"group.id": self.group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        return self._open_consumer(defaults | {name.replace("_", "."): value for name, value in properties.items()})

    def produce(self, *values, **options):
        for value in values:
            self.producer.produce(self.topic, value, partition=0, **options)
        assert self.producer.flush(10) == 0

    def place(self, offset=OFFSET_INVALID):
        return TopicPartition(self.topic, 0, offset)


@pytest.fixture(params=["memory", "mock cluster"])
def world(request):
    if request.param == "memory":
        broker = MemoryBroker()
        yield World(lambda properties: MemoryConsumer(broker, properties), lambda: MemoryProducer(broker, {}))
        return
    servers = {"bootstrap.servers": request.getfixturevalue("shared_broker").servers, "log_level": 0}
    with ExitStack() as stack:
        yield World(
            lambda properties: stack.enter_context(Consumer(servers | {"group.protocol": "consumer"} | properties)),
            lambda: Producer(servers | {"partitioner": "murmur2_random"}),
        )


def read(consumer, count, timeout=10):
    """The values of the next messages and the codes of the events between them."""
    events = []

    def enough():
        message = consumer.poll(0.1)
        if message is not None:
            events.append(message.error().name() if message.error() else message.value())
        return len(events) >= count

    wait_for(enough, timeout, lambda: f"{count} events, got {events}")
    return events


def next_message(consumer):
    # In a list: a message's truth is the length of its value.
    return wait_for(lambda: consumer.consume(1, 0.1))[0]


def silent(consumer):
    return all(consumer.poll(0.1) is None for _ in range(4))


def test_a_group_reads_all_and_goes_on_after_what_it_committed(world):
    world.produce(b"a", b"b", b"c")
    first = world.consumer()
    first.subscribe([world.topic])
    before = read(first, 3)
    done = first.commit(offsets=[world.place(2)], asynchronous=False)
    first.close()
    second = world.consumer()
    second.subscribe([world.topic])

    after = read(second, 1)

    assert before == [b"a", b"b", b"c"]
    assert [(p.topic, p.partition, p.offset) for p in done] == [(world.topic, 0, 2)]
    assert after == [b"c"]
    assert second.committed([world.place()], timeout=10)[0].offset == 2
    assert second.get_watermark_offsets(world.place(), timeout=10) == (0, 3)
    assert second.position([world.place()])[0].offset == 3


def test_messages_carry_key_headers_and_timestamp(world):
    world.produce(None, key=b"", headers=[("a", b"1"), ("b", None), ("a", b"")], timestamp=1_000)
    consumer = world.consumer()
    consumer.assign([world.place(OFFSET_BEGINNING)])

    message = next_message(consumer)

    assert (message.key(), message.value(), message.timestamp()) == (b"", None, (1, 1_000))
    assert message.headers() == [("a", b"1"), ("b", None), ("a", b"")]


def test_a_message_without_headers_has_none(world):
    world.produce(b"v")
    consumer = world.consumer()
    consumer.assign([world.place(OFFSET_BEGINNING)])

    message = next_message(consumer)

    assert (message.key(), message.headers()) == (None, None)


def test_the_end_of_a_partition_is_an_event_with_the_next_offset(world):
    world.produce(b"a")
    consumer = world.consumer(enable_partition_eof=True)
    consumer.assign([world.place(OFFSET_BEGINNING)])

    events = read(consumer, 2)
    again = silent(consumer)
    world.produce(b"b")

    assert events == [b"a", "_PARTITION_EOF"]
    assert again
    assert read(consumer, 2) == [b"b", "_PARTITION_EOF"]


def test_pause_seek_and_resume(world):
    world.produce(b"a", b"b", b"c")
    consumer = world.consumer()
    consumer.assign([world.place(OFFSET_BEGINNING)])
    read(consumer, 3)

    consumer.pause([world.place()])
    consumer.seek(world.place(1))
    while_paused = silent(consumer)
    consumer.resume([world.place()])

    assert while_paused
    assert read(consumer, 2) == [b"b", b"c"]


def test_an_assignment_at_the_end_gets_what_comes_afterwards(world):
    world.produce(b"old")
    consumer = world.consumer()
    consumer.assign([world.place(OFFSET_END)])
    received = []

    # librdkafka finds out where the end is half a second later: what is produced until then counts as old.
    def something_arrived():
        world.produce(b"new")
        received.extend(message.value() for message in consumer.consume(1, 0.2))
        return received

    wait_for(something_arrived)

    assert set(received) == {b"new"}


def test_what_is_out_of_range_under_the_policy_error_is_an_event(world):
    world.produce(b"a")
    consumer = world.consumer(auto_offset_reset="error")
    consumer.assign([world.place(99)])

    assert read(consumer, 1) == ["_AUTO_OFFSET_RESET"]


def test_a_partition_taken_back_is_silent_and_can_be_given_again(world):
    world.produce(b"a", b"b")
    consumer = world.consumer()
    consumer.assign([world.place(OFFSET_BEGINNING)])
    read(consumer, 2)

    consumer.unassign()
    unassigned = silent(consumer), consumer.assignment()
    consumer.assign([world.place(1)])

    assert unassigned == (True, [])
    assert read(consumer, 1) == [b"b"]


def test_the_same_misuse_is_refused_alike(world):
    consumer = world.consumer()
    consumer.subscribe([world.topic])

    def refusal(call):
        with pytest.raises(KafkaException) as info:
            call()
        return info.value.args[0].code()

    assert consumer.commit() is None
    assert refusal(lambda: consumer.commit(asynchronous=False)) == KafkaError._NO_OFFSET
    assert refusal(lambda: consumer.seek(TopicPartition("elsewhere", 0, 1))) in (
        KafkaError._STATE,
        KafkaError._UNKNOWN_PARTITION,
    )
    consumer.close()
    with pytest.raises(RuntimeError):
        consumer.poll(0)


def test_a_key_goes_to_the_same_partition(world):
    placed = {}
    for number in range(20):
        world.producer.produce(
            world.topic, b"v", f"k{number}", on_delivery=lambda _, m: placed.update({m.key(): m.partition()})
        )
    world.producer.flush(10)

    memory = MemoryBroker()
    assert placed == {r.key: r.partition for r in (memory.produce("t", b"v", f"k{n}") for n in range(20))}
