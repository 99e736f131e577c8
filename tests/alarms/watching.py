"""What an operator is told, read again and again by every way there is, and kept with when it was said."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path
from time import monotonic, time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections

from kafka_integration.conf.settings import Settings
from tests.alarms.truth import Place

STUCK = re.compile(r"consumer (\S+): (\S+)\[(\d+)\] is stuck(?: at offset (\d+))?")
NEED_PLACE = re.compile(r"(\S+)\[(\d+)\](?:@(\d+))?")
STUCK_METRIC = re.compile(r'^kafka_integration_stuck_partitions\{consumer="([^"]+)"\} (\S+)', re.MULTILINE)
SILENT_SECONDS = 10.0
"""A heartbeat file that is older says that its process is dead."""

# Whatever proxy this machine has, what is asked is here.
_web = build_opener(ProxyHandler({}))


@dataclass(frozen=True, kw_only=True)
class Saying:
    """Something that was said: ``asked_at`` is when somebody asked, ``at`` when there was the answer."""

    channel: str
    kind: str
    asked_at: float
    at: float
    consumer: str | None = None
    place: Place | None = None
    offset: int | None = None
    pid: int | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class LagSaid:
    """How far a partition is behind, as it was said; it was measured between these two moments."""

    channel: str
    consumer: str
    place: Place
    since: float
    until: float
    lag: int
    time_lag_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A process that answers, as the driver started it."""

    pid: int
    url: str
    heartbeat: Path


