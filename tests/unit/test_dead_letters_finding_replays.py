"""Replaying: which requests a lane finds, and which it leaves to others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.offsets.start import Start
from kafka_integration.dead_letters.replay_requests import ReplayRequests
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letters
from tests.steps import steps_of, take_statistics
from tests.unit import scripted
from tests.unit.replays import (
    MODES,
    Requested,
    do,
    requested,
    reread,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]


def test_nothing_is_found_where_nothing_is_asked_for(lane):
    for state in set(DeadLetter.State) - {Requested}:
        requested(state=state)

    assert lane().next() is None


def test_the_oldest_come_first(lane):
    for offset in (3, 1, 2):
        requested(offset=offset)
    lane = lane()

    while task := lane.next():
        task.run()

    assert [message.offset for message in scripted.seen] == [3, 1, 2]


def test_more_than_a_page_is_found_without_a_pause(lane):
    for _ in range(120):
        requested()
    lane = lane()

    count = 0
    while task := lane.next():
        task.run()
        count += 1

    assert count >= 100


def test_the_oldest_requests_of_each_partition_are_found_and_no_more_than_asked_for():
    letters = [requested(topic=topic, partition=number) for topic in ("a", "b") for number in (3, 10) for _ in "12"]
    requested(topic="a", partition=4)
    requests = ReplayRequests(database="default", group="group", others=())

    assert requests.places(10) == [("a", 3), ("a", 4), ("a", 10), ("b", 3), ("b", 10)]
    assert requests.places(2) == [("a", 3), ("a", 4)]
    found = requests.find([("a", 3), ("a", 10), ("c", 1), ("b", 3)], 5)
    assert [request.id for request in found] == [letter.pk for letter in letters[:5]]


@pytest.mark.slow
# Thousands of requests are all sorted in one case, while PostgreSQL knows of none: that is a moment, and a few ms.
@pytest.mark.parametrize(("state", "seen"), [("handled", "nothing"), ("handled", "requests"), ("replay", "requests")])
def test_looking_for_requests_costs_the_same_however_many_dead_letters_there_are(state, seen):
    make_letters(3000, group="group", state="replay")
    if seen == "nothing":
        DeadLetter.objects.all().delete()
    take_statistics(DeadLetter)
    DeadLetter.objects.all().delete()
    requests = ReplayRequests(database="default", group="group", others=("another",))

    def look():
        requests.find(requests.places(100), 10)

    for number in range(2):
        make_letters(20, group="group", state="replay", partition=number)
    make_letters(100, group="group", state=state)
    steps = steps_of(look)
    make_letters(4000, group="group", state=state)

    assert steps_of(look) < 2 * steps


def test_while_there_is_nothing_the_database_is_asked_once_a_second_for_all_lanes(
    lane, django_assert_num_queries, settings
):
    lane = lane()
    lane.next()

    with django_assert_num_queries(0):
        for _ in range(50):
            lane.next()


def test_the_partitions_of_others_are_left_to_them(lane):
    requested(partition=1)
    requested(topic="events", partition=3)

    assert lane().next() is None


def test_other_groups_and_the_groups_other_consumers_are_left_alone(lane, settings):
    requested(group="another")
    lane = lane()
    consumers = settings.KAFKA["consumers"]
    settings.KAFKA = {**settings.KAFKA, "consumers": {**consumers, "twin": consumers["c"]}}
    requested(consumer="twin")
    lane.replays = assemble(get_settings().consumers["c"]).make_tasks()

    assert lane.next() is None


def test_a_consumer_inherits_from_one_of_its_group_that_is_gone(lane):
    letter = requested(consumer="formerly")

    lane().replay()

    assert reread(letter).state == DeadLetter.State.HANDLED


def test_what_another_worker_has_taken_is_left_to_it_until_its_lease_ends(lane):
    letter = requested(is_taken=True)
    lane = lane()
    assert lane.next() is None

    DeadLetter.objects.update(leased_until=Now() - timedelta(seconds=1))
    lane.look_again()
    lane.replay()

    assert reread(letter).state == DeadLetter.State.HANDLED


def test_two_lanes_that_found_the_same_handle_it_once(lane, settings):
    requested()
    lanes = [lane(), lane()]
    tasks = [lane.next() for lane in lanes]

    for task in tasks:
        task.run()

    assert len(scripted.seen) == 1


@MODES
def test_what_is_in_a_handlers_hands_is_not_taken_by_another_lane_that_found_it_too(lane, mode):
    letter = requested()
    # With offsets in the database the later one owns the partition.
    other, slow = (lane(**mode).next() for _ in range(2))
    do(lambda message: other.run() if len(scripted.seen) == 1 else None)

    slow.run()

    assert len(scripted.seen) == 1
    assert reread(letter).state == DeadLetter.State.HANDLED


def test_what_was_discarded_after_it_was_found_is_not_replayed(lane):
    letter = requested()
    task = lane().next()
    DeadLetter.objects.update(state=DeadLetter.State.DISCARDED)

    task.run()

    assert scripted.seen == []
    assert reread(letter).state == DeadLetter.State.DISCARDED


def test_the_task_names_the_partition_whose_place_it_takes(lane):
    requested()
    lane = lane()

    assert lane.next().partition is lane.partition


@pytest.mark.parametrize("spoil", ["stopping", "starting"])
def test_a_partition_that_is_about_to_go_or_to_come_is_left_alone(lane, spoil):
    requested()
    lane = lane()
    if spoil == "stopping":
        lane.partition.line.stop()
    else:
        lane.partition.restart(Start())

    assert lane.next() is None


@pytest.mark.parametrize(
    "place",
    [{"topic": "forgotten"}, {"partition": 99}],
    ids=["a topic that is not read any more", "a partition that is not there any more"],
)
def test_what_nobody_can_own_is_anybodys(lane, place, memory_transport):
    memory_transport.create_topic("forgotten")
    letter = requested(**place)

    task = lane().next()

    assert task.partition is None
    assert task.run() is False
    assert reread(letter).state == DeadLetter.State.HANDLED


def test_a_topic_of_a_pattern_has_an_owner(lane, memory_transport):
    memory_transport.create_topic("events-eu")
    requested(topic="events-eu", partition=1)

    assert lane(topics=["^events-.*"]).next() is None


def test_a_database_that_is_down_disturbs_nothing_and_is_left_alone_for_a_while(lane, monkeypatch, caplog):
    requested()
    lane = lane()
    asked = []

    def fail(self, limit):
        asked.append(1)
        raise OperationalError("no route to host 4111")

    monkeypatch.setattr("kafka_integration.dead_letters.replay_requests.ReplayRequests.places", fail)

    assert [lane.next() for _ in range(5)] == [None] * 5
    assert len(asked) == 1
    assert "can't look for replays" in caplog.text
    assert "4111" not in caplog.text
