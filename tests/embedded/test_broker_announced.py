"""How processes find the embedded broker that another one runs."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka import Consumer, Producer
from django.core.management import CommandError, call_command

from kafka_integration.client.transports.embedded import (
    SERVERS_VARIABLE,
    EmbeddedBroker,
    announced_broker,
    announcement_path,
    create_embedded_topics,
    embedded_servers,
)
from kafka_integration.errors import BrokerUnavailableError, EmbeddedBrokerRunningError
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keeps a developer's own running broker out of these tests, and these brokers out of theirs."""
    monkeypatch.delenv(SERVERS_VARIABLE, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def is_announced() -> bool:
    with suppress(BrokerUnavailableError):
        return bool(embedded_servers())
    return False


@contextmanager
def runbroker() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "django", "runbroker"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "activitylog.settings", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(is_announced, 30, "the broker is announced")
        yield process
    finally:
        process.kill()
        process.communicate()


def announce(servers: str, pid: int) -> None:
    announcement_path().parent.mkdir(exist_ok=True)
    announcement_path().write_text(json.dumps({"servers": servers, "pid": pid}))


def finished_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_without_a_broker_the_error_says_how_to_start_one():
    with pytest.raises(BrokerUnavailableError, match=r"in another terminal with: manage\.py runbroker") as info:
        embedded_servers()

    assert info.value.retriable


def test_an_announced_broker_is_found_until_its_context_ends():
    with announced_broker() as broker:
        assert embedded_servers() == broker.servers

    with pytest.raises(BrokerUnavailableError):
        embedded_servers()
    assert not announcement_path().exists()


def test_the_environment_names_a_broker_without_any_announcement(monkeypatch):
    monkeypatch.setenv(SERVERS_VARIABLE, "127.0.0.1:1234")

    assert embedded_servers() == "127.0.0.1:1234"


def test_the_announcement_of_a_dead_process_is_not_believed(own_broker, monkeypatch):
    monkeypatch.delenv(SERVERS_VARIABLE)
    announce(own_broker.servers, pid=finished_pid())

    with pytest.raises(BrokerUnavailableError):
        embedded_servers()


def test_the_announcement_of_a_closed_port_is_not_believed():
    with EmbeddedBroker() as broker:
        closed = broker.servers
    announce(closed, pid=os.getpid())

    with pytest.raises(BrokerUnavailableError):
        embedded_servers()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"servers": "x"}', '{"servers": "nowhere", "pid": 1}'])
def test_an_unreadable_announcement_is_not_believed(text):
    announcement_path().parent.mkdir(exist_ok=True)
    announcement_path().write_text(text)

    with pytest.raises(BrokerUnavailableError):
        embedded_servers()


def test_the_announcement_of_another_user_is_not_believed(monkeypatch):
    with announced_broker(), monkeypatch.context() as patch:
        patch.setattr(Path, "stat", lambda self: SimpleNamespace(st_uid=os.getuid() + 1))

        with pytest.raises(BrokerUnavailableError):
            embedded_servers()


def test_a_second_broker_of_the_same_project_is_refused():
    with announced_broker() as broker, pytest.raises(EmbeddedBrokerRunningError, match=broker.servers):
        announced_broker().__enter__()


def test_a_folder_of_its_own_for_each_project(settings, tmp_path):
    here = announcement_path()

    settings.BASE_DIR = tmp_path / "elsewhere"

    assert announcement_path() != here


def test_runbroker_serves_other_processes_and_leaves_nothing_behind():
    with runbroker() as process:
        servers = embedded_servers()
        producer = Producer({"bootstrap.servers": servers})
        producer.produce("a_topic", b"v")
        unsent = producer.flush(10)
        with pytest.raises(CommandError, match=f"already runs for this project, on {servers}"):
            call_command("runbroker")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)

    assert unsent == 0
    assert process.returncode == 0
    assert f"The embedded broker listens on {servers}" in output
    assert "nothing once it stops" in output
    assert "Traceback" not in output
    assert not announcement_path().exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_runbroker_stops_cleanly_on(number):
    with runbroker() as process:
        process.send_signal(number)
        process.communicate(timeout=10)

    assert process.returncode == 0
    assert not announcement_path().exists()


def test_a_killed_broker_does_not_keep_the_next_one_from_starting():
    with runbroker() as process:
        process.kill()
        process.wait(timeout=10)

        with pytest.raises(BrokerUnavailableError):
            embedded_servers()
        with announced_broker() as broker:
            assert embedded_servers() == broker.servers


def test_runbroker_makes_the_topics_of_the_settings_with_four_partitions():
    with runbroker():
        producer = Producer({"bootstrap.servers": embedded_servers()})
        topics = producer.list_topics(timeout=10).topics

    assert {"login", "search_term", "banner_click"} <= topics.keys()
    assert {len(topic.partitions) for topic in topics.values()} == {4}


def test_a_group_gets_a_topic_that_was_created_before_it_subscribed(embedded_broker):
    create_embedded_topics(embedded_broker.servers, ["made_before", "^no_name.*"])
    consumer = Consumer(
        {"bootstrap.servers": embedded_broker.servers, "group.id": "made_before", "group.protocol": "consumer"}
    )
    consumer.subscribe(["made_before"])

    for _ in range(50):
        consumer.poll(0.1)
        if consumer.assignment():
            break
    partitions = {p.partition for p in consumer.assignment()}
    consumer.close()

    assert partitions == {0, 1, 2, 3}


def test_topics_of_a_broker_that_is_gone_are_a_clear_error():
    with EmbeddedBroker() as broker:
        servers = broker.servers

    with pytest.raises(BrokerUnavailableError, match="doesn't answer"):
        create_embedded_topics(servers, ["t"], timeout=0.1)
