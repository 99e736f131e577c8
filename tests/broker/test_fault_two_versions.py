"""A deployment rolls on: the code before the last migration and the code after it share a group and a database.

Workers and relays of the old code run when the database is migrated, those of the new code join them, and the old ones
leave; then one of the old code comes back. Nothing is lost, nothing takes effect twice. New code without its migration
is refused at start.
"""

from __future__ import annotations

import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.faults.failing_load import ATTEMPTS, FailingLoad
from tests.faults.scenario import SETTINGS, Scenario
from tests.processes import PROJECT
from tests.publishing.scenario import SETTINGS as PUBLISHING_SETTINGS
from tests.publishing.scenario import PublishingScenario
from tests.services.presence import require
from tests.waiting import wait_for

pytestmark = pytest.mark.faults

MIGRATIONS = "kafka_integration/migrations"


@dataclass(frozen=True, kw_only=True)
class Versions:
    """How to start processes of both, and the database of the old one that they share."""

    start_old: Callable[..., object]
    start_new: Callable[..., object]
    url: str

    def migrate(self) -> None:
        """As the new version does it, while the old one is at work."""
        migration = self.start_new("migrate", "kafka_integration", "-v1", env={**SETTINGS, "DATABASE_URL": self.url})
        assert migration.wait(120) == 0, migration.tail()
        assert f"Applying kafka_integration.{newest_migration()}... OK" in migration.output()


@pytest.fixture(scope="session")
def old_checkout(tmp_path_factory) -> Path:
    """The last commit without the newest migration."""
    require(missing_history())
    directory = tmp_path_factory.mktemp("old")
    archive = directory / "old.tar"
    git("archive", f"--output={archive}", commit_before_newest())
    with tarfile.open(archive) as files:
        files.extractall(directory, filter="data")
    return directory


@pytest.fixture
def versions(postgres, old_checkout, manage) -> Iterator[Versions]:
    start_old = partial(manage, cwd=old_checkout)
    url = postgres.create_database("two_versions")
    for settings in (SETTINGS, PUBLISHING_SETTINGS):
        migration = start_old("migrate", "--run-syncdb", "-v0", env={**settings, "DATABASE_URL": url})
        assert migration.wait(120) == 0, migration.tail()
    yield Versions(start_old=start_old, start_new=manage, url=url)
    postgres.execute('DROP DATABASE "two_versions" WITH (FORCE)')


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "consumer",
    [
        {"offset_storage": "database"},
        {"offset_storage": "kafka", "deduplicate": True},
    ],
    ids=["database", "deduplicate"],
)
def test_a_group_of_both_loses_and_repeats_nothing(kafka, create_topic, versions, consumer):
    servers = {"bootstrap": kafka.bootstrap, "topic": create_topic(), "database_url": versions.url}
    old = Scenario(**servers, start_manage=versions.start_old)
    new = Scenario(**servers, start_manage=versions.start_new, load=FailingLoad)
    new.consumer |= {"retry": {"attempts": ATTEMPTS, "backoff_seconds": 0.1}, **consumer}
    old.consumer |= {**new.consumer}
    workers = [old.ready_worker(), old.worker()]
    with new.watch_commits() as commits:
        with new.load.flowing(60):
            new.wait_handled(count=60)
            versions.migrate()
            go_on(new)
            for index in range(2):
                # The newcomer first, so that the group is a mixed one for a while.
                leaving, workers[index] = workers[index], new.ready_worker()
                go_on(new)
                assert leaving.terminate() == 0, leaving.tail()
            # A deployment that is taken back leaves its migrations.
            workers[0].kill()
            workers[0] = old.ready_worker()
            go_on(new)
        replay_until_all_took_effect(new)

    assert [worker.terminate() for worker in workers] == [0, 0]
    new.assert_nothing_lost()
    new.assert_nothing_twice()
    new.assert_in_order()
    new.assert_no_key_in_two_places()
    assert commits.samples
    assert not commits.too_high
    old.close()
    new.close()


@pytest.mark.timeout(240)
def test_relays_of_both_send_what_was_published_by_both(kafka, create_topic, versions):
    servers = {"bootstrap": kafka.bootstrap, "topic": create_topic(), "database_url": versions.url}
    old = PublishingScenario(**servers, start_manage=versions.start_old)
    new = PublishingScenario(**servers, start_manage=versions.start_new)
    relay = old.active_relay()
    published_by = [old.writers("--forever", "--writers=2", "--keys=5", "--delay-ms=100")]
    old.wait_arrived(20)

    versions.migrate()
    published_by.append(new.writers("--forever", "--writers=2", "--keys=5", "--delay-ms=100"))
    standby = new.standby()
    old.wait_arrived(100)
    relay.kill()
    standby.wait_for_output("Relaying the outbox", 20)
    before = old.relay()
    new.wait_arrived(len(new.arrived()) + 50)

    assert [writers.terminate(60) for writers in published_by] == [0, 0]
    new.wait_empty()
    assert [each.terminate() for each in (standby, before)] == [0, 0]
    arrived = Counter(message.event_id for message in new.arrived())
    assert set(arrived) == set(new.published())


def test_new_code_without_its_migration_is_refused_at_start(kafka, create_topic, versions):
    servers = {"bootstrap": kafka.bootstrap, "topic": create_topic(), "database_url": versions.url}
    scenario = Scenario(**servers, start_manage=versions.start_new)
    publishing = PublishingScenario(**servers, start_manage=versions.start_new)

    for process in (scenario.worker(), publishing.relay()):
        assert process.wait(30) == 1
        expected = f'database "default" lacks the migration kafka_integration.{newest_migration()}'
        assert expected in process.output()
        assert "manage.py migrate" in process.output()

    versions.migrate()
    scenario.ready_worker()
    publishing.active_relay()
    scenario.close()


def go_on(scenario: Scenario) -> None:
    scenario.wait_handled(60, count=scenario.effects.count() + 60)


def replay_until_all_took_effect(scenario: Scenario) -> None:
    wanted = len(scenario.load.acknowledged)

    def enough() -> bool:
        if scenario.effects.dead_letters(unsettled=True):
            assert scenario.replay_all().wait(60) == 0
        return scenario.effects.count() >= wanted

    wait_for(enough, 90, lambda: f"{wanted} effects (there are {scenario.effects.count()})", interval=0.5)


def missing_history() -> str | None:
    """What there is to say where git can't tell the old version, as in a release's tarball."""
    try:
        git("cat-file", "-e", f"{commit_before_newest()}^{{commit}}")
    except (OSError, subprocess.CalledProcessError):
        return "no history of the migrations (a full git clone has it)"
    return None


def commit_before_newest() -> str:
    added = git("log", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/{newest_migration()}.py")
    return f"{added.split()[-1] if added else 'none'}^"


def newest_migration() -> str:
    return sorted(path.stem for path in (PROJECT / MIGRATIONS).glob("0*.py"))[-1]


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, cwd=PROJECT).stdout
