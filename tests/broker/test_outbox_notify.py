"""With `"notify": True` the relay wakes when a transaction commits.

The poll interval is long here, so that only the notification can explain that a message arrives at once. Where nothing
listens, polling does the same a little later.
"""

from __future__ import annotations

from time import monotonic

from tests.publishing.scenario import PublishingScenario
from tests.waiting import wait_for

LONG = 20.0


def test_a_commit_wakes_the_relay(publishing: PublishingScenario) -> None:
    publishing.kafka["outbox"] = {"lease_seconds": 60, "notify": True, "poll_interval_seconds": LONG}
    publishing.active_relay()
    publishing.play("one")
    publishing.wait_empty(LONG * 2)
    began = monotonic()

    publishing.play("one")
    publishing.wait_empty()

    # Mostly the time that the publishing process needs to start.
    assert monotonic() - began < LONG / 2


def test_a_relay_that_seldom_looks_keeps_its_lease_and_stops_at_once(publishing: PublishingScenario) -> None:
    publishing.kafka["outbox"] = {"lease_seconds": 1, "poll_interval_seconds": LONG}
    relay = publishing.active_relay()
    publishing.standby()
    publishing.insert("x")
    publishing.wait_empty()

    began = monotonic()
    assert relay.terminate() == 0

    assert monotonic() - began < 3
    assert "too slow" not in relay.output()


def test_a_listener_that_was_cut_off_listens_again(publishing: PublishingScenario) -> None:
    publishing.kafka["outbox"] = {"lease_seconds": 60, "notify": True, "poll_interval_seconds": 1}
    relay = publishing.active_relay()
    cut_off = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
    )
    # It listens a little after it has become the active one.
    wait_for(lambda: publishing.execute(cut_off), 20)
    relay.wait_for_output("can't be listened to")

    publishing.play("one")

    publishing.wait_empty()
