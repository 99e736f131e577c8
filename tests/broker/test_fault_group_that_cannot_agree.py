"""Two processes use one ``group.instance.id``, or the members of a group ask for different assignors.

Neither heals by waiting: the process says what is wrong, in words, and exits with 1.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import SESSION, consumer_of
from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_duplicate_instance_id_is_fatal_for_one_of_the_two(scenario, protocol):
    scenario.consumer |= consumer_of("consumer" if protocol == "consumer" else "range")
    scenario.consumer["config"]["group.instance.id"] = "the-same"
    first = scenario.ready_worker()
    second = scenario.worker()

    loser = wait_for_an_end(first, second)

    assert loser.exit_status == 1
    assert "another member of the group uses the same group.instance.id" in loser.output()
    assert "Give every process its own" in loser.output()


def test_a_member_with_another_assignor_is_refused(scenario):
    scenario.ready_worker(config={**SESSION, "partition.assignment.strategy": "range"})

    second = scenario.worker(
        config={**SESSION, "partition.assignment.strategy": "cooperative-sticky"},
        subscriber_retries=1,
        subscriber_retry_delay_ms=500,
    )

    assert second.wait(timeout=40) == 1
    assert "another protocol or assignor" in second.output()
    assert "partition.assignment.strategy" in second.output()


def wait_for_an_end(*processes):
    ended = wait_for(lambda: [each for each in processes if not each.running], 40, "one of the two ends")
    return ended[0]
