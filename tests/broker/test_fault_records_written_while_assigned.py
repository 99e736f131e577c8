"""A record is written in the very moment in which a member gets its partitions.

Where a partition begins must not depend on whether the record came before or after librdkafka looked: a group
without offsets begins at the beginning, and reads it.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_is_read(scenario, protocol):
    scenario.consumer |= consumer_of(protocol)
    scenario.load.sent(20)

    scenario.ready_worker()
    scenario.load.sent(20)

    scenario.wait_handled()