class Watch:
    """Everything that is said, as long as ``listening`` lasts."""

    def __init__(self, settings: Settings, processes: Callable[[], Sequence[Watched]]) -> None:
        self.sayings: list[Saying] = []
        self.lags: list[LagSaid] = []
        self.looks: dict[str, int] = {}
        self._settings = settings
        self._processes = processes
        self._consumer_of = {each.consumer_group: each.name for each in settings.consumers.values()}
        self._groups = sorted(self._consumer_of)
        self._over = threading.Event()

    @contextmanager
    def listening(self) -> Any:
        """A thread for each way, so that one that waits for an answer keeps none of the others."""
        looks = {
            "rows": self._read_rows,
            "overview": self._read_overview,
            "lag": self._read_lag,
            "probes": self._read_probes,
        }
        threads = [threading.Thread(target=self._repeat, args=each) for each in looks.items()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _repeat(self, name: str, look: Callable[[], None]) -> None:
        while not self._over.wait(1.0):
            try:
                look()
                self.looks[name] = self.looks.get(name, 0) + 1
            except (CommandError, DatabaseError):
                # The driver's doing: what was away is told apart by its deeds.
                connections.close_all()
            except Exception as error:
                self._say(name, "crash", monotonic(), text=repr(error))
                raise
        connections.close_all()

    def _read_rows(self) -> None:
        asked_at = monotonic()
        rows = json.loads(_output_of("kafkaprocesses", "list", "--json"))
        # Now, not when it was asked: a database that was frozen meanwhile has kept the answer back.
        epoch = time() - monotonic()
        for row in rows:
            if row["state"] == "lost":
                self._say("rows", "lost", asked_at, pid=row["pid"])
                continue
            seen_at = datetime.fromisoformat(row["seen_at"]).timestamp() - epoch
            for consumer in row["consumers"]:
                for partition in consumer["partitions"]:
                    self._note_standing("rows", consumer["name"], partition, asked_at)
                    self._note_lag("rows", consumer["name"], partition, seen_at - 0.6, seen_at)

    def _read_lag(self) -> None:
        group = self._groups[self.looks.get("lag", 0) % len(self._groups)]
        asked_at = monotonic()
        document = json.loads(_output_of("kafkagroups", "lag", group, "--json"))
        for partition in document["partitions"]:
            self._note_standing("lag", self._consumer_of[group], partition, asked_at)
            self._note_lag("lag", self._consumer_of[group], partition, asked_at, monotonic())

    def _read_overview(self) -> None:
        # Not at the top: the pages need the apps.
        from kafka_integration.admin.pages.overview.consumers import consumer_lines
        from kafka_integration.admin.pages.overview.letters import waiting_letters
        from kafka_integration.admin.pages.overview.needs import find_needs
        from kafka_integration.admin.pages.overview.relays import relay_lines
        from kafka_integration.operating.groups.losses import last_sights
        from kafka_integration.operating.presence.listing import list_processes

        asked_at = monotonic()
        processes = list_processes(self._settings.operations)
        lines = consumer_lines(self._settings, processes, {})
        sights = last_sights(self._groups)
        for need in find_needs(lines, relay_lines(self._settings), processes, waiting_letters(), sights):
            kind = need.urgency.name.lower()
            places = NEED_PLACE.findall(need.text) if kind == "stuck" else []
            consumer = next((line.name for line in lines if need.group and line.group == need.group), None)
            for topic, number, offset in places:
                where = {"place": (topic, int(number)), "offset": int(offset) if offset else None}
                self._say("overview", kind, asked_at, consumer=consumer, text=need.text, **where)
            if not places:
                self._say("overview", kind, asked_at, consumer=consumer, text=need.text)

    def _read_probes(self) -> None:
        for process in self._processes():
            for path in ("/healthz", "/readyz", "/metrics"):
                self._probe(process, path)
            age = time() - process.heartbeat.stat().st_mtime
            if age > SILENT_SECONDS:
                self._say("heartbeat", "silent", monotonic(), pid=process.pid, text=f"for {age:.0f} s")

    def _probe(self, process: Watched, path: str) -> None:
        asked_at = monotonic()
        try:
            status, text = _get(process.url + path)
        except (URLError, OSError) as error:
            self._say(path, "no_answer", asked_at, pid=process.pid, text=str(error))
            return
        if path == "/metrics":
            for consumer, count in STUCK_METRIC.findall(text):
                if float(count):
                    self._say(path, "stuck", asked_at, consumer=consumer, pid=process.pid)
        elif status != 200:
            self._note_refusal(path, process, asked_at, text)

    def _note_refusal(self, path: str, process: Watched, asked_at: float, text: str) -> None:
        stuck = STUCK.findall(text)
        for consumer, topic, number, offset in stuck:
            where = {"consumer": consumer, "place": (topic, int(number)), "offset": int(offset) if offset else None}
            self._say(path, "stuck", asked_at, pid=process.pid, text=text, **where)
        if len(stuck) < len(text.strip().splitlines()):
            kind = "not_alive" if path == "/healthz" else "not_ready"
            self._say(path, kind, asked_at, pid=process.pid, text=text)

    def _note_standing(self, channel: str, consumer: str, partition: dict[str, Any], asked_at: float) -> None:
        kind = partition["state"] if partition.get("reason") is None else partition.get("reason")
        if kind not in (None, "caught_up", "catching_up", "falling_behind"):
            where = {"place": (partition["topic"], partition["partition"]), "offset": partition.get("stuck_offset")}
            self._say(channel, kind, asked_at, consumer=consumer, **where)

    def _note_lag(self, channel: str, consumer: str, partition: dict[str, Any], since: float, until: float) -> None:
        if partition["lag"] is not None:
            self.lags.append(
                LagSaid(
                    channel=channel,
                    consumer=consumer,
                    place=(partition["topic"], partition["partition"]),
                    since=since,
                    until=until,
                    lag=partition["lag"],
                    time_lag_seconds=partition.get("time_lag_seconds"),
                )
            )

    def _say(self, channel: str, kind: str, asked_at: float, **facts: Any) -> None:
        self.sayings.append(Saying(channel=channel, kind=kind, asked_at=asked_at, at=monotonic(), **facts))


def _output_of(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def _get(url: str) -> tuple[int, str]:
    try:
        with _web.open(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
