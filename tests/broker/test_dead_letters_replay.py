"""Dead letters are replayed while their group is at work.

An operator presses Replay, perhaps twice, perhaps while a worker dies, while another one joins, or after the topic has
gone. With "database" each dead letter has its effect once all the same; it is handled by the worker that owns its
partition, never beside that partition's live messages; and one that fails again is still there to be seen.
"""

from __future__ import annotations

import json

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for

RECORDS = 40
ONCE = {"offset_storage": "database", "retry": {"attempts": 1}}


@pytest.fixture
def letters(scenario):
    return Letters(scenario)


class Letters:
    """The dead letters of a scenario, as an operator sees and replays them."""

    def __init__(self, scenario):
        self._scenario = scenario
        scenario.consumer |= ONCE

    def run(self, *arguments):
        consumers = {"workload": self._scenario.consumer}
        return self._scenario.command("kafkadeadletters", *arguments, "--json", consumers=consumers)

    def list(self):
        command = self.run("list", "--state", "all")
        assert command.wait() == 0, command.tail()
        return json.loads(command.output())

    def replay(self):
        command = self.run("replay", "--all")
        assert command.wait() == 0, command.tail()
        return json.loads(command.output())["changed"]

    def count(self, state):
        query = "SELECT count(*) FROM kafka_integration_deadletter WHERE state = %s"
        return self._query(query, state)[0][0]

    def end_leases(self):
        """As if their time were over."""
        with psycopg.connect(self._scenario.database_url) as connection:
            connection.execute(b"UPDATE kafka_integration_deadletter SET leased_until = now() - interval '1 second'")

    def are_leased(self):
        query = "SELECT count(*) FROM kafka_integration_deadletter WHERE state = 'replay' AND lease_holder <> %s"
        return self._query(query, "")[0][0]

    def wait_for(self, state, count, timeout=40.0):
        wait_for(lambda: self.count(state) == count, timeout, lambda: f"{count} {state}", interval=0.2)

    def make(self, count=1, **orders):
        """Records that fail at their first attempt, parked by a worker that has left again."""
        self._scenario.load.sent(count, **{"fail": 1, **orders})
        worker = self._scenario.worker("--until-caught-up")
        assert worker.wait(60) == 0, worker.tail()
        assert self.count("parked") == count

    def _query(self, query, *values):
        with psycopg.connect(self._scenario.database_url) as connection:
            return connection.execute(query.encode(), values).fetchall()


def test_pressed_twice_beside_live_traffic_each_is_handled_once_by_the_owner(scenario, letters):
    letters.make(RECORDS, seconds=0.05)
    workers = [scenario.ready_worker(), scenario.ready_worker()]
    with scenario.load.flowing(50, seconds=0.005):
        wait_for(lambda: {effect.worker for effect in scenario.effects.read()} == {w.pid for w in workers}, 30)

        presses = [letters.run("replay", "--all"), letters.run("replay", "--all")]
        assert {press.wait() for press in presses} == {0}

        letters.wait_for("handled", RECORDS)
        letters.replay()
    scenario.wait_handled()

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_no_key_in_two_places()
    owners = {}
    for effect in scenario.effects.read():
        owners.setdefault(effect.partition, set()).add(effect.worker)
    # The first worker had all partitions for a moment; since the second came, each has one owner.
    replayed = [effect for effect in scenario.effects.read() if effect.attempt == 2]
    assert len(replayed) == RECORDS
    assert all(len({e.worker for e in replayed if e.partition == p}) == 1 for p in owners)


def test_one_that_fails_again_has_its_count_raised_and_stays_to_be_seen(scenario, letters):
    letters.make(fail=2)
    before = letters.list()[0]
    scenario.ready_worker()

    letters.replay()
    wait_for(lambda: letters.list()[0]["attempts"] == 2, 30)
    again = letters.list()[0]
    assert letters.count("parked") == 1
    assert again == {**before, "attempts": 2}

    letters.replay()
    letters.wait_for("handled", 1)

    assert [effect.attempt for effect in scenario.effects.read()] == [3]


def test_a_worker_killed_in_a_replay_leaves_no_effect_and_the_next_one_finishes_it(scenario, letters):
    letters.make(seconds=4)
    victim = scenario.ready_worker()
    letters.replay()
    victim.wait_for_output("^begins ")

    victim.kill()
    assert letters.are_leased()
    assert scenario.effects.count() == 0
    letters.end_leases()
    scenario.ready_worker()

    letters.wait_for("handled", 1)
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()


@pytest.mark.parametrize(
    "protocol", [p if p == "range" else pytest.param(p, marks=pytest.mark.faults) for p in PROTOCOLS]
)
def test_a_member_that_joins_waits_for_the_replay(scenario, letters, protocol):
    scenario.consumer |= consumer_of(protocol)
    letters.make(6, seconds=1)
    scenario.ready_worker()
    letters.replay()
    wait_for(letters.are_leased, 30)

    scenario.ready_worker()

    letters.wait_for("handled", 6, timeout=60)
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()


def test_a_worker_told_to_stop_finishes_its_replay_and_begins_no_other(scenario, letters):
    letters.make(5, seconds=2)
    worker = scenario.ready_worker()
    letters.replay()
    worker.wait_for_output("^begins ")

    assert worker.terminate() == 0

    assert letters.count("handled") == scenario.effects.count() == 1
    assert letters.count("replay") == 4
    assert not letters.are_leased()


def test_of_a_topic_that_is_gone_any_worker_of_the_group_replays(scenario, letters, create_topic):
    other = create_topic()
    scenario.consumer["topics"] = [scenario.topic, other]
    letters.make(3)
    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    admin.delete_topics([scenario.topic])[scenario.topic].result(30)
    scenario.ready_worker()

    letters.replay()

    letters.wait_for("handled", 3)
    scenario.assert_nothing_twice()


def test_of_a_topic_that_is_not_read_any_more_any_worker_of_the_group_replays(scenario, letters, create_topic):
    letters.make(3)
    scenario.consumer["topics"] = [create_topic()]
    scenario.ready_worker()

    letters.replay()

    letters.wait_for("handled", 3)
    scenario.assert_nothing_twice()


def test_with_offsets_in_kafka_a_replay_happens_at_least_once(scenario, letters):
    scenario.consumer |= {"offset_storage": "kafka"}
    letters.make(RECORDS)
    scenario.ready_worker()
    scenario.ready_worker()

    letters.replay()

    letters.wait_for("handled", RECORDS)
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
