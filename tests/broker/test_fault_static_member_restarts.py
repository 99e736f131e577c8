"""A static member is stopped, and started again under its `group.instance.id` before the group misses it (KIP-345).

Its partitions wait for it: the other member keeps its own, is given no others and is not disturbed. What was sent
meanwhile is handled once it is back. Every record has its effect once, in order; also with offsets in Kafka, as a
member that is stopped commits what it finished.
"""

import signal

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for

pytestmark = pytest.mark.faults

UNNOTICED = {"session.timeout.ms": 30_000, "heartbeat.interval.ms": 500}


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_its_partitions_wait_for_it(scenario, protocol, offset_storage):
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage}

    def member(name):
        session = {} if protocol == "consumer" else UNNOTICED
        return scenario.worker(config={**scenario.consumer["config"], **session, "group.instance.id": name})

    one, two = member("one"), member("two")
    for each in (one, two):
        each.wait_for_output(r"assigned topic-", 40)
    scenario.load.sent(200)
    scenario.wait_handled()
    wait_for(lambda: len(workers(scenario)) == 2, 40, "both to have handled some")
    own = workers(scenario)[two.pid]
    so_far = len(two.output())

    with scenario.watch_commits() as commits:
        one.signal(signal.SIGTERM)
        assert one.wait(20) == 0
        scenario.load.sent(200)
        wait_for(lambda: handled_of(scenario, own) == sent_to(scenario, own), 30, "the other one to handle its own")
        assert workers(scenario)[two.pid] == own
        one = member("one")
        scenario.wait_handled()

    assert workers(scenario)[one.pid] == set(range(4)) - own
    assert "revoked" not in two.output()[so_far:]
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert not commits.too_high


def workers(scenario):
    """The partitions of which each process has handled something."""
    found = {}
    for effect in scenario.effects.read():
        found.setdefault(effect.worker, set()).add(effect.partition)
    return found


def handled_of(scenario, partitions):
    return sum(effect.partition in partitions for effect in scenario.effects.read())


def sent_to(scenario, partitions):
    return sum(record.partition in partitions for record in scenario.load.acknowledged)
