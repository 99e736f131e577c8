"""Messages are handled by key, one is in a handler's hands for long, and the worker is killed (-9).

The commit stays below the long one, and says what is finished beyond: that is not handled again by whoever comes
next, in whatever order it handles messages. Nothing is lost, each key stays in order, and no two messages of a key are
handled at the same time.
"""

from __future__ import annotations

import random
from itertools import count

import pytest

from tests.faults.scenario import consumer_of
from tests.faults.watching import elapse
from tests.waiting import wait_for

RECORDS = 20_000


@pytest.mark.parametrize(
    "ordering_afterwards",
    ["key", pytest.param("none", marks=pytest.mark.faults), pytest.param("partition", marks=pytest.mark.faults)],
)
def test_what_the_last_commit_says_to_be_finished_is_not_handled_again(new_scenario, tmp_path, ordering_afterwards):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"ordering": "key", "concurrency": 8}
    scenario.load.sent(1, key="slow", seconds=600, once=str(tmp_path / "slow"))
    scenario.load.sent(1000)
    scenario.load.sent(1, key="slow")
    worker = scenario.worker(env={"HANDLER_SECONDS": "0.001"})
    wait_for(lambda: len(scenario.committed.finished_beyond().get(0, ())) == 1000, 60, worker.tail)
    assert scenario.committed.read() == {0: 0}

    worker.kill()
    scenario.worker(ordering=ordering_afterwards)

    scenario.wait_handled()
    scenario.wait_committed()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    if ordering_afterwards != "none":
        scenario.assert_in_order()
    assert scenario.committed.finished_beyond() == {0: set()}


@pytest.mark.parametrize("protocol", ["range", "cooperative-sticky", "consumer"])
def test_under_load_only_what_the_last_commit_did_not_hold_is_handled_again(scenario, protocol):
    scenario.consumer |= {**consumer_of(protocol), "ordering": "key", "concurrency": 16}
    slowly = {"HANDLER_SECONDS": "0.005"}
    scenario.load.sent(4000)
    worker = scenario.worker(env=slowly)
    scenario.wait_handled(count=1000)
    wait_for(lambda: any(scenario.committed.finished_beyond().values()), 20, worker.tail, interval=0.1)

    worker.kill()
    before = {(effect.partition, effect.offset) for effect in scenario.effects.read()}
    floors, beyond = scenario.committed.read(), scenario.committed.finished_beyond()
    scenario.worker(env=slowly)
    scenario.wait_handled(90)

    held = {place for place in before if place[1] < floors.get(place[0], 0) or place[1] in beyond.get(place[0], ())}
    assert held
    assert not scenario.repeated() & held
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", ["range", "consumer"])
@pytest.mark.parametrize("deduplicate", [False, True])
def test_kills_again_and_again_lose_nothing(scenario, protocol, deduplicate):
    scenario.consumer |= {
        **consumer_of(protocol),
        "ordering": "key",
        "concurrency": 16,
        "max_ahead": 500,
        "deduplicate": deduplicate,
    }
    slowly = {"HANDLER_SECONDS": "0.01"}
    chance = random.Random(17)
    scenario.load.sent(RECORDS)
    workers = [scenario.worker(env=slowly), scenario.worker(env=slowly)]
    kills = 0
    with scenario.watch_commits() as commits:
        for kills in count():
            if scenario.effects.count() == RECORDS or kills > 60:
                break
            elapse(chance.uniform(3, 6))
            victim = chance.randrange(2)
            workers[victim].kill()
            workers[victim] = scenario.worker(env=slowly)
        scenario.wait_handled(120)

    print(f"{kills} kills, {len(scenario.repeated())} of {RECORDS} records repeated")
    assert kills >= 3
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert commits.samples > 10
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    if deduplicate:
        scenario.assert_nothing_twice()
