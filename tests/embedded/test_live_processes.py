"""Real processes of `runconsumer` and `runrelay`: who runs is listed, and does what it is asked."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.embedded.monitored import Monitored
from tests.processes import ChildProcess
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(300)


class Site(Monitored):
    """The same, with what `kafkaprocesses` says of its processes."""

    def ask(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output."""
        child = self.start("kafkaprocesses", *arguments)
        return child.wait(90), child.output()

    def listed(self) -> list[dict[str, Any]]:
        status, output = self.ask("list", "--json")
        assert status == 0, output
        return json.loads(output[output.index("[") :])

    def wait_listed(self, state: str, count: int = 1) -> list[dict[str, Any]]:
        """The rows, once so many are in this state."""

        def found() -> list[dict[str, Any]]:
            rows = [row for row in self.listed() if row["state"] == state]
            return rows if len(rows) == count else []

        return wait_for(found, 90, lambda: f"{count} {state}: {self.listed()}", interval=0.5)

    def wait_lag(self, lag: int, **partition: Any) -> list[dict[str, Any]]:
        """The partitions, once that is the lag of all, and each that has some is like this."""

        def found() -> list[dict[str, Any]]:
            each = [p for row in self.listed() for c in row["consumers"] for p in c["partitions"]]
            is_like = all(partition.items() <= p.items() for p in each if p["lag"])
            known = all(p["lag"] is not None for p in each)
            return each if len(each) == 4 and known and is_like and sum(p["lag"] for p in each) == lag else []

        return wait_for(found, 90, lambda: f"lag {lag}, {partition}: {self.listed()}", interval=0.5)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    Site("nowhere:1", folder).run("migrate", "--run-syncdb", "--verbosity", "0")
    return folder / "db.sqlite3"


@pytest.fixture
def site(own_broker: EmbeddedBroker, migrated: Path, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "db.sqlite3").write_bytes(migrated.read_bytes())
    site = Site(own_broker.servers, tmp_path)
    site.operate(interval_seconds=0.5)
    own_broker.create_topics([site.topic])
    yield site
    site.close()


def start(site: Site, *arguments: str) -> ChildProcess:
    child = site.start("runconsumer", *arguments)
    child.wait_for_output(r"assigned \S+\[", 60)
    return child


def produce(broker: EmbeddedBroker, topic: str, *values: str) -> None:
    for number, value in enumerate(values):
        EmbeddedKafka(broker).produce(topic, value, partition=number % 4)


def test_a_paused_consumer_falls_behind_and_catches_up_when_it_is_resumed(site, own_broker):
    child = start(site)
    produce(own_broker, site.topic, *"abcd")
    site.wait_lag(0)
    assert site.ask("pause", "one")[0] == 0
    produce(own_broker, site.topic, *"efgh")
    site.wait_lag(4, state="waiting", reason="paused")

    assert site.ask("resume", "one")[0] == 0

    partitions = site.wait_lag(0)
    assert {p["position"] for p in partitions} == {2}
    assert {(p["state"], p["reason"]) for p in partitions} == {("caught_up", None)}
    assert child.terminate() == 0
    assert site.listed() == []


def test_a_process_that_crashes_says_where_each_thread_was(site):
    child = start(site)

    child.signal(signal.SIGSEGV)

    assert child.wait() == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in child.output()
    assert "kafka_integration/consuming/loop.py" in child.output()


def test_a_quiet_process_keeps_its_partitions_until_it_is_stopped(site, own_broker):
    child = start(site)
    id = str(site.wait_listed("running")[0]["id"])

    assert site.ask("quiet", id)[0] == 0
    produce(own_broker, site.topic, "a")
    site.wait_listed("quiet")
    site.wait_lag(1, reason="paused")
    status, trace = site.ask("trace", id)
    stopped = site.ask("stop", id)[0]

    assert (status, stopped) == (0, 0)
    assert "thread MainThread: kafka_integration/operating/stopping.py" in trace
    assert re.search(r"^thread consumer-\S+: kafka_integration/", trace, re.M)
    assert child.wait() == 0


@pytest.mark.faults
def test_a_process_that_was_killed_is_lost_and_asked_nothing(site):
    start(site).signal(signal.SIGKILL)

    rows = site.wait_listed("lost")

    status, output = site.ask("stop", str(rows[0]["id"]))
    assert status == 1
    assert "is lost" in output


def test_what_a_frozen_process_does_not_take_up_it_does_not_carry_out_later(site):
    child = start(site)
    id = str(site.wait_listed("running")[0]["id"])
    child.freeze()
    status, output = site.ask("stop", id)
    child.thaw()
    # It takes up what is asked then, so what was asked before is over.
    later = site.ask("trace", id)[0]

    assert (status, later) == (1, 0)
    assert "not taken up within 10 s" in output
    assert child.running


def test_each_worker_of_several_processes_is_listed_and_stopped_by_itself(site):
    parent = site.start("runconsumer", "--processes", "2")
    rows = site.wait_listed("running", 2)

    assert site.ask("stop", str(rows[0]["id"]))[0] == 0

    left = site.wait_listed("running", 1)
    assert [row["id"] for row in left] == [rows[1]["id"]]
    assert parent.running
    assert parent.terminate() == 0


def test_a_relay_is_listed_and_stopped_too(site):
    child = site.start("runrelay")
    row = site.wait_listed("running")[0]

    refused, why = site.ask("quiet", str(row["id"]))
    stopped = site.ask("stop", str(row["id"]))[0]

    assert (row["kind"], row["consumers"]) == ("relay", [])
    assert (refused, stopped) == (1, 0)
    assert "stop it instead" in why
    assert child.wait() == 0


def test_a_process_without_rows_is_not_listed_and_works_all_the_same(site, own_broker):
    site.operate(rows=False)
    child = start(site)
    produce(own_broker, site.topic, "stumble")
    child.wait_for_output("is a dead letter", 60)

    assert site.listed() == []
