"""Processes of `runconsumer` on real Kafka whose handlers tell what they got."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.processes import PROJECT, ChildProcess, environment
from tests.waiting import wait_for

TELL = "tests.workload.telling.tell"
# A member that says nothing is missed after seconds; one that leaves is missed at once anyway.
QUICK = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a handler was given, as it told."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    ts: int
    pid: int
    thread: str

    @property
    def place(self) -> tuple[int, int]:
        return self.partition, self.offset

    @property
    def text(self) -> str | None:
        return None if self.value is None else self.value.decode()


class Jobs:
    """One broker, a group, a database for what the package keeps, and whatever processes a test starts."""

    def __init__(self, bootstrap: str, database_url: str, start_manage: Callable[..., ChildProcess]) -> None:
        self.bootstrap = bootstrap
        self.group = f"group-{uuid.uuid4().hex[:8]}"
        self._database_url = database_url
        self._start_manage = start_manage

    def consumer(self, topic: str, **options: Any) -> dict[str, Any]:
        return {
            "topics": [topic],
            "consumer_group": self.group,
            "message_handler": TELL,
            "offset_commit_interval_seconds": 0.5,
            "on_failure": "stop",
            "retry": {"attempts": 1},
            **({} if options.get("group_protocol") == "consumer" else {"config": QUICK}),
            **options,
        }

    def start(self, *arguments: str, consumers: dict[str, Any], command: str = "runconsumer") -> ChildProcess:
        env = {
            "DJANGO_SETTINGS_MODULE": "tests.workload.settings",
            "DATABASE_URL": self._database_url,
            "WORKLOAD_KAFKA": json.dumps({"endpoints": self.bootstrap.split(","), "consumers": consumers}),
        }
        return self._start_manage(command, *arguments, env=env)

    def run(self, topic: str, *arguments: str, **options: Any) -> ChildProcess:
        """One consumer, "one"."""
        return self.start(*arguments, consumers={"one": self.consumer(topic, **options)})

    def catch_up(self, topic: str, **options: Any) -> list[Told]:
        """What a run until caught up gets."""
        run = self.run(topic, "--until-caught-up", **options)
        assert run.wait(60) == 0, run.tail()
        return told(run)

    def committed(self, topic: str, group: str | None = None, partitions: int = 4) -> dict[int, int]:
        """What a client that knows nothing of us reads; without the partitions that have no commit."""
        with Consumer({"bootstrap.servers": self.bootstrap, "group.id": group or self.group}) as client:
            places = [TopicPartition(topic, number) for number in range(partitions)]
            return {p.partition: p.offset for p in client.committed(places, timeout=10) if p.offset >= 0}


class ReloadingSite:
    """A project in a folder: manage.py, settings, and an app "shop" whose handler prints a word and the value."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changes = 0
        self._process: ChildProcess | None = None
        (folder / "shop").mkdir()
        (folder / "shop" / "__init__.py").touch()
        (folder / "manage.py").write_text(
            "import sys\nfrom django.core.management import execute_from_command_line\n"
            "execute_from_command_line(sys.argv)\n"
        )
        self.write_handler("first")

    def write_handler(self, word: str) -> None:
        path = self._folder / "shop" / "handlers.py"
        path.write_text(f"import os\ndef handle(message):\n    os.write(1, f'{word} {{message.value}}\\n'.encode())\n")
        self._changes += 1
        # However coarse the clock of the file system is.
        later = time.time() + 2 * self._changes
        os.utime(path, (later, later))

    def start(self, bootstrap: str, topic: str) -> ChildProcess:
        consumer = {
            "topics": [topic],
            "consumer_group": f"group-{uuid.uuid4().hex[:8]}",
            "message_handler": "shop.handlers.handle",
            "config": QUICK,
        }
        kafka = {"endpoints": [bootstrap], "consumers": {"c": consumer}}
        (self._folder / "site_settings.py").write_text(
            f"SECRET_KEY = 'x'\nUSE_TZ = True\nINSTALLED_APPS = ['kafka_integration', 'shop']\nKAFKA = {kafka!r}\n"
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3'}}\n"
        )
        env = environment({"PYTHONPATH": str(PROJECT), "DJANGO_SETTINGS_MODULE": "site_settings"})
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "--verbosity=0"], cwd=self._folder, env=env, check=True, timeout=60)
        command = [*manage, "runconsumer", "--reload"]
        self._process = ChildProcess(command, log=self._folder / "log", env=env, cwd=self._folder)
        return self._process

    def close(self) -> None:
        if self._process is not None:
            self._process.close()


def told(*processes: ChildProcess) -> list[Told]:
    """All that the handlers of these processes got, in the order in which they told."""
    found = []
    for process in processes:
        for line in re.findall(r"^GOT (.*)$", process.output(), re.MULTILINE):
            facts = json.loads(line)
            facts |= {name: _bytes(facts[name]) for name in ("key", "value")}
            facts["headers"] = [(name, _bytes(value)) for name, value in facts["headers"]]
            found.append(Told(**facts))
    return found


def wait_told(count: int, *processes: ChildProcess, timeout: float = 30.0) -> list[Told]:
    def enough() -> list[Told] | None:
        found = told(*processes)
        return found if len(found) >= count else None

    return wait_for(
        enough, timeout, lambda: f"{count} messages told (of {len(told(*processes))})\n{processes[-1].tail()}"
    )


def assigned(process: ChildProcess) -> int:
    """How many partitions it owns, by its log."""
    owned: set[str] = set()
    for word, places in re.findall(
        r"consumer \S+: (assigned|revoked|lost) (\S.*?)(?: to the group.*)?$", process.output(), re.MULTILINE
    ):
        found = set(_each(places))
        owned = owned | found if word == "assigned" else owned - found
    return len(owned)


def wait_assigned(count: int, process: ChildProcess, timeout: float = 40.0) -> None:
    wait_for(lambda: assigned(process) == count, timeout, lambda: f"{count} partitions\n{process.tail()}")


def _each(places: str) -> list[str]:
    found = []
    for topic, ranges in re.findall(r"([\w.-]+)\[([\d,-]+)\]", places):
        for part in ranges.split(","):
            first, _, last = part.partition("-")
            found += [f"{topic}[{number}]" for number in range(int(first), int(last or first) + 1)]
    return found


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
