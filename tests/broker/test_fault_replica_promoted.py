"""PostgreSQL fails over to a replica that was behind: what was committed last is gone.

With "database" the offsets go back together with the effects, so those messages are handled again, by the workers that
run on, and each has its effect once; a line says so. A relay takes no new row for one that it has sent before, though
the replica gives out the same ids again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from tests.broker.conftest import migrate_publishing, migrate_workload
from tests.faults.proxy import Proxy
from tests.faults.scenario import Scenario
from tests.publishing.scenario import OUTBOX, PublishingScenario
from tests.services.postgres import PostgresServer
from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A primary, a replica of it, and the address under which clients find whichever of them is the primary."""

    primary: PostgresServer
    replica: PostgresServer
    address: Proxy

    @property
    def url(self) -> str:
        return self.primary.url.replace(str(self.primary.port), str(self.address.port))

    def fail_over(self) -> None:
        """The primary dies, and the replica takes its place; it has to be found yet."""
        self.primary.kill()
        self.replica.promote()

    def lead_to_replica(self) -> None:
        """Whoever connects from now on finds the new primary."""
        self.address.target = self.replica.port
        self.address.cut()


@pytest.fixture
def pair(start_postgres) -> Iterator[Pair]:
    primary = start_postgres()
    replica = start_postgres(primary=primary)
    with Proxy(primary.port) as address:
        yield Pair(primary=primary, replica=replica, address=address)


@pytest.fixture
def scenario(kafka, create_topic, pair, manage, tmp_path_factory) -> Iterator[Scenario]:
    migrate_workload(pair.url, tmp_path_factory)
    scenario = Scenario(bootstrap=kafka.bootstrap, topic=create_topic(), database_url=pair.url, start_manage=manage)
    scenario.consumer |= {"offset_storage": "database"}
    yield scenario
    scenario.close()


@pytest.mark.parametrize("claimed", ["before", "after"])
def test_effects_and_offsets_go_back_together(scenario, pair, claimed):
    worker = None
    if claimed == "before":
        worker = scenario.ready_worker()
        scenario.load.sent(100)
        scenario.wait_handled()
    pair.replica.fall_behind()
    worker = worker or scenario.ready_worker()
    scenario.load.sent(100)
    scenario.wait_handled()
    scenario.wait_committed()
    had = scenario.effects.count()

    pair.fail_over()
    pair.lead_to_replica()
    assert scenario.effects.count() == had - 100
    scenario.load.sent(20)

    scenario.wait_handled(60)
    assert worker.running
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    worker.wait_for_output("lost transactions that it had committed", 10)
    assert worker.terminate() == 0


@pytest.fixture
def publishing(kafka, create_topic, pair, manage, tmp_path_factory) -> PublishingScenario:
    migrate_publishing(pair.url, tmp_path_factory)
    return PublishingScenario(
        bootstrap=kafka.bootstrap, topic=create_topic(), database_url=pair.url, start_manage=manage
    )


def test_a_relay_takes_no_new_row_for_one_that_it_has_sent(publishing, pair):
    pair.replica.fall_behind()
    publishing.insert("lost", key="k", count=100)
    with closing(psycopg.connect(pair.primary.url)) as blocker:
        # So that it can't remove what it has sent: it means to do that once the database is back.
        blocker.execute(f"LOCK TABLE {OUTBOX} IN SHARE MODE".encode())
        relay = publishing.active_relay()
        publishing.wait_arrived(100)

        pair.fail_over()
        reused = insert_past_the_address(pair, publishing, count=100)
    pair.lead_to_replica()

    wait_for(lambda: relay.running and publishing.waiting() == 0, 60, relay.tail)
    arrived = publishing.arrived()
    assert reused & set(range(1, 101)), "no id was given out twice: this shows nothing"
    assert [message.value for message in arrived].count(b"new") == 100
    assert relay.terminate() == 0


def insert_past_the_address(pair: Pair, publishing: PublishingScenario, *, count: int) -> set[int]:
    """Rows that are there before the relay finds the new primary; their ids."""
    with psycopg.connect(pair.replica.url) as connection:
        publishing.insert("new", key="k", count=count, connection=connection)
        return {row_id for (row_id,) in connection.execute(f"SELECT id FROM {OUTBOX} WHERE value = 'new'".encode())}
