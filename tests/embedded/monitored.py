"""Processes of `runconsumer` and `runrelay` on an embedded broker, and what they answer over HTTP."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families

from kafka_integration.client.transports.embedded import SERVERS_VARIABLE
from tests.processes import ChildProcess, start_manage
from tests.waiting import wait_for

# Whatever proxy this machine has, what is asked is here.
_web = build_opener(ProxyHandler({}))


class Monitored:
    """One topic, one consumer "one" and one database; a process of theirs at a time."""

    def __init__(self, servers: str, folder: Path) -> None:
        self.topic = f"topic-{uuid.uuid4().hex[:8]}"
        self.group = f"group-{uuid.uuid4().hex[:8]}"
        self._folder = folder
        self._kafka: dict[str, Any] = {"endpoints": "embedded"}
        self._env = {
            SERVERS_VARIABLE: servers,
            "DJANGO_SETTINGS_MODULE": "tests.workload.settings",
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        }
        self._children: list[ChildProcess] = []
        self.configure()

    def configure(self, **options: Any) -> None:
        consumer = {
            "topics": [self.topic],
            "consumer_group": self.group,
            "message_handler": "tests.workload.telling.stumble",
            "retry": {"attempts": 2, "backoff_seconds": 0.05},
            "offset_commit_interval_seconds": 0.2,
        }
        self._kafka["consumers"] = {"one": consumer | options}

    def operate(self, **options: Any) -> None:
        """``KAFKA["operations"]``."""
        self._kafka["operations"] = options

    def run(self, *arguments: str) -> ChildProcess:
        """A command to its end."""
        child = self.start(*arguments)
        assert child.wait(60) == 0, child.tail()
        return child

    def start(self, *arguments: str) -> ChildProcess:
        log = self._folder / f"{len(self._children)}.log"
        child = start_manage(*arguments, log=log, env={**self._env, "WORKLOAD_KAFKA": json.dumps(self._kafka)})
        self._children.append(child)
        return child

    def start_at_a_port(self, command: str, *arguments: str) -> tuple[ChildProcess, Page]:
        child = self.start(command, "--metrics-port", "0", *arguments)
        return child, Page(child.wait_for_output(r"metrics at (http://\S+)/metrics", 40)[1])

    def close(self) -> None:
        for child in self._children:
            child.close()


class Page:
    """What a process answers at its port."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        try:
            with _web.open(f"{self._url}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_for(self, path: str, status: int, timeout: float = 40.0) -> str:
        """The text, once that is the status."""
        answers: list[tuple[int, str]] = []

        def is_there() -> bool:
            answers[:] = [self.get(path)]
            return answers[0][0] == status

        wait_for(is_there, timeout, lambda: f"{path} answers {status}: {answers}")
        return answers[0][1]

    def values(self, name: str, **labels: str) -> list[float]:
        """The values of a metric whose labels have these values."""
        status, text = self.get("/metrics")
        assert status == 200, text
        return [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def wait_for_value(self, value: float, name: str, timeout: float = 40.0, **labels: str) -> None:
        """Until all of a metric's values with these labels, of which there are some, add up to this."""
        self._wait(lambda found: bool(found) and sum(found) == value, name, timeout, labels)

    def wait_until_absent(self, name: str, timeout: float = 60.0, **labels: str) -> None:
        self._wait(lambda found: not found, name, timeout, labels)

    def _wait(
        self, is_wanted: Callable[[list[float]], bool], name: str, timeout: float, labels: dict[str, str]
    ) -> None:
        last: list[list[float]] = [[]]

        def is_there() -> bool:
            last[0] = self.values(name, **labels)
            return is_wanted(last[0])

        wait_for(is_there, timeout, lambda: f"{name} {labels}: {last[0]}")
