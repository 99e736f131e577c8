"""A group has more members than the topic has partitions.

The member without one is idle and well, takes over when it is needed, and leaves cleanly. It is told with the process
that it is, also in a group whose protocol tells such a member nothing.
"""

from __future__ import annotations

import re

import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.groups import members_of
from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_idle_member_is_well_and_leaves_cleanly(new_scenario, protocol):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= consumer_of(protocol)
    workers = [scenario.worker(), scenario.worker()]
    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    wait_for(lambda: members_of(admin, scenario.group) == 2, 40, "two members", interval=0.2)

    scenario.load.sent(50)
    scenario.wait_handled()

    # The last one: the partition may have changed hands while both joined.
    busy = scenario.effects.read()[-1].worker
    (idle,) = (worker for worker in workers if worker.pid != busy)
    wait_for(
        lambda: told(scenario) == {busy: f"{scenario.topic}[0]", idle.pid: "no partition"},
        60,
        lambda: f"{busy} owns {scenario.topic}[0], {idle.pid} nothing: {told(scenario)}",
        interval=0.5,
    )
    assert idle.terminate() == 0
    scenario.load.sent(50)
    scenario.wait_handled()
    scenario.assert_nothing_twice()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_with_nothing_assigned_until_caught_up_ends_too(new_scenario, protocol):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= consumer_of(protocol)
    scenario.worker().wait_for_output(f"assigned {scenario.topic}", 40)

    idle = scenario.worker("--until-caught-up")

    assert idle.wait(timeout=40) == 0


def told(scenario) -> dict[int, str]:
    """What `kafkagroups lag` says that each process owns."""
    command = scenario.command("kafkagroups", "lag", scenario.group, consumers={"workload": scenario.consumer})
    assert command.wait(40) == 0, command.tail()
    found = re.findall(r"^member \S+ on \S+, process \d+ \((\d+)\): (.*)$", command.output(), re.MULTILINE)
    return {int(pid): owned for pid, owned in found}
