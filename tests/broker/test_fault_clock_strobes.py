"""The clock of the host strobes: it jumps to and fro by minutes, several times a second, under workers and relays.

Leases go by the database's clock and the monotonic one, pauses and intervals by the monotonic one: the active relay
stays the active one and is replaced in time once it is killed, retries are neither hurried nor put off, and each record
has its effect once.
"""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

import pytest

from tests.faults.clock import ShiftedClock
from tests.faults.failing_load import ATTEMPTS, FailingLoad
from tests.faults.scenario import Scenario
from tests.faults.watching import elapse
from tests.publishing.leases import LEASE_SECONDS, assert_kept, assert_passes_on
from tests.publishing.scenario import PublishingScenario

MINUTES = timedelta(minutes=5)
BACKOFF_SECONDS = 1.0


@pytest.mark.faults
@pytest.mark.parametrize("consumer", [{"offset_storage": "database"}, {"deduplicate": True}], ids=str)
def test_each_record_takes_effect_once_and_retries_come_in_time(
    kafka, create_topic, workload_url, manage, clock, consumer
):
    servers = {"bootstrap": kafka.bootstrap, "topic": create_topic(), "database_url": workload_url}
    scenario = Scenario(**servers, start_manage=manage, load=FailingLoad)
    scenario.consumer |= {"retry": {"attempts": ATTEMPTS, "backoff_seconds": BACKOFF_SECONDS}, **consumer}
    with clock.strobing(MINUTES):
        workers = [scenario.ready_worker(env=clock.env), scenario.worker(env=clock.env)]
        with scenario.load.flowing(20):
            scenario.wait_handled(count=100)
            workers[0].kill()
            workers[0] = scenario.worker(env=clock.env)
            scenario.wait_handled(count=scenario.effects.count() + 100)
        failing = sum(
            scenario.load.failures_of(record.key, record.seq) >= ATTEMPTS for record in acknowledged(scenario)
        )
        began = monotonic()
        scenario.wait_handled(count=len(acknowledged(scenario)) - failing)
        # Each partition waits for what fails in it, one after the other, and for no clock.
        assert monotonic() - began < 5 + BACKOFF_SECONDS * len(acknowledged(scenario)) / 7
        assert [worker.terminate() for worker in workers] == [0, 0]

    assert scenario.effects.dead_letters() == failing
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    scenario.close()


@pytest.mark.faults
def test_a_lease_is_kept_and_given_up_as_ever(publishing: PublishingScenario, clock: ShiftedClock) -> None:
    publishing.env |= clock.env
    with clock.strobing(MINUTES):
        active = publishing.active_relay(lease_seconds=LEASE_SECONDS)
        standby = publishing.standby(lease_seconds=LEASE_SECONDS)
        publishing.insert("before", key="k")
        elapse(2 * LEASE_SECONDS)
        publishing.insert("after", key="k")
        publishing.wait_empty()

        assert_kept(publishing, standby)
        assert_passes_on(publishing, active, standby)

    assert [message.value for message in publishing.arrived()] == [b"before", b"after", b"at last"]


def acknowledged(scenario: Scenario) -> list:
    return scenario.load.acknowledged
