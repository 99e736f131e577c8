"""PostgreSQL restarts again and again under a relay at work.

Writers lose the transactions that were open, and their messages with them. The relay says once that the database fails,
waits, and goes on when it is back; what it had acknowledged but not removed is removed then, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest

from tests.broker.conftest import migrate_publishing
from tests.publishing.scenario import PublishingScenario
from tests.services.kafka import KafkaCluster
from tests.services.postgres import PostgresServer


@pytest.fixture
def own_postgres(start_postgres: Callable[[], PostgresServer]) -> PostgresServer:
    return start_postgres()


@pytest.fixture
def scenario(
    own_postgres: PostgresServer,
    kafka: KafkaCluster,
    create_topic: Callable[..., str],
    manage,
    tmp_path_factory: pytest.TempPathFactory,
) -> PublishingScenario:
    url = own_postgres.create_database("publishing")
    migrate_publishing(url, tmp_path_factory)
    return PublishingScenario(bootstrap=kafka.bootstrap, topic=create_topic(), database_url=url, start_manage=manage)


def test_everything_committed_arrives_though_the_database_restarts_under_load(
    scenario: PublishingScenario, own_postgres: PostgresServer
) -> None:
    relay = scenario.active_relay()
    writers = scenario.writers("--writers=6", "--transactions=120", "--delay-ms=60")

    for mode in ("fast", "immediate", "fast"):
        arrived = len(scenario.arrived())
        scenario.wait_arrived(arrived + 60)
        own_postgres.restart(mode)

    assert writers.wait(90) == 0, writers.tail()
    scenario.wait_empty(60)
    scenario.assert_published_means_arrived()
    scenario.assert_first_appearances_in_order()
    assert "is back after" in relay.output()
    assert relay.terminate() == 0


def test_a_relay_that_starts_before_the_database_waits_for_it(
    scenario: PublishingScenario, own_postgres: PostgresServer
) -> None:
    own_postgres.shut_down()
    relay = scenario.relay()
    relay.wait_for_output("the database fails")

    own_postgres.start()
    scenario.insert("x")

    scenario.wait_empty()


def test_a_relay_leaves_a_database_that_does_not_answer_behind(
    scenario: PublishingScenario, own_postgres: PostgresServer
) -> None:
    relay = scenario.active_relay()
    own_postgres.freeze()
    try:
        status = relay.terminate(10)
    finally:
        own_postgres.thaw()

    assert status == 3
    assert "Leaving without an answer of database default" in relay.output()


def test_a_database_that_was_frozen_is_waited_for(scenario: PublishingScenario, own_postgres: PostgresServer) -> None:
    relay = scenario.active_relay()
    own_postgres.freeze()
    Event().wait(3)  # longer than the lease: that is what is tested
    own_postgres.thaw()

    scenario.insert("x")

    scenario.wait_empty()
    assert relay.running


def test_a_relay_stops_while_the_database_is_down(scenario: PublishingScenario, own_postgres: PostgresServer) -> None:
    relay = scenario.active_relay()
    own_postgres.shut_down()
    relay.wait_for_output("the database fails")

    assert relay.terminate(6) == 0
