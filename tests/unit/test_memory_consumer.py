"""One consumer of the memory transport: messages, positions, offsets."""

import threading

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from kafka_integration.client.transports.memory import MemoryBroker, MemoryConsumer

P0 = TopicPartition("t", 0)


@pytest.fixture
def broker():
    broker = MemoryBroker()
    broker.create_topic("t", 1)
    return broker


def consumer(broker, **properties):
    defaults = {"group.id": "g", "auto.offset.reset": "earliest"}
    return MemoryConsumer(broker, defaults | {name.replace("_", "."): value for name, value in properties.items()})


def reader(broker, **properties):
    """A consumer that is already subscribed to t."""
    opened = consumer(broker, **properties)
    opened.subscribe(["t"])
    return opened


def values(messages):
    return [message.value() for message in messages]


def produce(broker, *texts):
    for text in texts:
        broker.produce("t", text, partition=0)


def test_messages_come_in_order(broker):
    produce(broker, "a", "b", "c")

    assert values(reader(broker).consume(10, 0)) == [b"a", b"b", b"c"]


def test_a_call_hands_out_no_more_than_asked_for(broker):
    produce(broker, "a", "b", "c")
    opened = reader(broker)

    assert values(opened.consume(2, 0)) == [b"a", b"b"]
    assert opened.poll(0).value() == b"c"
    assert opened.poll(0) is None


def test_a_waiting_poll_is_woken_by_a_message(broker):
    opened = reader(broker)
    opened.poll(0)
    writer = threading.Thread(target=produce, args=(broker, "late"))

    writer.start()
    message = opened.poll(30)
    writer.join()

    assert message.value() == b"late"


def test_busy_partitions_take_turns(broker):
    broker.create_topic("two", 2)
    for partition in (0, 1):
        for _ in range(3):
            broker.produce("two", str(partition), partition=partition)
    opened = consumer(broker)
    opened.subscribe(["two"])

    assert values(opened.consume(4, 0)) == [b"0", b"1", b"0", b"1"]


@pytest.mark.parametrize(("policy", "expected"), [("earliest", [b"a"]), ("latest", [])])
def test_a_new_group_starts_where_the_policy_says(broker, policy, expected):
    produce(broker, "a")

    assert values(reader(broker, auto_offset_reset=policy).consume(10, 0)) == expected


def test_the_policy_error_is_an_event_and_then_silence(broker):
    produce(broker, "a")
    opened = reader(broker, auto_offset_reset="error")

    event = opened.poll(0)

    assert event.error().code() == KafkaError._AUTO_OFFSET_RESET
    assert opened.poll(0) is None


def test_a_committed_offset_is_where_the_group_goes_on(broker):
    produce(broker, "a", "b")
    first = reader(broker)
    first.commit(message=first.poll(0), asynchronous=False)
    first.close()

    assert values(reader(broker).consume(10, 0)) == [b"b"]
    assert values(reader(broker, group_id="other").consume(10, 0)) == [b"a", b"b"]


def test_what_was_only_read_is_not_committed_by_closing(broker):
    produce(broker, "a")
    first = reader(broker)
    first.poll(0)
    first.close()

    assert broker.committed("g", "t", 0) is None


def test_offsets_that_retention_removed_follow_the_policy(broker):
    produce(broker, "a", "b", "c")
    broker.commit("g", "t", 0, 0)
    broker.delete_records("t", 0, before_offset=2)

    assert values(reader(broker).consume(10, 0)) == [b"c"]


def test_a_committed_offset_beyond_the_end_follows_the_policy(broker):
    produce(broker, "a")
    broker.commit("g", "t", 0, 99)

    assert values(reader(broker).consume(10, 0)) == [b"a"]


def test_the_end_of_a_partition_is_reported_once_each_time_it_is_reached(broker):
    opened = reader(broker, enable_partition_eof=True)

    empty = opened.poll(0)
    again = opened.poll(0)
    produce(broker, "a")
    message, end = opened.consume(10, 0)

    assert empty.error().code() == KafkaError._PARTITION_EOF
    assert (empty.topic(), empty.partition(), empty.offset()) == ("t", 0, 0)
    assert again is None
    assert message.value() == b"a"
    assert (end.error().code(), end.offset()) == (KafkaError._PARTITION_EOF, 1)


def test_a_paused_partition_is_silent_and_goes_on_where_it_was(broker):
    produce(broker, "a", "b")
    opened = reader(broker)
    opened.poll(0)

    opened.pause([P0])
    while_paused = opened.consume(10, 0)
    opened.resume([P0])

    assert while_paused == []
    assert values(opened.consume(10, 0)) == [b"b"]


def test_pausing_an_unassigned_partition_does_nothing(broker):
    broker.produce("elsewhere", "a", partition=0)
    produce(broker, "b")
    opened = reader(broker)

    opened.pause([TopicPartition("elsewhere", 0)])

    assert values(opened.consume(10, 0)) == [b"b"]
    opened.incremental_assign([TopicPartition("elsewhere", 0, OFFSET_BEGINNING)])
    assert values(opened.consume(10, 0)) == [b"a"]


