"""The disk is full, under PostgreSQL or under the broker.

That is an outage of a server and no message's fault: it is said, and waited for. Nothing becomes a dead letter and no
attempt is used; when there is room again, each record has its effect, once.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator

import pytest

from tests.faults.scenario import Scenario
from tests.faults.watching import elapse
from tests.processes import is_running
from tests.services.presence import require
from tests.services.small_disks import SmallDisk, missing_for_small_disks
from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    require(missing_for_small_disks())
    with SmallDisk(64) as disk:
        yield disk


@pytest.fixture
def scenario_on_small_disk(kafka, create_topic, breakable_postgres, manage, small_disk) -> Iterator[Scenario]:
    """Its database is on a small disk of its own, the rest of the server's is not."""
    shutil.chown(small_disk.path, "postgres", "postgres")
    name = f"workload_{uuid.uuid4().hex[:12]}"
    breakable_postgres.execute(f"CREATE TABLESPACE {name} LOCATION '{small_disk.path}'")
    breakable_postgres.execute(f"CREATE DATABASE {name} TEMPLATE workload TABLESPACE {name}")
    url = breakable_postgres.url_of(name)
    scenario = Scenario(bootstrap=kafka.bootstrap, topic=create_topic(), database_url=url, start_manage=manage)
    yield scenario
    scenario.close()
    breakable_postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
    breakable_postgres.execute(f"DROP TABLESPACE {name}")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_broker_without_room_is_waited_for(start_kafka, scenario_on, small_disk, offset_storage):
    """One that can't write its only disk ends itself; somebody makes room and starts it again."""
    cluster = start_kafka(directory=small_disk.path / "kafka")
    scenario = scenario_on(cluster)
    scenario.consumer |= {"offset_storage": offset_storage}
    worker = scenario.ready_worker()
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(100):
            scenario.wait_handled(count=100)
            small_disk.fill()
            wait_for(lambda: not is_running(cluster.pid()), 60, "the broker ends itself")
            worker.wait_for_output("ERROR kafka_integration.client", 30)

            small_disk.make_room()
            cluster.restart()

            handled = scenario.effects.count()
            scenario.wait_handled(60, count=handled + 100)
        scenario.wait_handled()
        scenario.wait_committed()

    assert worker.terminate() == 0
    assert not commits.too_high
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0
    if offset_storage == "database":
        scenario.assert_nothing_twice()


@pytest.mark.parametrize("offset_storage", ["database", "kafka"])
def test_a_database_without_room_is_waited_for(scenario_on_small_disk, small_disk, offset_storage):
    scenario = scenario_on_small_disk
    scenario.consumer |= {"offset_storage": offset_storage}
    worker = scenario.ready_worker()
    scenario.load.sent(200)
    scenario.wait_handled()
    small_disk.fill()
    scenario.load.sent(3000)
    worker.wait_for_output("waits .* for what its handler needs: .*DiskFull", 30)
    # Longer than a message's own failure would be tried.
    elapse(5)
    assert scenario.effects.dead_letters() == 0, worker.tail()

    small_disk.make_room()

    scenario.wait_handled()
    assert worker.terminate() == 0
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
