"""A lease that is kept whatever the clock of the host says, and passes on once its relay is killed."""

from __future__ import annotations

from time import monotonic

from tests.processes import ChildProcess
from tests.publishing.scenario import PublishingScenario

LEASE_SECONDS = 2


def assert_kept(publishing: PublishingScenario, standby: ChildProcess) -> None:
    assert "Relaying the outbox" not in standby.output()
    assert publishing.execute("SELECT epoch FROM kafka_integration_relaylease") == [(1,)]


def assert_passes_on(publishing: PublishingScenario, active: ChildProcess, standby: ChildProcess) -> None:
    killed_at = monotonic()
    active.kill()
    standby.wait_for_output("Relaying the outbox", 20)
    assert monotonic() - killed_at < LEASE_SECONDS + 8
    publishing.insert("at last", key="k")
    publishing.wait_empty()
