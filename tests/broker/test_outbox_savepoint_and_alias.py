"""A savepoint is rolled back, and a second database publishes.

What was published inside the savepoint is not, what was published around it is. `using="second"` puts the row into the
transaction of that database: it leaves when that one commits, whatever the other does. One `runrelay` relays both.
"""

from __future__ import annotations

from tests.publishing.scenario import PublishingScenario
from tests.services.postgres import PostgresServer


def test_nothing_of_a_savepoint_that_was_rolled_back_is_published(publishing: PublishingScenario) -> None:
    publishing.active_relay()

    publishing.play("savepoint")
    publishing.wait_empty()

    assert [message.value for message in publishing.arrived()] == [b"before", b"after"]


def test_each_database_publishes_with_its_own_transactions(
    publishing: PublishingScenario, postgres: PostgresServer
) -> None:
    publishing.env["SECOND_DATABASE_URL"] = postgres.create_database("publishing_second", template="publishing")
    relay = publishing.relay()
    relay.wait_for_output("outbox of database default")
    relay.wait_for_output("outbox of database second")

    publishing.play("databases")
    publishing.wait_arrived(2)

    assert {message.value for message in publishing.arrived()} == {b"second, committed", b"default, on its own"}
    assert relay.terminate() == 0


def test_a_database_without_an_outbox_is_left_alone_and_said(
    publishing: PublishingScenario, postgres: PostgresServer
) -> None:
    publishing.env["SECOND_DATABASE_URL"] = postgres.create_database("publishing_empty")
    relay = publishing.active_relay()

    relay.wait_for_output("Database second has no outbox")
    publishing.insert("x")

    publishing.wait_empty()
