"""`--metrics-port` and `--heartbeat-file`: what a monitoring system is told of real processes."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest

from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.embedded.monitored import Monitored
from tests.processes import send_signal
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(180)

MESSAGES = "kafka_integration_messages_total"


@pytest.fixture(scope="module")
def migrated(tmp_path_factory) -> Path:
    """A database with all tables, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    Monitored("nowhere:1", folder).run("migrate", "--run-syncdb", "--verbosity", "0")
    return folder / "db.sqlite3"


@pytest.fixture
def site(own_broker, migrated, tmp_path):
    (tmp_path / "db.sqlite3").write_bytes(migrated.read_bytes())
    site = Monitored(own_broker.servers, tmp_path)
    own_broker.create_topics([site.topic])
    yield site
    site.close()


def produce(broker: EmbeddedBroker, topic: str, *values: str) -> None:
    for number, value in enumerate(values):
        EmbeddedKafka(broker).produce(topic, value, partition=number % 4)


def test_what_a_consumer_did_is_counted(site, own_broker):
    _, page = site.start_at_a_port("runconsumer")
    produce(own_broker, site.topic, *"abcde", "stumble")

    page.wait_for_value(5, MESSAGES, consumer="one", topic=site.topic, outcome="handled")
    page.wait_for_value(1, MESSAGES, consumer="one", topic=site.topic, outcome="dead_letter")
    page.wait_for_value(2, "kafka_integration_attempts_failed_total", consumer="one", exception="builtins.ValueError")
    page.wait_for_value(7, "kafka_integration_handler_seconds_count", consumer="one")
    page.wait_for_value(1, "kafka_integration_dead_letters", consumer="one", state="parked")
    page.wait_for_value(0, "kafka_integration_in_flight", consumer="one")
    page.wait_for_value(1, "kafka_integration_rebalances_total", consumer="one")
    page.wait_for_value(0, "kafka_consumergroup_group_lag", group=site.group, topic=site.topic)

    assert len(page.values("kafka_consumergroup_group_lag", topic=site.topic)) == 4
    assert page.values("kafka_integration_time_seconds_total", consumer="one", phase="handle")[0] > 0
    assert page.values("kafka_integration_time_seconds_total", consumer="one", phase="database")[0] > 0
    assert page.values("kafka_integration_time_seconds_total", consumer="one", phase="idle")[0] > 0


def test_a_process_is_alive_from_the_start_and_ready_once_its_group_has_answered(site, tmp_path):
    with EmbeddedBroker() as broker:
        servers = broker.servers
    waiting = Monitored(servers, tmp_path)
    try:
        _, page = waiting.start_at_a_port("runconsumer")
        page.wait_for("/healthz", 200)
        assert page.get("/readyz") == (503, "consumer one: its group has assigned nothing since the start\n")
    finally:
        waiting.close()

    _, page = site.start_at_a_port("runconsumer")
    assert page.wait_for("/readyz", 200) == "ready\n"
    assert page.get("/healthz") == (200, "alive\n")
    assert page.get("/other")[0] == 404


def test_an_outage_leaves_health_as_it_was_and_what_is_unknown_is_not_there(site, own_broker, tmp_path):
    heartbeat = tmp_path / "alive"
    child, page = site.start_at_a_port("runconsumer", "--heartbeat-file", str(heartbeat))
    page.wait_for("/readyz", 200)
    page.wait_for_value(0, "kafka_consumergroup_group_lag", topic=site.topic)

    own_broker.close()
    page.wait_until_absent("kafka_consumergroup_group_lag", topic=site.topic)

    assert page.get("/readyz") == (200, "ready\n")
    assert page.get("/healthz") == (200, "alive\n")
    beat_at = heartbeat.stat().st_mtime_ns
    wait_for(lambda: heartbeat.stat().st_mtime_ns > beat_at)
    assert child.terminate() == 0


@pytest.mark.faults
def test_workers_are_counted_as_one_and_what_was_counted_outlives_them(site, own_broker, tmp_path):
    heartbeat = tmp_path / "alive"
    child, page = site.start_at_a_port("runconsumer", "--processes", "2", "--heartbeat-file", str(heartbeat))
    page.wait_for("/readyz", 200)
    produce(own_broker, site.topic, *"abcdefgh")
    page.wait_for_value(8, MESSAGES, consumer="one", outcome="handled")
    page.wait_for_value(0, "kafka_consumergroup_group_lag", topic=site.topic)

    first = child.wait_for_output(r"worker 0 runs as process (\d+)")[1]
    send_signal(int(first), signal.SIGKILL)
    child.wait_for_output(r"worker 0 was killed by SIGKILL")
    child.wait_for_output(rf"worker 0 runs as process (?!{first})\d+")
    produce(own_broker, site.topic, *"ijkl")

    page.wait_for_value(12, MESSAGES, consumer="one", outcome="handled")
    assert page.get("/healthz") == (200, "alive\n")
    beat_at = heartbeat.stat().st_mtime_ns
    wait_for(lambda: heartbeat.stat().st_mtime_ns > beat_at)
    assert child.terminate() == 0
    assert not child.descendants()


def test_whoever_answers_for_workers_is_replaced_when_it_is_killed(site, own_broker):
    child, page = site.start_at_a_port("runconsumer", "--processes", "2")
    page.wait_for("/readyz", 200)
    workers = {int(pid) for pid in wait_for(lambda: workers_of(child))}

    (companion,) = set(child.descendants()) - workers
    send_signal(companion, signal.SIGKILL)
    child.wait_for_output("the process that answers for metrics and health has ended")

    page.wait_for("/readyz", 200)
    assert child.terminate() == 0


def test_a_relay_tells_what_waits_in_its_outbox(site, own_broker):
    child, page = site.start_at_a_port("runrelay")
    page.wait_for("/readyz", 200)
    page.wait_for_value(1, "kafka_integration_relay_active", database="default")
    page.wait_for_value(0, "kafka_integration_outbox_rows", database="default")
    page.wait_for_value(0, "kafka_integration_outbox_oldest_seconds", database="default")

    assert page.get("/healthz") == (200, "alive\n")
    assert child.terminate() == 0


@pytest.mark.parametrize("command", ["runconsumer", "runrelay"])
def test_a_port_that_is_taken_is_said_before_anything_begins(site, command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        child = site.start(command, "--metrics-port", port)

        assert child.wait(40) == 1

    assert f"--metrics-port {port}: can't listen at 127.0.0.1 (Address already in use)" in child.output()
    assert "joining group" not in child.output()


def test_a_heartbeat_file_that_cannot_be_written_is_said_before_anything_begins(site, tmp_path):
    child = site.start("runconsumer", "--heartbeat-file", str(tmp_path / "missing" / "alive"))

    assert child.wait(40) == 1
    assert "it can't be written (No such file or directory)" in child.output()


def workers_of(child) -> set[str]:
    found = set(re.findall(r"worker \d runs as process (\d+)", child.output()))
    return found if len(found) == 2 else set()
