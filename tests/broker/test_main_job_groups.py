"""Groups on a real Kafka: independent, without repeats, shared between members, handed over by one that leaves."""

from __future__ import annotations

import pytest

from tests.broker.jobs import told, wait_assigned, wait_told
from tests.waiting import wait_for

PROTOCOLS = {
    "range": {},
    "cooperative-sticky": {
        "config": {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
        }
    },
    "consumer": {"group_protocol": "consumer"},
}

pytestmark = pytest.mark.timeout(180)


def send(kcat, topic, word, count=40):
    records = [(f"{number}", f"{word}-{number}") for number in range(count)]
    kcat.produce_many(topic, records)
    return {text for _, text in records}


def test_committed_offsets_are_what_any_client_reads(jobs, kcat, create_topic):
    topic = create_topic()
    send(kcat, topic, "v")

    got = jobs.catch_up(topic)

    per_partition = {n: sum(each.partition == n for each in got) for n in range(4)}
    assert jobs.committed(topic) == {n: count for n, count in per_partition.items() if count}
    assert sum(per_partition.values()) == 40


def test_two_groups_read_the_same_topic_independently(jobs, kcat, create_topic):
    topic = create_topic()
    sent = send(kcat, topic, "v")

    first = jobs.catch_up(topic)
    other = jobs.catch_up(topic, consumer_group=f"{jobs.group}-other")

    assert {each.text for each in first} == {each.text for each in other} == sent
    assert jobs.committed(topic) == jobs.committed(topic, f"{jobs.group}-other")


def test_a_second_run_of_the_same_group_gets_nothing_again(jobs, kcat, create_topic):
    topic = create_topic()
    send(kcat, topic, "v")
    jobs.catch_up(topic)

    again = jobs.catch_up(topic)
    new = send(kcat, topic, "new", 5)
    after = jobs.catch_up(topic)

    assert again == []
    assert {each.text for each in after} == new


def test_a_group_may_begin_with_what_comes_next(jobs, kcat, create_topic):
    topic = create_topic()
    send(kcat, topic, "old")
    run = jobs.run(topic, start_with_earliest_message=False)
    run.wait_for_output("caught up")

    new = send(kcat, topic, "new", 5)

    assert {each.text for each in wait_told(5, run)} == new
    assert run.terminate() == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_members_share_the_partitions_and_one_that_leaves_hands_over(jobs, kcat, create_topic, protocol):
    topic = create_topic()
    first = jobs.run(topic, **PROTOCOLS[protocol])
    wait_assigned(4, first)
    second = jobs.run(topic, **PROTOCOLS[protocol])
    wait_assigned(2, first)
    wait_assigned(2, second)

    shared = send(kcat, topic, "shared")
    wait_told(40, first, second)
    by_first, by_second = ({each.text for each in told(run)} for run in (first, second))
    assert first.terminate() == 0
    wait_assigned(4, second)
    left = send(kcat, topic, "left")
    wait_told(40 + len(by_second), second)
    assert second.terminate() == 0

    assert by_first
    assert by_second
    assert by_first | by_second == shared
    assert not by_first & by_second
    assert {each.text for each in told(second)} == by_second | left
    everything = told(first, second)
    assert len(everything) == len({each.place for each in everything}) == 80, "nothing twice"
    assert sum(jobs.committed(topic).values()) == 80


@pytest.mark.parametrize("protocol", ["range", "consumer"])
def test_a_member_left_without_partitions_is_caught_up(jobs, kcat, create_topic, protocol):
    topic = create_topic(partitions=1)
    send(kcat, topic, "v", 3)
    owner = jobs.run(topic, **PROTOCOLS[protocol])
    wait_told(3, owner)
    owner.wait_for_output("caught up")

    late = jobs.run(topic, "--until-caught-up", **PROTOCOLS[protocol])

    assert late.wait(40) == 0
    # It may well be the late one that has the partition now; then there was nothing left to do.
    assert told(late) == []
    assert owner.running
    assert owner.terminate() == 0


