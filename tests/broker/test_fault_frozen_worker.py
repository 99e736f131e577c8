"""A worker is frozen in the middle of its work, longer than its session lasts, and goes on as if nothing had been.

Meanwhile its partitions belong to another worker, which claimed them in the database. What the frozen one had in its
hands rolls back when it thaws: each record has one effect, in order, and both go on working.
"""

from __future__ import annotations

from itertools import cycle
from time import monotonic

import pytest

from tests.faults.scenario import SESSION, consumer_of
from tests.faults.watching import elapse

pytestmark = pytest.mark.faults

SLOWLY = {"HANDLER_SECONDS": "0.01"}


@pytest.mark.parametrize(
    ("handler", "transaction"),
    [
        ("each", "message"),
        ("each", "batch"),
        ("Batch", "batch"),
    ],
)
def test_what_a_fenced_worker_had_in_its_hands_rolls_back(new_scenario, handler, transaction):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {
        "message_handler": f"tests.workload.handlers.{handler}",
        "offset_storage": "database",
        "transaction": transaction,
    }
    scenario.load.sent(10)
    scenario.load.sent(1, seconds=2)
    scenario.load.sent(10)
    frozen = scenario.worker()
    frozen.wait_for_output("begins", 40)

    frozen.freeze()
    other = scenario.worker()
    scenario.wait_handled(40)
    frozen.thaw()

    frozen.wait_for_output("to the group without notice", 20)
    frozen.wait_for_output(r"to the group without notice[\s\S]*assigned", 20)
    assert other.terminate() == 0
    scenario.load.sent(10)
    scenario.wait_handled()
    assert frozen.terminate() == 0
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    by_frozen = {effect.offset for effect in scenario.effects.read() if effect.worker == frozen.pid}
    assert by_frozen == {*range(10 if transaction == "message" else 0), *range(21, 31)}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("handler", "transaction"), [("each", "message"), ("each", "batch"), ("Batch", "batch")])
def test_two_workers_frozen_in_turn_under_load_do_each_record_once(scenario, handler, transaction):
    scenario.consumer |= {
        "message_handler": f"tests.workload.handlers.{handler}",
        "offset_storage": "database",
        "transaction": transaction,
        "batch_size": 50,
    }
    workers = [scenario.ready_worker(env=SLOWLY), scenario.ready_worker(env=SLOWLY)]
    with scenario.watch_commits() as commits, scenario.load.flowing(100):
        end = monotonic() + 60
        for worker in cycle(workers):
            if monotonic() > end:
                break
            worker.freeze()
            elapse(SESSION["session.timeout.ms"] / 1000 + 2)
            worker.thaw()
            elapse(2)
    scenario.wait_handled(90)

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    assert [worker.terminate() for worker in workers] == [0, 0]


def test_a_member_of_the_consumer_protocol_is_fenced_too(start_kafka, scenario_on):
    session = {"group.consumer.session.timeout.ms": 3000, "group.consumer.heartbeat.interval.ms": 1000}
    scenario = scenario_on(start_kafka(properties=session), partitions=1)
    scenario.consumer |= {**consumer_of("consumer"), "offset_storage": "database", "transaction": "batch"}
    scenario.load.sent(10)
    scenario.load.sent(1, seconds=2)
    frozen = scenario.worker()
    frozen.wait_for_output("begins", 40)

    frozen.freeze()
    other = scenario.worker()
    scenario.wait_handled(40)
    frozen.thaw()

    frozen.wait_for_output("to the group without notice", 20)
    scenario.load.sent(10)
    scenario.wait_handled()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert {effect.worker for effect in scenario.effects.read()} == {other.pid}
