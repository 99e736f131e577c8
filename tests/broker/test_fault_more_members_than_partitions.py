"""A group has more members than the topic has partitions.

The member without one is idle and well, takes over when it is needed, and leaves cleanly. It is told with the process
that it is, also in a group whose protocol tells such a member nothing.
"""

from __future__ import annotations

import re

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_idle_member_is_well_and_leaves_cleanly(new_scenario, protocol):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= consumer_of(protocol)
    workers = [scenario.worker(), scenario.worker()]
    # A group that rebalances tells nothing of its members, and one of them alone owns all.
    wait_for(
        lambda: sorted(told(scenario).values()) == ["no partition", f"{scenario.topic}[0]"],
        60,
        lambda: f"one owns {scenario.topic}[0], one nothing: {told(scenario)}",
        interval=0.5,
    )

    scenario.load.sent(50)
    scenario.wait_handled()

    owners = told(scenario)
    (busy,) = {effect.worker for effect in scenario.effects.read()}
    (idle,) = (worker for worker in workers if worker.pid != busy)
    assert owners == {busy: f"{scenario.topic}[0]", idle.pid: "no partition"}
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
