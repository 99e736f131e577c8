"""One scenario: its topic, its group, its database, the workers that consume, and what has to be true at the end."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from tests.faults.commits import CommittedOffsets, CommitWatch
from tests.faults.effects import Effects
from tests.faults.load import Load
from tests.faults.oracles import find_disordered, find_lost, find_overlapping, find_repeated
from tests.processes import ChildProcess
from tests.waiting import wait_for

# So that a dead member is missed after seconds, as the tests' brokers allow.
SESSION = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.workload.settings"}
PROTOCOLS = ("range", "cooperative-sticky", "consumer")


def consumer_of(protocol: str) -> dict[str, Any]:
    """The settings of a consumer that shares its topic in this way."""
    if protocol == "consumer":
        return {"group_protocol": "consumer", "config": {}}
    return {"config": {**SESSION, "partition.assignment.strategy": protocol}}


class Scenario:
    """Starts workers on one topic of one cluster, and one database, and knows what they were given."""

    def __init__(
        self,
        *,
        bootstrap: str,
        topic: str,
        database_url: str,
        start_manage: Callable[..., ChildProcess],
        load: type[Load] = Load,
    ) -> None:
        self.bootstrap = bootstrap
        self.topic = topic
        self.group = f"group-{uuid.uuid4().hex[:8]}"
        self.database_url = database_url
        self.effects = Effects(database_url, topic)
        self.load = load(bootstrap, topic)
        self.committed = CommittedOffsets(bootstrap, self.group, topic)
        self.consumer: dict[str, Any] = {
            "topics": [topic],
            "consumer_group": self.group,
            "message_handler": "tests.workload.handlers.each",
            "offset_commit_interval_seconds": 1,
            "retry": {"attempts": 5, "backoff_seconds": 0.1},
            "config": SESSION,
        }
        self.kafka: dict[str, Any] = {"endpoints": bootstrap.split(",")}
        self._start_manage = start_manage
        self._stack = ExitStack()
        self._stack.callback(self.committed.close)

    def close(self) -> None:
        self._stack.close()

    def worker(self, *arguments: str, env: Mapping[str, str] | None = None, **consumer: Any) -> ChildProcess:
        """A `runconsumer` with this scenario's consumer, changed as asked; ready or not."""
        return self.command("runconsumer", *arguments, env=env, consumers={"workload": {**self.consumer, **consumer}})

    def ready_worker(self, *arguments: str, **options: Any) -> ChildProcess:
        """A worker that has been told what is its own."""
        worker = self.worker(*arguments, **options)
        worker.wait_for_output("assigned", 40)
        return worker

    def command(
        self, *arguments: str, consumers: Mapping[str, Any], env: Mapping[str, str] | None = None
    ) -> ChildProcess:
        kafka = {**self.kafka, "consumers": dict(consumers)}
        return self._start_manage(
            *arguments,
            env={
                **SETTINGS,
                "DATABASE_URL": self.database_url,
                "WORKLOAD_KAFKA": json.dumps(kafka),
                **(env or {}),
            },
        )

    def replay_all(self) -> ChildProcess:
        """An operator's `kafkadeadletters replay --all`."""
        return self.command("kafkadeadletters", "replay", "--all", consumers={"workload": self.consumer})

    def watch_commits(self) -> CommitWatch:
        return CommitWatch(self.committed, self.effects, self._places)

    def wait_handled(self, timeout: float = 60.0, count: int | None = None) -> None:
        """Until every acknowledged record, or ``count`` of them, has had an effect."""
        wanted = len(self.load.acknowledged) if count is None else count

        def enough() -> bool:
            return self.effects.count() >= wanted

        wait_for(enough, timeout, lambda: f"{wanted} effects (there are {self.effects.count()})", interval=0.2)

    def wait_committed(self, timeout: float = 20.0) -> None:
        """Until Kafka's offsets of the group are behind the last acknowledged records."""
        ends: dict[int, int] = {}
        for partition, offset in self._places():
            ends[partition] = max(offset + 1, ends.get(partition, 0))

        def all_there() -> bool:
            committed = self.committed.read()
            return all(committed.get(partition, 0) >= end for partition, end in ends.items())

        wait_for(all_there, timeout, lambda: f"{ends} committed (it is {self.committed.read()})", interval=0.2)

    def repeated(self) -> set[tuple[int, int]]:
        """The places of records that had more than one effect."""
        return set(find_repeated(self.effects.read()))

    def assert_nothing_lost(self) -> None:
        """L."""
        lost = find_lost(self.load.acknowledged, self.effects.read())
        assert not lost, f"{len(lost)} of {len(self.load.acknowledged)} records have no effect, the first {lost[0]}"

    def assert_nothing_twice(self) -> None:
        """X, with ``assert_nothing_lost``."""
        repeated = find_repeated(self.effects.read())
        assert not repeated, f"{len(repeated)} records have several effects: {dict(list(repeated.items())[:5])}"

    def assert_in_order(self) -> None:
        """O: each key's effects in order."""
        disordered = find_disordered(self.effects.read())
        assert not disordered, f"{len(disordered)} out of order: {disordered[:5]}"

    def assert_no_key_in_two_places(self) -> None:
        """O: no two workers at one key at the same time."""
        overlapping = find_overlapping(self.effects.read())
        assert not overlapping, f"{len(overlapping)} at once: {overlapping[:5]}"

    def _places(self) -> set[tuple[int, int]]:
        """Where the acknowledged records are, as far as the brokers said so."""
        return {(r.partition, r.offset) for r in list(self.load.acknowledged) if r.offset is not None}
