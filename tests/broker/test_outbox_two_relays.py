"""Two relays run on one database: one is active, the other stands by and takes over.

Twenty writers publish in transactions of random length, a fifth of which roll back. Meanwhile the active relay is
killed, or frozen for longer than its lease and then thawed. In the end everything that was committed is in Kafka, and
nothing that was rolled back; per key, first appearances are in order. What the dead relay had on its way may be there
twice, under the same event id.
"""

from __future__ import annotations

import pytest

from tests.publishing.scenario import PublishingScenario

LOAD = ("--writers=20", "--transactions=40", "--keys=15", "--delay-ms=60")


def test_only_one_of_two_relays_is_active(publishing: PublishingScenario) -> None:
    publishing.active_relay()
    standby = publishing.standby()

    publishing.insert("x", key="k", count=500)
    publishing.wait_empty()

    assert publishing.repeats() == 0
    assert "Relaying the outbox" not in standby.output()


def test_the_standby_takes_over_from_a_relay_that_was_killed(publishing: PublishingScenario) -> None:
    active = publishing.active_relay()
    standby = publishing.standby()
    writers = publishing.writers(*LOAD)
    publishing.wait_arrived(100)

    active.kill()
    standby.wait_for_output("Relaying the outbox", 10)

    assert writers.wait(90) == 0, writers.tail()
    publishing.wait_empty()
    publishing.assert_published_means_arrived()
    publishing.assert_first_appearances_in_order()


@pytest.mark.faults
def test_the_standby_takes_over_from_a_relay_that_was_frozen_and_keeps_the_lease(
    publishing: PublishingScenario,
) -> None:
    active = publishing.active_relay()
    standby = publishing.standby()
    writers = publishing.writers(*LOAD)
    publishing.wait_arrived(100)

    active.freeze()
    standby.wait_for_output("Relaying the outbox", 10)
    active.thaw()
    active.wait_for_output("too slow to keep its lease", 10)

    assert writers.wait(90) == 0, writers.tail()
    publishing.wait_empty()
    publishing.assert_published_means_arrived()
    publishing.assert_first_appearances_in_order()
    assert active.running


def test_a_relay_that_is_stopped_hands_over_at_once(publishing: PublishingScenario) -> None:
    active = publishing.active_relay(lease_seconds=60)
    standby = publishing.standby(lease_seconds=60)

    assert active.terminate(10) == 0

    standby.wait_for_output("Relaying the outbox", 5)
