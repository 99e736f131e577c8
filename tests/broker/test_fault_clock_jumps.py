"""The clock of the host jumps an hour, forward or back, while relays hold a lease and a message waits to be retried.

The lease goes by the database's clock and the monotonic one of the process: the active relay stays the active one, and
when it is killed its standby, whose clock is just as wrong, takes over within seconds. The pause before a retry goes by
the monotonic clock: the message is tried again neither at once nor an hour later.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic_ns

import pytest

from tests.faults.clock import ShiftedClock
from tests.faults.watching import elapse
from tests.processes import ChildProcess
from tests.publishing.leases import LEASE_SECONDS, assert_kept, assert_passes_on
from tests.publishing.scenario import PublishingScenario

pytestmark = pytest.mark.faults

HOUR = timedelta(hours=1)
BACKOFF_SECONDS = 8.0

jumps = pytest.mark.parametrize("jump", [pytest.param(HOUR, id="forward"), pytest.param(-HOUR, id="back")])


def assert_its_clock_is_off_by(jump: timedelta, child: ChildProcess) -> None:
    """By what its last line in the log says."""
    logged = datetime.strptime(child.output().splitlines()[-1][:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(logged - datetime.now(UTC) - jump) < timedelta(minutes=5)


@jumps
def test_a_lease_is_kept_and_given_up_as_ever(
    publishing: PublishingScenario, clock: ShiftedClock, jump: timedelta
) -> None:
    publishing.env |= clock.env
    active = publishing.active_relay(lease_seconds=LEASE_SECONDS)
    standby = publishing.standby(lease_seconds=LEASE_SECONDS)
    publishing.insert("before", key="k")
    publishing.wait_empty()

    clock.jump(jump)
    elapse(3 * LEASE_SECONDS)
    publishing.insert("after", key="k")
    publishing.wait_empty()

    assert_kept(publishing, standby)
    assert_passes_on(publishing, active, standby)
    assert_its_clock_is_off_by(jump, standby)
    assert [message.value for message in publishing.arrived()] == [b"before", b"after", b"at last"]


@jumps
def test_the_pause_before_a_retry_is_neither_cut_short_nor_drawn_out(new_scenario, clock, jump):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"retry": {"attempts": 2, "backoff_seconds": BACKOFF_SECONDS}}
    worker = scenario.ready_worker(env=clock.env)
    scenario.load.sent(1, fail=1)
    worker.wait_for_output("attempt 1 .* failed, next in")
    failed_at = monotonic_ns()

    clock.jump(jump)
    scenario.load.sent(3)

    scenario.wait_handled(40)
    (retried,) = (effect for effect in scenario.effects.read() if effect.attempt == 2)
    # Half of it is the least that jitter leaves, and the line was seen a moment after it was written.
    assert retried.began - failed_at > (BACKOFF_SECONDS / 2 - 1) * 1e9
    scenario.assert_in_order()
    assert worker.terminate() == 0, worker.tail()
    assert_its_clock_is_off_by(jump, worker)
