"""Groups of the memory transport: who gets which partition, and what the callbacks are told."""

import pytest
from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition

from kafka_integration.client.transports.memory import MemoryBroker, MemoryConsumer


@pytest.fixture
def broker():
    broker = MemoryBroker()
    broker.create_topic("t")
    return broker


class Member:
    """A consumer that notes what its callbacks were told."""

    def __init__(self, broker, *topics, group="g", lost=True):
        self.events = []
        self.consumer = MemoryConsumer(broker, {"group.id": group, "auto.offset.reset": "earliest"})
        self.consumer.subscribe(
            topics or ["t"],
            on_assign=self.note("assign"),
            on_revoke=self.note("revoke"),
            on_lost=self.note("lost") if lost else None,
        )

    def note(self, kind):
        return lambda consumer, partitions: self.events.append((kind, sorted(p.partition for p in partitions)))

    def turn(self):
        self.consumer.consume(0, 0)

    def owned(self):
        return [p.partition for p in self.consumer.assignment()]


def settle(*members):
    for _ in range(3):
        for member in members:
            member.turn()


def test_a_lone_member_gets_every_partition(broker):
    member = Member(broker)

    member.turn()

    assert member.events == [("assign", [0, 1, 2, 3])]
    assert member.owned() == [0, 1, 2, 3]


def test_two_members_share_after_the_first_has_let_go(broker):
    first = Member(broker)
    settle(first)
    second = Member(broker)

    second.turn()
    before = second.owned()
    settle(first, second)

    assert before == []
    assert first.events[1:3] == [("revoke", [0, 1, 2, 3]), ("assign", first.owned())]
    assert sorted(first.owned() + second.owned()) == [0, 1, 2, 3]
    assert len(first.owned()) == len(second.owned()) == 2


def test_no_partition_ever_has_two_owners(broker):
    members = [Member(broker) for _ in range(3)]
    for _ in range(5):
        for member in members:
            member.turn()
            owned = [p for m in members for p in m.owned()]
            assert len(owned) == len(set(owned))

    assert sorted(p for m in members for p in m.owned()) == [0, 1, 2, 3]


def test_a_member_too_many_gets_an_empty_assignment(broker):
    broker.create_topic("one", 1)
    members = [Member(broker, "one"), Member(broker, "one")]

    settle(*members)

    assert sorted(member.owned() for member in members) == [[], [0]]
    assert ("assign", []) in members[0].events + members[1].events


def test_a_member_that_closes_hands_over(broker):
    first, second = Member(broker), Member(broker)
    settle(first, second)
    share = first.owned()

    first.consumer.close()
    settle(second)

    assert first.events[-1] == ("revoke", share)
    assert second.owned() == [0, 1, 2, 3]


def test_a_commit_in_on_revoke_is_where_the_next_owner_starts(broker):
    for value in "abc":
        broker.produce("t", value, partition=0)
    leaving = MemoryConsumer(broker, {"group.id": "g", "auto.offset.reset": "earliest"})
    leaving.subscribe(
        ["t"], on_revoke=lambda consumer, _: consumer.commit(offsets=[TopicPartition("t", 0, 2)], asynchronous=False)
    )
    leaving.poll(0)
    next_one = Member(broker)

    leaving.close()
    messages = next_one.consumer.consume(10, 0)

    assert [message.value() for message in messages] == [b"c"]


def test_two_groups_each_get_everything(broker):
    one, other = Member(broker, group="one"), Member(broker, group="other")

    settle(one, other)

    assert one.owned() == other.owned() == [0, 1, 2, 3]


def test_a_pattern_gets_topics_made_later(broker):
    member = Member(broker, "^made_.*")
    settle(member)

    broker.create_topic("made_later", 1)
    settle(member)

    assert [p.topic for p in member.consumer.assignment()] == ["made_later"]


def test_added_partitions_are_assigned(broker):
    member = Member(broker)
    settle(member)

    broker.create_topic("t", 6)
    settle(member)

    assert member.owned() == [0, 1, 2, 3, 4, 5]


