"""What is answered at `--metrics-port`, by one process and by a family of them, and what can go wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from kafka_integration.observing.families import DEAD_LETTERS, FAMILIES, IN_FLIGHT, MESSAGES, Sample
from kafka_integration.operating.monitoring import asking, reports
from kafka_integration.operating.monitoring.asking import Answers, Question
from kafka_integration.operating.monitoring.exposition import page_of
from kafka_integration.operating.monitoring.monitor import Post
from kafka_integration.operating.monitoring.reports import Family, Reporter
from kafka_integration.operating.monitoring.request import MonitoringRequest
from kafka_integration.operating.monitoring.watched import Health
from tests.embedded.monitored import Page
from tests.waiting import wait_for


@dataclass
class Told:
    """A process that says what a test has it say."""

    found: list[Sample] = field(default_factory=list)
    state: Health = field(default_factory=Health)

    def health(self) -> Health:
        return self.state

    def samples(self) -> list[Sample]:
        return self.found


def handled(count: float) -> Sample:
    return MESSAGES.of("c", "events", "handled", value=count)


def values(samples) -> dict[str, float]:
    return {sample.family: sample.value for sample in samples}


@contextmanager
def answering(watched: Told, caplog):
    """The page of a process."""
    caplog.set_level("INFO", logger="kafka_integration")
    post = Post(MonitoringRequest(port=0))
    try:
        with post.watching(watched):
            yield Page(caplog.text.partition("metrics at ")[2].partition("/metrics")[0])
    finally:
        post.close()


def test_health_says_what_is_wrong(caplog):
    watched = Told(state=Health(not_alive=("it sleeps",), not_ready=("it sleeps", "it waits")))

    with answering(watched, caplog) as page:
        assert page.get("/healthz") == (503, "it sleeps\n")
        assert page.get("/readyz?verbose=1") == (503, "it sleeps\nit waits\n")
        watched.state = Health()
        assert page.get("/healthz") == (200, "alive\n")
        assert page.get("/readyz") == (200, "ready\n")


def test_metrics_are_there_with_what_the_project_measures_itself(caplog):
    with answering(Told([handled(7), IN_FLIGHT.of("c", value=2)]), caplog) as page:
        status, text = page.get("/metrics")

    assert status == 200
    assert 'kafka_integration_messages_total{consumer="c",outcome="handled",topic="events"} 7.0' in text
    assert "# TYPE kafka_integration_messages_total counter" in text
    assert 'kafka_integration_in_flight{consumer="c"} 2.0' in text
    assert "python_info" in text


def test_what_fails_while_it_is_asked_for_is_answered_and_said(caplog):
    watched = Told()
    watched.samples = lambda: 1 / 0

    with answering(watched, caplog) as page:
        assert page.get("/metrics") == (500, "it failed: the log says why\n")
        assert page.get("/healthz") == (200, "alive\n")

    assert "/metrics can't be answered: ZeroDivisionError" in caplog.text


def test_without_the_extra_health_is_there_and_metrics_say_what_to_install(caplog, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "prometheus_client"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with answering(Told([handled(7)]), caplog) as page:
        assert page.get("/healthz") == (200, "alive\n")
        status, text = page.get("/metrics")

    assert status == 501
    assert "pip install 'django-kafka-integration[metrics]'" in text
    assert "health is there without it" in caplog.text


def test_every_metric_can_be_read_back_with_its_labels():
    samples = [family.of(*family.labels, value=1) for family in FAMILIES.values() if family.kind != "histogram"]

    page = page_of(samples, accept="", has_children=True)

    found = {
        sample.name: tuple(sample.labels)
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
    }
    assert {name: set(labels) for name, labels in found.items()} == {
        family.name: set(family.labels) for family in FAMILIES.values() if family.kind != "histogram"
    }


def test_who_asks_for_open_metrics_gets_them():
    page = page_of([handled(7)], accept="application/openmetrics-text; version=1.0.0", has_children=True)

    assert page.content_type.startswith("application/openmetrics-text")
    assert page.body.endswith(b"# EOF\n")


def test_workers_add_up_but_for_what_all_of_them_have_looked_at(tmp_path):
    for number in range(2):
        found = [handled(number + 1), IN_FLIGHT.of("c", value=5), DEAD_LETTERS.of("c", "parked", value=3 + number)]
        Reporter(tmp_path, number, Told(found)).write()

    together = values(Family(tmp_path, 2).samples())

    assert together == {MESSAGES.name: 3, IN_FLIGHT.name: 10, DEAD_LETTERS.name: 4}


def test_the_next_worker_of_a_number_goes_on_counting(tmp_path):
    Reporter(tmp_path, 0, Told([handled(5), IN_FLIGHT.of("c", value=5)])).write()

    Reporter(tmp_path, 0, Told([handled(2)])).write()

    assert values(Family(tmp_path, 1).samples()) == {MESSAGES.name: 7}


def test_of_a_worker_that_was_killed_what_it_counted_is_left(tmp_path, monkeypatch):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    monkeypatch.setattr(os, "getpid", lambda: dead.pid)
    Reporter(tmp_path, 0, Told([handled(5), IN_FLIGHT.of("c", value=5)])).write()

    assert values(Family(tmp_path, 1).samples()) == {MESSAGES.name: 5}


def test_a_family_is_as_well_as_each_of_its_workers(tmp_path):
    Reporter(tmp_path, 0, Told(state=Health(not_ready=("it waits",)))).write()
    Reporter(tmp_path, 1, Told(state=Health(not_alive=("it sleeps",)))).write()

    health = Family(tmp_path, 3).health()

    assert health.not_alive == ("worker 1: it sleeps",)
    assert health.not_ready == ("worker 0: it waits", "worker 2 has not begun")


def test_a_worker_that_says_nothing_any_more_is_not_alive(tmp_path, monkeypatch):
    Reporter(tmp_path, 0, Told()).write()
    family = Family(tmp_path, 2)
    now = reports.monotonic()
    monkeypatch.setattr(reports, "monotonic", lambda: now + 31)

    not_alive = family.health().not_alive

    assert not_alive == ("worker 0 has said nothing for 31 s", "worker 1 has said nothing for 31 s")


def test_a_worker_that_has_done_what_it_was_asked_is_missed_by_nobody(tmp_path, monkeypatch):
    Reporter(tmp_path, 0, Told([handled(5), IN_FLIGHT.of("c", value=1)])).write(is_last=True)
    family = Family(tmp_path, 1)
    now = reports.monotonic()
    monkeypatch.setattr(reports, "monotonic", lambda: now + 600)

    assert family.health() == Health()
    assert values(family.samples()) == {MESSAGES.name: 5}


def test_a_report_is_read_whole_while_it_is_written(tmp_path):
    reporter = Reporter(tmp_path, 0, Told([handled(5)]))
    reporter.write()

    reporter.write()

    assert [path.name for path in tmp_path.iterdir()] == ["0.json"]
    assert json.loads((tmp_path / "0.json").read_text())["samples"] == [
        [MESSAGES.name, "", [["consumer", "c"], ["topic", "events"], ["outcome", "handled"]], 5]
    ]


def test_what_cannot_be_asked_is_unknown_and_said_once(caplog, monkeypatch):
    monkeypatch.setattr(asking, "LOOK_SECONDS", 0.01)
    answers = [lambda: [handled(1)]]
    asked = []

    def ask():
        asked.append(None)
        return answers[0]()

    question = Answers([Question(subject="the lag of consumer c", ask=ask, every_seconds=0.0, most_of_the_time=1.0)])
    with question.being_asked_for():
        wait_for(lambda: values(question.samples()) == {MESSAGES.name: 1})
        answers[0] = lambda: 1 / 0
        wait_for(lambda: not question.samples())
        count = len(asked)
        wait_for(lambda: len(asked) > count + 3)
        answers[0] = lambda: [handled(2)]
        wait_for(lambda: values(question.samples()) == {MESSAGES.name: 2})

    assert caplog.text.count("the lag of consumer c is unknown to monitoring: ZeroDivisionError") == 1


def test_an_answer_grows_old_where_the_next_one_does_not_come(monkeypatch):
    question = Answers([Question(subject="it", ask=lambda: [handled(1)])])
    with question.being_asked_for():
        wait_for(question.samples)
    now = asking.monotonic()

    monkeypatch.setattr(asking, "monotonic", lambda: now + asking.ASK_SECONDS + asking.OLD_SECONDS + 1)

    assert question.samples() == []


def test_a_question_takes_no_more_than_a_hundredth_of_the_time(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(asking, "monotonic", lambda: now[0])
    asked = []

    def ask():
        asked.append(now[0])
        now[0] += 3
        return []

    one = asking._Asked(Question(subject="it", ask=ask))
    for _ in range(400):
        one.ask_if_due()
        now[0] += 1

    assert asked == [1000.0, 1303.0]
