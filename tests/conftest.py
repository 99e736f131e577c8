"""What every test can ask for: a real Kafka, PostgreSQL, Chromium, kcat, and processes of the project.

A test that needs a service this machine lacks is skipped, and the end of the run says so loudly; with REQUIRE_ALL=1
it fails instead.
"""

from __future__ import annotations

import itertools
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from django.apps import apps
from django.db import connection

from kafka_integration.testing import plugin
from tests.processes import ChildProcess, start_manage
from tests.services.chromium import Browsers, missing_for_chromium
from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import missing_for_kafka
from tests.services.kcat import Kcat, missing_for_kcat
from tests.services.postgres import PostgresServer, missing_for_postgres
from tests.services.presence import require

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

Manage = Callable[..., ChildProcess]
BROKER_TESTS = Path(__file__).parent / "broker"

# How long an example takes says more of a shared machine than of us.
hypothesis.settings.register_profile("shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One broker, shared by the whole run: use topics and groups of your own, and never stop it."""
    require(missing_for_kafka())
    with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture
def start_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., KafkaCluster]]:
    """Clusters of one's own, to kill or to secure; takes `KafkaCluster`'s arguments."""
    require(missing_for_kafka())
    clusters: list[KafkaCluster] = []

    def start(*arguments: Any, **options: Any) -> KafkaCluster:
        clusters.append(KafkaCluster(*arguments, **options))
        return clusters[-1].start()

    yield start
    for cluster in clusters:
        cluster.stop()


@pytest.fixture
def create_topic(kafka: KafkaCluster) -> Callable[..., str]:
    """Makes a topic on the shared broker and returns its name."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})

    def create(name: str | None = None, partitions: int = 4, config: Mapping[str, str] | None = None) -> str:
        name = name or f"topic-{uuid.uuid4().hex[:12]}"
        admin.create_topics([NewTopic(name, partitions, config=dict(config or {}))])[name].result(30)
        return name

    return create


@pytest.fixture
def kcat(kafka: KafkaCluster) -> Kcat:
    """kcat, connected to the shared broker."""
    require(missing_for_kcat())
    return Kcat(kafka.bootstrap)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server, shared by the whole run: make databases of your own in it, and never stop it."""
    require(missing_for_postgres())
    with PostgresServer() as server:
        yield server


@pytest.fixture
def start_postgres() -> Iterator[Callable[..., PostgresServer]]:
    """Servers of one's own, to kill and to freeze; takes `PostgresServer`'s arguments."""
    require(missing_for_postgres())
    servers: list[PostgresServer] = []

    def start(**options: Any) -> PostgresServer:
        servers.append(PostgresServer(**options))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def _migrated_postgres(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    _migrate(postgres.create_database("migrated"), tmp_path_factory.mktemp("migrate"))
    return "migrated"


@pytest.fixture
def postgres_url(postgres: PostgresServer, _migrated_postgres: str) -> Iterator[str]:
    """A PostgreSQL database with the project's tables, for processes: give it to them as DATABASE_URL."""
    name = f"project_{uuid.uuid4().hex[:12]}"
    yield postgres.create_database(name, template=_migrated_postgres)
    postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrate")
    _migrate(f"sqlite:///{folder / 'db.sqlite3'}", folder)
    return folder


@pytest.fixture
def sqlite_url(tmp_path: Path, _migrated_sqlite: Path) -> str:
    """An SQLite database with the project's tables, for processes: give it to them as DATABASE_URL."""
    for part in _migrated_sqlite.glob("db.sqlite3*"):
        shutil.copy(part, tmp_path)
    return f"sqlite:///{tmp_path / 'db.sqlite3'}"


@pytest.fixture
def manage(tmp_path: Path) -> Iterator[Manage]:
    """`manage("runconsumer", "marketing", env={…})` starts manage.py in a process that ends with the test."""
    numbers = itertools.count(1)
    children: list[ChildProcess] = []

    def start(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> ChildProcess:
        log = tmp_path / f"{next(numbers)}-{arguments[0]}.log"
        children.append(start_manage(*arguments, log=log, env=env, **options))
        return children[-1]

    yield start
    for child in reversed(children):
        child.close()


@pytest.fixture
def chromium() -> Iterator[Browsers]:
    """Opens browsers of any size, light or dark: `chromium.open(width=360, dark=True)`."""
    require(missing_for_chromium())
    browsers = Browsers()
    yield browsers
    browsers.close()


@pytest.fixture
def browser(chromium: Browsers) -> Chrome:
    """One browser with a desktop's window."""
    return chromium.open()


@pytest.fixture
def project_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the project count alone: no installed app brings consumers or topics of its own."""
    for app in apps.get_app_configs():
        if hasattr(type(app), "kafka"):
            monkeypatch.delattr(type(app), "kafka")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as a project has it: in memory a reader fails the writer of another thread, and none waits.

    On a server each worker has a database of its own, by the suffix.
    """
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


def pytest_configure(config: pytest.Config) -> None:
    # Installed, the package brings its plugin by itself; run from a checkout alone it has no entry points.
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks each test by what it asks for, so that `-m 'not broker'` needs no bookkeeping."""
    needs = {
        "broker": {"kafka", "start_kafka"},
        "postgres": {"postgres", "start_postgres"},
        "browser": {"chromium"},
    }
    for item in items:
        if item.get_closest_marker("django_db") or {"db", "transactional_db"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("database")
        if BROKER_TESTS in item.path.parents:
            item.add_marker("broker")
        for marker, fixtures in needs.items():
            if fixtures & set(getattr(item, "fixturenames", ())):
                item.add_marker(marker)
    left_out = [i for i in items if connection.vendor == "sqlite" and i.get_closest_marker("server_database")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    # Files that may take long begin first (side by side in this order): at the end a worker would be waited for alone.
    long = {item.path for item in items if item.get_closest_marker("timeout")}
    items.sort(key=lambda item: item.path not in long)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was not run, and why; and of what passed only when it was run again, how it had failed."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed at first: {report.nodeid}", yellow=True)
        terminalreporter.line(report.longreprtext)
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("NOT RUN on this machine", yellow=True, bold=True)
    for reason, count in reasons.most_common():
        terminalreporter.line(f"NOT RUN: {count} test{'s' if count > 1 else ''}: {reason}", yellow=True, bold=True)


def _migrate(url: str, folder: Path) -> None:
    child = start_manage("migrate", "--verbosity=0", log=folder / "migrate.log", env={"DATABASE_URL": url})
    status = child.wait(timeout=120)
    assert status == 0, child.tail()
