"""An operator moves a group that is at work, with its offsets in the database, and a worker is killed (-9) meanwhile.

Whoever owns a partition finishes what it has in hand, and goes on where it was moved, without a restart. Whatever dies
in between, each partition went on either where it was or where it was moved to: no record is missing, and none is
repeated but for that.
"""

from __future__ import annotations

import json

import pytest

from tests.waiting import wait_for

pytestmark = pytest.mark.faults

RECORDS = 300
SLOWLY = {"HANDLER_SECONDS": "0.02"}
DATABASE = {"offset_storage": "database"}


@pytest.mark.parametrize("ordering", ["partition", "none"])
def test_a_group_at_work_goes_on_where_it_is_moved_without_a_restart(new_scenario, ordering):
    scenario = at_work(new_scenario, ordering)
    worker = scenario.worker(env=SLOWLY)
    wait_owned(scenario)

    document = moved(reset(scenario))

    assert document["applied"] is True
    assert len(document["moved_by"]) == 1
    wait_committed(scenario, worker)
    assert "is moved to 0" in worker.output()
    for number in (0, 1):
        assert was_moved(scenario, number, ordering)
    assert worker.terminate() == 0


@pytest.mark.parametrize("ordering", ["partition", "none"])
@pytest.mark.parametrize("line", ["is moved to 0", "asked to reset"])
def test_a_worker_that_dies_meanwhile_leaves_exact_effects(new_scenario, ordering, line):
    scenario = at_work(new_scenario, ordering)
    worker = scenario.worker(env=SLOWLY)
    wait_owned(scenario)

    command = reset(scenario)
    worker.wait_for_output(line, 30)
    worker.kill()
    command.wait(60)
    other = scenario.worker()
    other.wait_for_output(f"assigned {scenario.topic}", 60)

    wait_committed(scenario, other)
    for number in (0, 1):
        was_moved(scenario, number, ordering)
    assert other.terminate() == 0


def at_work(new_scenario, ordering):
    """Two partitions that take a while."""
    scenario = new_scenario(partitions=2)
    scenario.consumer |= {**DATABASE, "ordering": ordering, "concurrency": 2}
    for number in (0, 1):
        scenario.load.sent(RECORDS, partition=number)
    return scenario


def wait_owned(scenario):
    """Until a process has said that both partitions are its own, and some of each was handled."""
    wait_for(lambda: len(owned(scenario)) == 2, 60, "a process owns both", interval=0.5)
    wait_for(lambda: all(len(scenario.effects.offsets().get(n, ())) > 20 for n in (0, 1)), 60, "some is handled")


def owned(scenario):
    command = scenario.command("kafkaprocesses", "list", "--json", consumers={"workload": scenario.consumer})
    assert command.wait(40) == 0, command.tail()
    return [place for row in json.loads(command.output()) for each in row["consumers"] for place in each["partitions"]]


def reset(scenario):
    arguments = ("kafkagroups", "reset", scenario.group, "--to", "earliest", "--apply", "--json")
    return scenario.command(*arguments, consumers={"workload": scenario.consumer})


def moved(command):
    assert command.wait(60) == 0, command.tail()
    return json.loads(command.output())


def wait_committed(scenario, worker):
    wait_for(lambda: scenario.committed.read() == {0: RECORDS, 1: RECORDS}, 120, worker.tail, interval=0.5)


def was_moved(scenario, number, ordering):
    """Whether the partition went on at its first record; its effects are those of this, or of nothing having been."""
    offsets = [effect.offset for effect in scenario.effects.read() if effect.partition == number]
    again = len(offsets) - RECORDS
    if ordering == "partition":
        assert offsets in (list(range(RECORDS)), [*range(again), *range(RECORDS)])
    else:
        repeated = {offset for offset in offsets if offsets.count(offset) == 2}
        assert sorted(offsets) == sorted([*range(RECORDS), *repeated])
    return again > 0
