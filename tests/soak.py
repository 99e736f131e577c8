"""Random faults under load: `python -m tests.soak --minutes 10`, which is `make soak MINUTES=10`.

Groups of workers read while workers, relays, broker and database are killed, frozen, restarted and joined by others,
one seed giving one sequence of faults. Some handle many messages at a time, each key's in order. Some fail at some of
what they read, and an operator has their dead letters replayed; one reads what transactions publish, through the
outbox, and one what `produce` sends from a process that gevent has patched, now and then with a header of 100 kB. At
the end everything is healed, what is left is handled, and the oracles judge: the exit status is 1 if anything was lost,
happened twice where it must not, happened out of order, or was not the dead letter that it had to be.

With `--alarms` it is the mixed hour of `tests/alarms/hour.py`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from kafka_integration.operating.columns import aligned
from tests.alarms.hour import Hour
from tests.faults.blows import Blows
from tests.faults.failing_load import FailingLoad
from tests.faults.load import Load
from tests.faults.scenario import SETTINGS as WORKLOAD
from tests.faults.scenario import Scenario
from tests.faults.streams import COLUMNS, direct, failing, from_gevent, whole_way
from tests.processes import PROJECT, ChildProcess, environment, start_manage
from tests.publishing.scenario import SETTINGS as PUBLISHING
from tests.publishing.scenario import PublishingScenario
from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import missing_for_kafka
from tests.services.postgres import PostgresServer, missing_for_postgres

DIRECT: list[dict[str, Any]] = [
    {"offset_storage": "database", "protocol": "range", "message_handler": "tests.workload.handlers.each"},
    {
        "offset_storage": "database",
        "protocol": "consumer",
        "message_handler": "tests.workload.handlers.each_async",
        "transaction": "batch",
        "batch_size": 50,
    },
    {
        "offset_storage": "kafka",
        "protocol": "cooperative-sticky",
        "message_handler": "tests.workload.handlers.Batch",
    },
    {
        "offset_storage": "kafka",
        "protocol": "range",
        "message_handler": "tests.workload.handlers.each",
        "ordering": "key",
        "concurrency": 8,
    },
    {
        "offset_storage": "kafka",
        "protocol": "cooperative-sticky",
        "message_handler": "tests.workload.handlers.each_async",
        "ordering": "key",
        "concurrency": 100,
    },
    {
        "offset_storage": "database",
        "protocol": "range",
        "message_handler": "tests.workload.handlers.each",
        "ordering": "key",
        "concurrency": 8,
    },
]
FAILING: list[dict[str, Any]] = [
    {"offset_storage": "database", "protocol": "cooperative-sticky", "message_handler": "tests.workload.handlers.each"},
    {
        "offset_storage": "kafka",
        "protocol": "range",
        "message_handler": "tests.workload.handlers.Collecting",
        "deduplicate": True,
        "batch_size": 50,
    },
    {
        "offset_storage": "kafka",
        "protocol": "consumer",
        "message_handler": "tests.workload.handlers.each",
        "ordering": "key",
        "concurrency": 8,
    },
    {
        "offset_storage": "database",
        "protocol": "cooperative-sticky",
        "message_handler": "tests.workload.handlers.each",
        "ordering": "key",
        "concurrency": 8,
    },
]
# Under the `consumer` protocol the broker says when a dead member is missed.
SESSIONS = {"group.consumer.session.timeout.ms": 4000, "group.consumer.heartbeat.interval.ms": 1000}


class Soak:
    """Servers, groups and loads of one run."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        self._options = options
        self._stack = stack
        self._began = time.monotonic()
        self._numbers = itertools.count(1)
        self._children: list[ChildProcess] = []
        self._logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        self._kafka = stack.enter_context(KafkaCluster(properties=SESSIONS))
        self._postgres = stack.enter_context(PostgresServer())
        self._url = self._postgres.create_database("soak")
        stack.callback(self._end_children)
        for settings in (WORKLOAD, PUBLISHING):
            migration = self._start_manage("migrate", "--run-syncdb", env={**settings, "DATABASE_URL": self._url})
            assert migration.wait(120) == 0, "the tables could not be made"
        self._streams = [direct(self._scenario(), size=options.workers, **consumer) for consumer in DIRECT]
        self._failing = [failing(self._scenario(FailingLoad), size=options.workers, **consumer) for consumer in FAILING]
        self._streams += self._failing
        self._streams.append(
            from_gevent(
                self._scenario(),
                self._start_producer,
                size=options.workers,
                offset_storage="database",
                protocol="cooperative-sticky",
            )
        )
        scenario = self._scenario()
        publishing = PublishingScenario(
            bootstrap=scenario.bootstrap,
            topic=scenario.topic,
            database_url=self._url,
            start_manage=self._start_manage,
        )
        self._streams.append(whole_way(scenario, publishing, size=options.workers, protocol="range"))

    def run(self) -> bool:
        """True if every promise was kept."""
        blows = Blows(
            self._options.seed,
            workers=[stream.workers for stream in self._streams],
            relays=next(stream.relays for stream in self._streams if stream.relays),
            kafka=self._kafka,
            postgres=self._postgres,
            press_replay=[stream.press_replay for stream in self._failing],
            tell=self._tell,
        )
        with ExitStack() as watches:
            for stream in self._streams:
                watches.enter_context(stream.watched())
            with self._load():
                deadline = time.monotonic() + self._options.minutes * 60
                while time.monotonic() < deadline:
                    blows.strike()
            self._tell("no more faults, waiting for the last effects")
            self._finish()
        print(f"\nfaults: {blows.count.total()} ({', '.join(f'{n} {name}' for name, n in blows.count.most_common())})")
        return self._judge()

    @contextmanager
    def _load(self) -> Iterator[None]:
        for stream in self._streams:
            stream.fill()
        with ExitStack() as loads:
            for stream in self._streams:
                loads.enter_context(stream.load.flowing(self._options.rate))
            yield

    def _finish(self) -> None:
        for stream in self._streams:
            stream.fill()
            try:
                stream.wait_handled()
            except AssertionError as error:
                self._tell(f"{stream.name}: {error}")
        for stream in self._streams:
            stream.dismiss()

    def _judge(self) -> bool:
        judgements = [stream.judge() for stream in self._streams]
        for fault in itertools.chain(*(faults for _, faults in judgements)):
            print(fault)
        print("\n".join(aligned([COLUMNS, *(row for row, _ in judgements)], right=range(1, len(COLUMNS)))))
        is_well = not any(faults for _, faults in judgements)
        print(
            f"seed {self._options.seed}: "
            + ("nothing lost, nothing twice, nothing out of order" if is_well else "NOT WELL")
        )
        return is_well

    def _scenario(self, load: type[Load] = Load) -> Scenario:
        topic = f"soak-{uuid.uuid4().hex[:8]}"
        admin = AdminClient({"bootstrap.servers": self._kafka.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(topic, 4)])[topic].result(30)
        scenario = Scenario(
            bootstrap=self._kafka.bootstrap,
            topic=topic,
            database_url=self._url,
            start_manage=self._start_manage,
            load=load,
        )
        self._stack.callback(scenario.close)
        return scenario

    def _start_manage(self, *arguments: str, env: Mapping[str, str] | None = None) -> ChildProcess:
        log = self._logs / f"{next(self._numbers)}-{arguments[0]}.log"
        self._children.append(start_manage(*arguments, log=log, env=env))
        return self._children[-1]

    def _start_producer(self, *arguments: str) -> ChildProcess:
        # As patient as the other loads are: what was sent arrives in the end, or the soak is wrong.
        producer = {"config": {"message.timeout.ms": 300_000, "metadata.recovery.rebootstrap.trigger.ms": 5_000}}
        kafka = {"endpoints": self._kafka.bootstrap.split(","), "producer": producer}
        command = [sys.executable, "-m", "tests.faults.produce_load", *arguments]
        env = environment({**WORKLOAD, "DATABASE_URL": self._url, "WORKLOAD_KAFKA": json.dumps(kafka)})
        log = self._logs / f"{next(self._numbers)}-produce.log"
        self._children.append(ChildProcess(command, log=log, env=env, cwd=PROJECT))
        return self._children[-1]

    def _end_children(self) -> None:
        for child in reversed(self._children):
            child.close()

    def _tell(self, text: str) -> None:
        sent = sum(len(stream.load.acknowledged) for stream in self._streams)
        print(f"{time.monotonic() - self._began:6.0f} s  {sent:7} acknowledged  {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Random faults under load.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--rate", type=float, default=50, help="messages a second for each group")
    parser.add_argument("--workers", type=int, default=2, help="of each group")
    parser.add_argument("--alarms", action="store_true", help="the mixed hour: what operators are told, and when")
    options = parser.parse_args()
    if missing := missing_for_kafka() or missing_for_postgres():
        print(f"No soak: {missing}", file=sys.stderr)
        return 1
    if options.alarms:
        print(f"alarms: seed {options.seed}, {options.minutes:g} minutes, {options.workers} processes")
        with ExitStack() as stack:
            return 0 if Hour(options, stack).run() else 1
    crews = f"2 relays, {len(DIRECT) + len(FAILING) + 2} groups of {options.workers} workers"
    print(f"soak: seed {options.seed}, {options.minutes:g} minutes, {crews}")
    with ExitStack() as stack:
        return 0 if Soak(options, stack).run() else 1


if __name__ == "__main__":
    sys.exit(main())
