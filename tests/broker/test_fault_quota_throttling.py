"""A quota: the broker lets its clients wait, in reading and in writing, for half a minute.

All goes slower and nothing else happens: nobody is thrown out of the group, nothing is repeated, and no log line takes
a throttled broker for one that is down or silent.
"""

from __future__ import annotations

import pytest

from tests.services.kafka_quotas import set_quota

PAYLOAD = "x" * 2000
RECORDS = 600
BYTES_PER_SECOND = 40_000


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_throttled_consumer_is_slower_and_nothing_else(start_kafka, scenario_on, offset_storage):
    cluster = start_kafka()
    scenario = scenario_on(cluster)
    scenario.consumer |= {"offset_storage": offset_storage}
    set_quota(int(cluster.bootstrap.rpartition(":")[2]), bytes_per_second=BYTES_PER_SECOND)
    worker = scenario.ready_worker()
    scenario.load.sent(RECORDS, payload=PAYLOAD)

    # 1.2 MB at 40 kB a second: half a minute.
    scenario.wait_handled(90)
    scenario.wait_committed()

    taken = [effect.ended for effect in scenario.effects.read()]
    print(f"{RECORDS} records in {(max(taken) - min(taken)) / 1e9:.0f} s")
    assert max(taken) - min(taken) > 10 * 10**9, "the quota has to be felt"
    assert worker.terminate() == 0
    assert "WARNING" not in worker.output(), worker.tail()
    assert worker.output().count(": assigned") == 1
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