@pytest.mark.faults
@pytest.mark.parametrize("protocol", ["range", "consumer"])
@pytest.mark.parametrize("topic", ["nobody-made-this-topic", "^nobody-made-.*"])
def test_until_caught_up_ends_where_there_is_no_topic_yet(jobs, topic, protocol):
    run = jobs.run(topic, "--until-caught-up", **PROTOCOLS[protocol])

    assert run.wait(40) == 0, run.tail()
    assert "assigned nothing" in run.output()


def test_until_caught_up_ends_with_what_was_there_at_its_start(jobs, kcat, create_topic):
    topic = create_topic(partitions=1)
    send(kcat, topic, "v", 100)
    run = jobs.run(topic, "--until-caught-up", message_handler="tests.workload.telling.tell_after_a_moment")
    wait_told(1, run)

    send(kcat, topic, "later", 100)

    assert run.wait(60) == 0
    assert 100 <= len(told(run)) < 200
    assert jobs.committed(topic, partitions=1) == {0: len(told(run))}


def test_until_caught_up_finishes_what_has_to_be_tried_again(jobs, kcat, create_topic):
    topic = create_topic(partitions=1)
    send(kcat, topic, "v", 2)
    kcat.produce(topic, "stumble")

    run = jobs.run(
        topic,
        "--until-caught-up",
        message_handler="tests.workload.telling.stumble",
        retry={"attempts": 3, "backoff_seconds": 0.2},
        on_failure="skip",
    )

    assert run.wait(60) == 0
    assert "attempt 2 at" in run.output()
    assert jobs.committed(topic, partitions=1) == {0: 3}


def test_a_topic_created_a_moment_ago_is_read_from_its_first_record(jobs, kcat, create_topic):
    """Its partitions may be without a leader still."""
    topics = []
    for number in range(3):
        topics.append(create_topic())
        kcat.produce(topics[-1], f"v{number}")

    got = jobs.catch_up(topics[0], topics=topics)

    assert sorted(each.text for each in got) == ["v0", "v1", "v2"]


@pytest.mark.faults
@pytest.mark.parametrize("protocol", ["range", "consumer"])
def test_a_pattern_reads_all_topics_that_it_matches_also_those_to_come(jobs, kcat, create_topic, protocol):
    stem = create_topic()
    create_topic(f"{stem}.orders")
    create_topic(f"other-{stem}.orders")
    kcat.produce(f"{stem}.orders", "before")
    kcat.produce(f"other-{stem}.orders", "other")
    pattern = rf"^{stem}\..*"
    run = jobs.run(pattern, **PROTOCOLS[protocol])
    wait_told(1, run)

    create_topic(f"{stem}.clicks")
    kcat.produce(f"{stem}.clicks", "after")

    wait_told(2, run, timeout=60)
    assert run.terminate() == 0
    assert {(each.topic, each.text) for each in told(run)} == {
        (f"{stem}.orders", "before"),
        (f"{stem}.clicks", "after"),
    }


@pytest.mark.parametrize("protocol", ["range", "consumer"])
def test_a_pattern_for_everything_leaves_kafkas_own_topics_alone(jobs, kcat, create_topic, protocol):
    """A group that read its own commits would have no end of them."""
    topic = create_topic()
    kcat.produce(topic, "v")
    jobs.catch_up(topic)  # so that there are commits to be read
    options = {**PROTOCOLS[protocol], "consumer_group": f"{jobs.group}-all"}

    run = jobs.run(f"^(__|{topic}).*", "--until-caught-up", **options)

    assert run.wait(60) == 0, run.tail()
    assert {each.topic for each in told(run)} == {topic}


def test_a_killed_member_is_replaced_and_only_what_was_not_committed_comes_again(jobs, kcat, create_topic):
    topic = create_topic()
    first = jobs.run(topic, message_handler="tests.workload.telling.tell_after_a_moment")
    sent = send(kcat, topic, "v", 200)
    wait_told(30, first)

    first.kill()
    committed = jobs.committed(topic)
    second = jobs.run(topic)

    wait_for(lambda: {each.text for each in told(first, second)} == sent, 60, second.tail)
    assert all(each.offset >= committed.get(each.partition, 0) for each in told(second))
    assert second.terminate() == 0