def test_a_topic_nobody_reads_disturbs_nobody(broker):
    member = Member(broker)
    settle(member)

    broker.create_topic("elsewhere")
    settle(member)

    assert member.events == [("assign", [0, 1, 2, 3])]


def test_a_member_thrown_out_has_lost_its_partitions_and_joins_again(broker):
    member = Member(broker)
    settle(member)

    broker.leave("g", member.consumer.memberid())
    with pytest.raises(KafkaException) as info:
        member.consumer.commit(offsets=[TopicPartition("t", 0, 1)], asynchronous=False)
    settle(member)

    assert info.value.args[0].code() == KafkaError.UNKNOWN_MEMBER_ID
    assert member.events == [("assign", [0, 1, 2, 3]), ("lost", [0, 1, 2, 3]), ("assign", [0, 1, 2, 3])]
    assert broker.committed("g", "t", 0) is None


def test_without_on_lost_the_revoke_callback_is_told(broker):
    member = Member(broker, lost=False)
    settle(member)

    broker.leave("g", member.consumer.memberid())
    settle(member)

    assert member.events[1] == ("revoke", [0, 1, 2, 3])


def test_a_reset_of_the_broker_loses_the_partitions(broker):
    member = Member(broker)
    settle(member)

    broker.reset()
    broker.create_topic("t")
    settle(member)

    assert member.events[1:] == [("lost", [0, 1, 2, 3]), ("assign", [0, 1, 2, 3])]


@pytest.mark.parametrize("method", ["assign", "incremental_assign"])
def test_on_assign_may_choose_where_to_start(broker, method):
    def at_the_end(consumer, partitions):
        getattr(consumer, method)([TopicPartition(p.topic, p.partition, OFFSET_END) for p in partitions])

    broker.produce("t", "old", partition=0)
    consumer = MemoryConsumer(broker, {"group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["t"], on_assign=at_the_end)

    before = consumer.poll(0)
    broker.produce("t", "new", partition=0)

    assert before is None
    assert consumer.poll(0).value() == b"new"


def test_on_assign_may_pause_and_a_later_seek_and_resume_start_where_it_says(broker):
    def paused(consumer, partitions):
        consumer.assign([TopicPartition(p.topic, p.partition, OFFSET_END) for p in partitions])
        consumer.pause(partitions)

    for value in "abc":
        broker.produce("t", value, partition=0)
    consumer = MemoryConsumer(broker, {"group.id": "g", "auto.offset.reset": "error"})
    consumer.subscribe(["t"], on_assign=paused)
    consumer.poll(0)

    consumer.seek(TopicPartition("t", 0, 1))
    consumer.resume(consumer.assignment())

    assert [message.value() for message in consumer.consume(10, 0)] == [b"b", b"c"]


def test_unsubscribing_gives_everything_back(broker):
    first, second = Member(broker), Member(broker)
    settle(first, second)

    first.consumer.unsubscribe()
    settle(second)

    assert first.owned() == []
    assert second.owned() == [0, 1, 2, 3]


def test_an_error_in_a_callback_leaves_poll(broker):
    def broken(consumer, partitions):
        raise ValueError("broken")

    consumer = MemoryConsumer(broker, {"group.id": "g"})
    consumer.subscribe(["t"], on_assign=broken)

    with pytest.raises(ValueError, match="broken"):
        consumer.poll(0)


def test_a_share_that_nobody_began_to_read_is_revoked_all_the_same(broker):
    revoked = []
    first = MemoryConsumer(broker, {"group.id": "g"})
    first.subscribe(
        ["t"],
        on_assign=lambda member, partitions: member.assign([]),
        on_revoke=lambda member, partitions: revoked.extend(partition.partition for partition in partitions),
    )
    first.poll(0)
    second = MemoryConsumer(broker, {"group.id": "g"})
    second.subscribe(["t"])

    second.poll(0)
    first.poll(0)

    assert sorted(revoked) == list(range(len(revoked)))
    assert revoked
