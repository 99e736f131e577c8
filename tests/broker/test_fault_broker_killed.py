"""The broker is killed, or freezes, under load.

The workers wait, resume without help when it is back, and nothing that was acknowledged is lost; with "database"
nothing has two effects either. Of three brokers one may be killed for good.
"""

from __future__ import annotations

import re
from collections import Counter
from time import monotonic

import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.faults.watching import elapse
from tests.processes import ChildProcess
from tests.waiting import wait_for

# What an operator sees meanwhile: of the group, of the client's requests, or that the broker is silent.
SIGNS_OF_A_FREEZE = re.compile("session timed out|Timed out|has answered nothing for")


BY_KEY = {"ordering": "key", "concurrency": 8}


@pytest.mark.parametrize(
    "consumer",
    [
        {"offset_storage": "database"},
        pytest.param({"offset_storage": "kafka"}, marks=pytest.mark.faults),
        pytest.param({**BY_KEY, "offset_storage": "database"}, marks=pytest.mark.faults),
        pytest.param({**BY_KEY, "offset_storage": "kafka"}, marks=pytest.mark.faults),
        pytest.param(
            {**BY_KEY, "offset_storage": "kafka", "message_handler": "tests.workload.handlers.each_async"},
            marks=pytest.mark.faults,
        ),
    ],
    ids=["database", "kafka", "key-database", "key-kafka", "key-async"],
)
def test_workers_resume_unaided_after_a_kill_under_load(breakable_kafka, scenario_on, consumer):
    scenario = scenario_on(breakable_kafka)
    scenario.consumer |= consumer
    workers = [scenario.ready_worker(), scenario.ready_worker()]
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(100):
            scenario.wait_handled(count=100)

            breakable_kafka.kill()
            breakable_kafka.restart()

            handled = scenario.effects.count()
            scenario.wait_handled(60, count=handled + 100)
        scenario.wait_handled()

    assert all(worker.running for worker in workers)
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert not commits.too_high
    if consumer["offset_storage"] == "database":
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_worker_leaves_within_seconds_while_the_broker_is_gone(breakable_kafka, scenario_on, offset_storage):
    scenario = scenario_on(breakable_kafka)
    scenario.consumer |= {"offset_storage": offset_storage, "offset_commit_interval_seconds": 60}
    worker = scenario.ready_worker()
    scenario.load.sent(20)
    scenario.wait_handled()

    breakable_kafka.kill()
    asked_at = monotonic()
    status = worker.terminate()

    assert status == 0
    assert monotonic() - asked_at < 5


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_workers_recover_within_thirty_seconds_of_a_freeze_of_thirty_seconds(breakable_kafka, scenario_on, protocol):
    scenario = scenario_on(breakable_kafka)
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": "database"}
    worker = scenario.ready_worker()
    with scenario.load.flowing(50):
        scenario.wait_handled(count=50)

        breakable_kafka.freeze()
        elapse(30)
        assert SIGNS_OF_A_FREEZE.search(worker.output()), worker.tail()
        handled = scenario.effects.count()
        breakable_kafka.thaw()

        scenario.wait_handled(30, count=handled + 50)
    scenario.wait_handled()

    assert worker.running
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "protocol",
    [pytest.param(each, marks=() if each == "cooperative-sticky" else pytest.mark.faults) for each in PROTOCOLS],
)
def test_members_come_back_however_often_the_cluster_says_that_it_has_no_brokers(
    breakable_kafka, scenario_on, protocol
):
    scenario = scenario_on(breakable_kafka)
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": "database"}
    workers = [scenario.ready_worker() for _ in range(4)]
    with scenario.load.flowing(50):
        for _ in range(2):
            scenario.wait_handled(count=scenario.effects.count() + 50)

            breakable_kafka.freeze()
            # So long that the cluster, which is this one broker, misses its broker and says that there is none.
            elapse(6)
            breakable_kafka.thaw()

            for worker in workers:
                wait_for(lambda w=worker: is_told_what_is_its_own(w), 45, worker.tail)
    scenario.wait_handled()

    assert [worker.terminate() for worker in workers] == [0] * len(workers)
    assert not any("joining with a new one" in worker.output() for worker in workers)
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_a_freeze_too_short_for_the_session_is_seen_in_the_log_all_the_same(breakable_kafka, scenario_on):
    scenario = scenario_on(breakable_kafka)
    scenario.consumer |= {"offset_storage": "database", "config": {}}
    worker = scenario.ready_worker()
    scenario.load.sent(50)
    scenario.wait_handled()

    breakable_kafka.freeze()
    worker.wait_for_output("has answered nothing for", 25)
    breakable_kafka.thaw()

    worker.wait_for_output("answers again", 20)
    scenario.load.sent(50)
    scenario.wait_handled(30)
    scenario.assert_nothing_twice()


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_of_three_brokers_the_leader_of_the_busiest_partition_may_be_killed_for_good(
    start_kafka, scenario_on, offset_storage
):
    cluster = start_kafka(brokers=3)
    scenario = scenario_on(
        cluster, replica_assignment=[[1, 2, 3], [1, 3, 2], [2, 1, 3], [3, 2, 1]], config={"min.insync.replicas": "2"}
    )
    scenario.consumer |= {"offset_storage": offset_storage}
    workers = [scenario.ready_worker(), scenario.ready_worker()]
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(100):
            scenario.wait_handled(count=100)
            ((busiest, _),) = Counter(record.partition for record in scenario.load.acknowledged).most_common(1)

            leader = leader_of(admin, scenario.topic, busiest)
            # Brokers are numbered from 1, the cluster's nodes from 0.
            cluster.kill(leader - 1)

            handled = scenario.effects.count()
            scenario.wait_handled(60, count=handled + 300)
        scenario.wait_handled()

    assert leader_of(admin, scenario.topic, busiest) not in (leader, -1)
    assert all(worker.running for worker in workers)
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert not commits.too_high
    if offset_storage == "database":
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()


def is_told_what_is_its_own(worker: ChildProcess) -> bool:
    """After it was told that it had lost it."""
    said = worker.output()
    return said.rfind(": assigned ") > said.rfind(": lost ")


def leader_of(admin: AdminClient, topic: str, partition: int) -> int:
    return int(admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader)
