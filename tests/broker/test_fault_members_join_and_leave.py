"""Members of a group come and go while there is work in their hands.

A member that joins gets its share after a bounded drain: what is finished is committed, what is only queued is dropped
and handled by its new owner. Whoever comes and goes, nothing is lost, and nothing has two effects.
"""

from __future__ import annotations

import random
from itertools import count
from time import monotonic

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.faults.watching import elapse
from tests.waiting import wait_for

pytestmark = pytest.mark.faults

SLOWLY = {"HANDLER_SECONDS": "0.005"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_member_that_joins_in_mid_batch_takes_its_share(scenario, protocol):
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": "database"}
    scenario.load.sent(1500)
    with scenario.watch_commits() as commits:
        first = scenario.worker(env=SLOWLY)
        scenario.wait_handled(count=100)

        second = scenario.worker(env=SLOWLY)
        second.wait_for_output(f"assigned {scenario.topic}", 40)
        first.wait_for_output("revoked", 20)
        scenario.wait_handled()

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert not commits.too_high
    assert {effect.worker for effect in scenario.effects.read()} == {first.pid, second.pid}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_with_offsets_in_kafka_a_handover_between_healthy_members_repeats_nothing(scenario, protocol):
    scenario.consumer |= consumer_of(protocol)
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(100):
            first = scenario.worker(env=SLOWLY)
            scenario.wait_handled(count=100)

            second = scenario.worker(env=SLOWLY)
            second.wait_for_output(f"assigned {scenario.topic}", 40)
            first.wait_for_output("revoked", 20)
            wait_for(lambda: second.pid in {effect.worker for effect in scenario.effects.read()}, 20, second.tail)
        scenario.wait_handled()

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert not commits.too_high
    assert first.terminate() == 0
    assert second.terminate() == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_members_that_come_and_go_every_two_seconds_lose_nothing(scenario, protocol, offset_storage):
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage}
    chance = random.Random(10)
    workers = [scenario.ready_worker(env=SLOWLY)]
    with scenario.watch_commits() as commits, scenario.load.flowing(100):
        end = monotonic() + 60
        for number in count():
            if monotonic() > end:
                break
            if number % 2:
                leaving = workers.pop(chance.randrange(len(workers)))
                # Before that a signal just ends it: two seconds may be less than Python needs on a busy machine.
                leaving.wait_for_output("joining group", 40)
                assert leaving.terminate() == 0
            else:
                workers.append(scenario.worker(env=SLOWLY))
            elapse(2)
    scenario.wait_handled(90)

    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert len({effect.worker for effect in scenario.effects.read()}) > 5
    assert commits.samples > 20
    assert not commits.too_high
    if offset_storage == "database":
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_attempts_start_afresh_with_the_new_owner(new_scenario, protocol):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {**consumer_of(protocol), "retry": {"attempts": 3, "backoff_seconds": 3, "backoff_factor": 1}}
    scenario.load.sent(1, fail=2)
    first = scenario.worker()
    first.wait_for_output("attempt 2 .* failed, next in", 40)

    assert first.terminate() == 0
    second = scenario.worker()

    second.wait_for_output("attempt 1 .* failed, next in", 40)
    scenario.wait_handled()
    assert [effect.attempt for effect in scenario.effects.read()] == [3]
    assert scenario.effects.dead_letters() == 0
