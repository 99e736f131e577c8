"""Scenarios on the shared broker and database server, and on ones that may be broken."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from tests.broker.jobs import Jobs, ReloadingSite
from tests.faults.clock import ShiftedClock
from tests.faults.scenario import PROTOCOLS, Scenario
from tests.faults.scenario import SETTINGS as WORKLOAD_SETTINGS
from tests.processes import is_running, start_manage
from tests.publishing.scenario import SETTINGS as PUBLISHING_SETTINGS
from tests.publishing.scenario import PublishingScenario
from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import missing_for_kafka
from tests.services.postgres import PostgresServer, missing_for_postgres
from tests.services.presence import require
from tests.waiting import wait_for


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the three group protocols `make test` takes the first, `make faults` all of them."""
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if parameters.get("protocol") in PROTOCOLS[1:]:
            item.add_marker("faults")


@pytest.fixture(scope="session")
def _workload_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    migrate_workload(postgres.create_database("workload"), tmp_path_factory)
    return "workload"


@pytest.fixture
def workload_url(postgres: PostgresServer, _workload_template: str) -> Iterator[str]:
    """A database with the workload's tables."""
    name = f"workload_{uuid.uuid4().hex[:12]}"
    yield postgres.create_database(name, template=_workload_template)
    postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def new_scenario(
    kafka: KafkaCluster, create_topic: Callable[..., str], workload_url: str, manage
) -> Iterator[Callable[..., Scenario]]:
    """Scenarios with a topic (of so many partitions) and a group of their own, on shared servers that stay up."""
    scenarios: list[Scenario] = []

    def new(partitions: int = 4, config: Mapping[str, str] | None = None) -> Scenario:
        topic = create_topic(partitions=partitions, config=config)
        scenarios.append(
            Scenario(bootstrap=kafka.bootstrap, topic=topic, database_url=workload_url, start_manage=manage)
        )
        return scenarios[-1]

    yield new
    for scenario in scenarios:
        scenario.close()


@pytest.fixture
def scenario_on(workload_url: str, manage) -> Iterator[Callable[..., Scenario]]:
    """Scenarios on a cluster of one's own, which may be broken; the topic is made as `NewTopic` is told."""
    scenarios: list[Scenario] = []

    def on(cluster: KafkaCluster, partitions: int = 4, **topic: Any) -> Scenario:
        name = f"topic-{uuid.uuid4().hex[:12]}"
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        new_topic = NewTopic(name, partitions, **topic)
        wait_for(lambda: is_created(admin, new_topic), 60, f"{cluster.bootstrap} doesn't make a topic", interval=1)
        scenarios.append(
            Scenario(bootstrap=cluster.bootstrap, topic=name, database_url=workload_url, start_manage=manage)
        )
        return scenarios[-1]

    yield on
    for scenario in scenarios:
        scenario.close()


def is_created(admin: AdminClient, topic: NewTopic) -> bool:
    """False where a broker that has just started drops the connection; it may have made the topic all the same."""
    try:
        admin.create_topics([topic])[topic.topic].result(30)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return True
        if not error.args[0].retriable() and error.args[0].code() != KafkaError._DESTROY_BROKER:
            raise
        return False
    return True


@pytest.fixture
def scenario(new_scenario: Callable[..., Scenario]) -> Scenario:
    """One of four partitions."""
    return new_scenario()


@pytest.fixture
def clock(tmp_path: Path) -> ShiftedClock:
    """A wall clock for the processes that are started with its `env`."""
    return ShiftedClock(tmp_path / "clock")


@pytest.fixture(scope="session")
def _breakable_kafka() -> Iterator[KafkaCluster]:
    require(missing_for_kafka())
    with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture
def breakable_kafka(_breakable_kafka: KafkaCluster, start_kafka: object) -> KafkaCluster:
    """One broker that tests may kill, freeze and restart; each finds it running."""
    _breakable_kafka.thaw()
    return _breakable_kafka.start()


@pytest.fixture(scope="session")
def _breakable_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    require(missing_for_postgres())
    with PostgresServer() as server:
        migrate_workload(server.create_database("workload"), tmp_path_factory)
        yield server


@pytest.fixture
def breakable_postgres(_breakable_postgres: PostgresServer, start_postgres: object) -> PostgresServer:
    """A database server that tests may kill, freeze and restart; each finds it running."""
    _breakable_postgres.thaw()
    if not is_running(_breakable_postgres.pid):
        _breakable_postgres.start()
    return _breakable_postgres


@pytest.fixture
def scenario_on_breakable_postgres(
    kafka: KafkaCluster, create_topic: Callable[..., str], breakable_postgres: PostgresServer, manage
) -> Iterator[Scenario]:
    """A topic of four partitions on the shared broker, and a database on a server that may be broken."""
    url = breakable_postgres.create_database(f"workload_{uuid.uuid4().hex[:12]}", template="workload")
    scenario = Scenario(bootstrap=kafka.bootstrap, topic=create_topic(), database_url=url, start_manage=manage)
    yield scenario
    scenario.close()


@pytest.fixture(scope="session")
def _publishing_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    migrate_publishing(postgres.create_database("publishing"), tmp_path_factory)
    return "publishing"


@pytest.fixture
def publishing_url(postgres: PostgresServer, _publishing_template: str) -> Iterator[str]:
    """A database with an outbox and the tables of those who publish."""
    name = f"publishing_{uuid.uuid4().hex[:12]}"
    yield postgres.create_database(name, template=_publishing_template)
    postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def publishing(
    kafka: KafkaCluster, create_topic: Callable[..., str], publishing_url: str, manage
) -> PublishingScenario:
    """A topic of four partitions and a database of its own, on shared servers that stay up."""
    return PublishingScenario(
        bootstrap=kafka.bootstrap, topic=create_topic(), database_url=publishing_url, start_manage=manage
    )


def migrate_publishing(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the outbox, and the tables of those who publish, in a database."""
    _migrate(url, PUBLISHING_SETTINGS, tmp_path_factory)


def migrate_workload(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the workload's tables, and those of the app, in a database."""
    _migrate(url, WORKLOAD_SETTINGS, tmp_path_factory)


def _migrate(url: str, settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("migrate") / "migrate.log"
    child = start_manage("migrate", "--run-syncdb", "--verbosity=0", log=log, env={**settings, "DATABASE_URL": url})
    assert child.wait(timeout=120) == 0, child.tail()


@pytest.fixture
def jobs(kafka: KafkaCluster, sqlite_url: str, manage) -> Jobs:
    """Processes of `runconsumer` on the shared broker that tell what they got."""
    return Jobs(kafka.bootstrap, sqlite_url, manage)


@pytest.fixture
def reloading_site(tmp_path: Path) -> Iterator[ReloadingSite]:
    """A project of its own, whose handler a test may change while `runconsumer --reload` runs."""
    site = ReloadingSite(tmp_path)
    yield site
    site.close()
