"""Sixteen lanes write their effects side by side with offsets in the database, and the worker is killed (-9).

Whatever a lane had in its hands rolls back, and what is finished beyond the offset is left out by whoever comes next,
also in the order of the partition: each record has one effect, each key's in order.
"""

from __future__ import annotations

import random

import pytest

from tests.faults.scenario import consumer_of
from tests.faults.watching import elapse

pytestmark = pytest.mark.faults

SLOWLY = {"HANDLER_SECONDS": "0.01"}
LANES = {"ordering": "key", "concurrency": 16, "offset_storage": "database"}


@pytest.mark.parametrize(
    "ordering_afterwards",
    ["key", "none", "partition"],
)
def test_what_is_finished_beyond_a_long_message_is_not_done_again(new_scenario, tmp_path, ordering_afterwards):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= LANES
    scenario.load.sent(1, key="slow", seconds=600, once=str(tmp_path / "slow"))
    scenario.load.sent(300)
    worker = scenario.worker()
    scenario.wait_handled(count=300)
    assert scenario.committed.read().get(0, 0) == 0

    worker.kill()
    other = scenario.worker(ordering=ordering_afterwards)

    scenario.wait_handled()
    scenario.wait_committed()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_no_key_in_two_places()
    assert other.terminate() == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("protocol", ["range", "consumer"])
def test_kills_again_and_again_leave_one_effect_of_each_record(scenario, protocol):
    scenario.consumer |= {**consumer_of(protocol), **LANES, "max_ahead": 500}
    chance = random.Random(18)
    scenario.load.sent(6_000)
    workers = [scenario.worker(env=SLOWLY), scenario.worker(env=SLOWLY)]
    with scenario.watch_commits() as commits:
        kills = 0
        while scenario.effects.count() < 6_000 and kills < 40:
            elapse(chance.uniform(2, 5))
            victim = chance.randrange(2)
            workers[victim].kill()
            workers[victim] = scenario.worker(env=SLOWLY)
            kills += 1
        scenario.wait_handled(120)

    assert kills >= 2
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    for worker in workers:
        worker.wait_for_output("assigned", 60)  # while Python starts, a SIGTERM just ends it
    assert [worker.terminate() for worker in workers] == [0, 0]