def test_a_pause_does_not_survive_a_new_assignment(broker):
    produce(broker, "a")
    opened = consumer(broker)
    opened.assign([P0])
    opened.pause([P0])

    opened.assign([TopicPartition("t", 0, OFFSET_BEGINNING)])

    assert opened.poll(0).value() == b"a"


def test_seek_moves_an_assigned_partition(broker):
    produce(broker, "a", "b")
    opened = reader(broker)
    opened.consume(2, 0)

    opened.seek(TopicPartition("t", 0, 1))

    assert opened.poll(0).value() == b"b"


def test_seek_is_refused_where_nothing_is_assigned(broker):
    with pytest.raises(KafkaException) as info:
        reader(broker).seek(TopicPartition("t", 0, 1))

    assert info.value.args[0].code() == KafkaError._STATE


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(OFFSET_BEGINNING, [b"a", b"b"]), (1, [b"b"]), (OFFSET_END, []), (OFFSET_INVALID, [b"b"])],
)
def test_an_assignment_may_give_the_first_offset(broker, offset, expected):
    produce(broker, "a", "b")
    broker.commit("g", "t", 0, 1)
    opened = consumer(broker)

    opened.assign([TopicPartition("t", 0, offset)])

    assert values(opened.consume(10, 0)) == expected


def test_the_position_follows_the_messages_handed_out(broker):
    produce(broker, "a", "b")
    opened = reader(broker)
    opened.consume(0, 0)

    before = opened.position([P0])[0].offset
    opened.consume(2, 0)

    assert before == OFFSET_INVALID
    assert opened.position([P0])[0].offset == 2


def test_commits_take_offsets_messages_or_what_was_stored(broker):
    produce(broker, "a", "b", "c")
    opened = reader(broker)
    message = opened.poll(0)

    opened.commit(message=message)
    by_message = broker.committed("g", "t", 0)
    opened.store_offsets(offsets=[TopicPartition("t", 0, 2)])
    opened.commit(asynchronous=False)
    by_store = broker.committed("g", "t", 0)
    done = opened.commit(offsets=[TopicPartition("t", 0, 3)], asynchronous=False)

    assert (by_message, by_store, broker.committed("g", "t", 0)) == (1, 2, 3)
    assert [p.offset for p in done] == [3]
    assert opened.committed([P0])[0].offset == 3


def test_asynchronous_commits_are_reported_by_the_next_poll_or_close(broker):
    reports = []
    note = {"group.id": "g", "on_commit": lambda error, partitions: reports.append((error, partitions[0].offset))}
    opened = MemoryConsumer(broker, note)

    opened.commit(offsets=[TopicPartition("t", 0, 1)])
    before = list(reports)
    opened.poll(0)
    by_poll = list(reports)
    opened.commit(offsets=[TopicPartition("t", 0, 2)])
    opened.commit(offsets=[TopicPartition("t", 0, 3)], asynchronous=False)
    opened.close()

    assert before == []
    assert by_poll == [(None, 1)]
    assert reports == [(None, 1), (None, 2)]


def test_committing_nothing_is_an_error(broker):
    with pytest.raises(KafkaException) as info:
        reader(broker).commit(asynchronous=False)

    assert info.value.args[0].code() == KafkaError._NO_OFFSET


def test_storing_an_offset_needs_the_partition(broker):
    with pytest.raises(KafkaException) as info:
        reader(broker).store_offsets(offsets=[TopicPartition("t", 0, 2)])

    assert info.value.args[0].code() == KafkaError._STATE


def test_watermarks_are_the_first_offset_and_the_next_one(broker):
    produce(broker, "a", "b")
    broker.delete_records("t", 0, before_offset=1)

    assert reader(broker).get_watermark_offsets(P0) == (1, 2)


def test_offsets_for_times_finds_the_first_record_since(broker):
    for stamp in (10, 20, 30):
        broker.produce("t", "v", partition=0, timestamp_ms=stamp)
    opened = reader(broker)

    found = [opened.offsets_for_times([TopicPartition("t", 0, stamp)])[0].offset for stamp in (0, 15, 30, 31)]

    assert found == [0, 1, 2, OFFSET_END]


def test_metadata_names_topics_and_partitions_and_what_is_missing(broker):
    opened = reader(broker)

    assert list(opened.list_topics().topics["t"].partitions) == [0]
    assert opened.list_topics("nope").topics["nope"].error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert "nope" not in broker.topics


def test_a_topic_that_is_not_there_is_one_error_and_then_picked_up(broker):
    opened = consumer(broker)
    opened.subscribe(["t", "later"])
    event = opened.poll(0)
    silence = opened.poll(0)

    broker.produce("later", "v")

    assert (event.topic(), event.error().code()) == ("later", KafkaError.UNKNOWN_TOPIC_OR_PART)
    assert silence is None
    assert values(opened.consume(10, 0)) == [b"v"]


def test_a_closed_consumer_refuses_every_call(broker):
    opened = reader(broker)
    opened.close()

    with pytest.raises(RuntimeError, match="closed"):
        opened.poll(0)
    opened.close()
