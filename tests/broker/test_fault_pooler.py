"""Between the project and PostgreSQL stands pgbouncer, in transaction mode: each transaction gets another session.

Claims, saves and leases are statements and transactions, and hold; the server may be restarted behind the pooler. What
can't work there is LISTEN: the relay notices the pooler, says so, and polls.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import pytest

from tests.faults.effects import Effects
from tests.faults.scenario import Scenario
from tests.publishing.scenario import PublishingScenario
from tests.services.pgbouncer import PgBouncer, missing_for_pgbouncer
from tests.services.presence import require

pytestmark = pytest.mark.faults


@pytest.fixture
def pooled_scenario(kafka, create_topic, breakable_postgres, manage) -> Iterator[Scenario]:
    require(missing_for_pgbouncer())
    url = breakable_postgres.create_database("pooled", template="workload")
    with PgBouncer(breakable_postgres.port) as pooler:
        scenario = Scenario(
            bootstrap=kafka.bootstrap,
            topic=create_topic(),
            database_url=pooler.url_of("pooled"),
            start_manage=manage,
        )
        scenario.effects = Effects(url, scenario.topic)
        yield scenario
        scenario.close()


@pytest.fixture
def pooled_publishing(publishing: PublishingScenario, postgres) -> Iterator[PublishingScenario]:
    require(missing_for_pgbouncer())
    with PgBouncer(postgres.port) as pooler:
        publishing.database_url = pooler.url_of(publishing.database_url.rpartition("/")[2])
        yield publishing


@pytest.mark.parametrize(
    "consumer",
    [
        {"offset_storage": "database"},
        {"offset_storage": "database", "transaction": "batch", "batch_size": 50},
        {"offset_storage": "kafka", "deduplicate": True},
    ],
    ids=["database", "batch", "deduplicate"],
)
def test_each_record_takes_effect_once(pooled_scenario, breakable_postgres, consumer):
    scenario = pooled_scenario
    scenario.consumer |= consumer
    workers = [scenario.ready_worker(), scenario.ready_worker()]
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(100):
            scenario.wait_handled(count=100)
            workers[0].kill()
            workers[0] = scenario.worker()
            scenario.wait_handled(60, count=scenario.effects.count() + 100)

            breakable_postgres.restart("immediate")

            scenario.wait_handled(60, count=scenario.effects.count() + 100)
        scenario.wait_handled()

    # Before that a signal just ends it.
    workers[0].wait_for_output("joining group", 40)
    assert [worker.terminate() for worker in workers] == [0, 0]
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert commits.samples
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0


def test_a_lease_is_kept_and_taken_over(pooled_publishing):
    publishing = pooled_publishing
    active = publishing.active_relay(lease_seconds=2)
    standby = publishing.standby(lease_seconds=2)
    publishing.insert("before", key="k", count=20)
    publishing.wait_empty()
    assert "Relaying the outbox" not in standby.output()

    active.kill()
    publishing.insert("after", key="k", count=20)

    publishing.wait_empty()
    assert [message.value for message in publishing.arrived()] == [b"before"] * 20 + [b"after"] * 20
    assert standby.terminate() == 0


def test_a_relay_that_is_to_listen_says_that_it_can_not(pooled_publishing):
    publishing = pooled_publishing
    publishing.kafka["outbox"] = {"lease_seconds": 10, "notify": True, "poll_interval_seconds": 1}

    relay = publishing.active_relay()

    relay.wait_for_output("can't be listened to, so it is only polled: .* a pooler, .*direct_aliases", 20)
    publishing.insert("x")
    began = monotonic()
    publishing.wait_empty()
    assert monotonic() - began < 5
    assert relay.output().count("can't be listened to") == 1
