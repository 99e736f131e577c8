"""Random faults under load: `python -m tests.soak --minutes 10`, which is `make soak MINUTES=10`.

Groups of workers read while workers, broker and database are killed, frozen, restarted and joined by others, one seed
giving one sequence of faults. At the end everything is healed, what is left is handled, and the oracles judge: the
exit status is 1 if anything was lost, happened twice under "database", or happened out of order.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from tests.faults.blows import Blows
from tests.faults.commits import CommitWatch
from tests.faults.crew import Crew
from tests.faults.oracles import judge
from tests.faults.scenario import Scenario
from tests.processes import ChildProcess, start_manage
from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import missing_for_kafka
from tests.services.postgres import PostgresServer, missing_for_postgres

WORKLOAD = {"DJANGO_SETTINGS_MODULE": "tests.workload.settings"}
CREWS: list[dict[str, Any]] = [
    {"offset_storage": "database", "protocol": "range", "message_handler": "each"},
    {
        "offset_storage": "database",
        "protocol": "consumer",
        "message_handler": "each_async",
        "transaction": "batch",
        "batch_size": 50,
    },
    {"offset_storage": "kafka", "protocol": "cooperative-sticky", "message_handler": "Batch"},
]
# Under the `consumer` protocol the broker says when a dead member is missed.
SESSIONS = {"group.consumer.session.timeout.ms": 4000, "group.consumer.heartbeat.interval.ms": 1000}
COLUMNS = ("group", "messages", "lost", "twice", "disorder", "2 places", "early commits", "dead", "attempts", "died")


class Soak:
    """Servers, crews and loads of one run."""

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
        status = self._start_manage("migrate", "--run-syncdb", env={**WORKLOAD, "DATABASE_URL": self._url}).wait(120)
        assert status == 0, "the tables could not be made"
        self._crews = [self._crew(**crew) for crew in CREWS]
        self._watches: dict[Crew, CommitWatch] = {}

    def run(self) -> bool:
        """True if every promise was kept."""
        blows = Blows(
            self._options.seed, crews=self._crews, kafka=self._kafka, postgres=self._postgres, tell=self._tell
        )
        with ExitStack() as watches:
            self._watches = {crew: watches.enter_context(crew.scenario.watch_commits()) for crew in self._crews}
            with self._load():
                deadline = time.monotonic() + self._options.minutes * 60
                while time.monotonic() < deadline:
                    blows.strike()
            self._tell(f"no more faults; {sum(self._sent())} messages were acknowledged, waiting for the last effects")
            self._finish()
        print(f"\nfaults: {blows.count.total()} ({', '.join(f'{n} {name}' for name, n in blows.count.most_common())})")
        return self._judge()

    @contextmanager
    def _load(self) -> Iterator[None]:
        for crew in self._crews:
            crew.fill()
        with ExitStack() as loads:
            for crew in self._crews:
                loads.enter_context(crew.scenario.load.flowing(self._options.rate))
            yield

    def _finish(self) -> None:
        for crew in self._crews:
            crew.fill()
            try:
                crew.scenario.wait_handled(180)
            except AssertionError as error:
                self._tell(f"{crew.name}: {error}")
        for crew in self._crews:
            if any(statuses := crew.dismiss()):
                crew.ended_by_themselves.append(f"exit statuses of workers asked to stop: {statuses}")

    def _judge(self) -> bool:
        rows = [COLUMNS]
        is_well = True
        for crew in self._crews:
            acknowledged, effects = crew.scenario.load.acknowledged, crew.scenario.effects.read()
            found = judge(acknowledged, effects)
            dead, early = crew.scenario.effects.dead_letters(), self._watches[crew].too_high
            attempts = sum(effect.attempt > 1 for effect in effects)
            faults = [found.lost, found.disordered, early, crew.ended_by_themselves, [0] * dead, [0] * attempts]
            if crew.is_exact:
                faults += [list(found.repeated), found.overlapping]
            is_well = is_well and not any(faults)
            numbers = map(len, (acknowledged, found.lost, found.repeated, found.disordered, found.overlapping, early))
            rows.append((crew.name, *map(str, (*numbers, dead, attempts, len(crew.ended_by_themselves)))))
            for fault in itertools.chain(*(each[:3] for each in faults)):
                print(f"{crew.name}: {fault}")
        print_table(rows)
        print(
            f"seed {self._options.seed}: "
            + ("nothing lost, nothing twice, nothing out of order" if is_well else "NOT WELL")
        )
        return is_well

    def _crew(self, **crew: Any) -> Crew:
        topic = f"soak-{uuid.uuid4().hex[:8]}"
        admin = AdminClient({"bootstrap.servers": self._kafka.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(topic, 4)])[topic].result(30)
        scenario = Scenario(
            bootstrap=self._kafka.bootstrap, topic=topic, database_url=self._url, start_manage=self._start_manage
        )
        self._stack.callback(scenario.close)
        return Crew.of(scenario, size=self._options.workers, **crew)

    def _start_manage(self, *arguments: str, env: Mapping[str, str] | None = None) -> ChildProcess:
        log = self._logs / f"{next(self._numbers)}-{arguments[0]}.log"
        self._children.append(start_manage(*arguments, log=log, env=env))
        return self._children[-1]

    def _end_children(self) -> None:
        for child in reversed(self._children):
            child.close()

    def _sent(self) -> list[int]:
        return [len(crew.scenario.load.acknowledged) for crew in self._crews]

    def _tell(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.0f} s  {sum(self._sent()):7} sent  {text}", flush=True)


def print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *numbers in rows:
        cells = [text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True)]
        print("  ".join([name.ljust(widths[0]), *cells]))


def main() -> int:
    parser = argparse.ArgumentParser(description="Random faults under load.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--rate", type=float, default=50, help="messages a second for each group")
    parser.add_argument("--workers", type=int, default=2, help="of each group")
    options = parser.parse_args()
    if missing := missing_for_kafka() or missing_for_postgres():
        print(f"No soak: {missing}", file=sys.stderr)
        return 1
    print(f"soak: seed {options.seed}, {options.minutes:g} minutes, {len(CREWS)} groups of {options.workers} workers")
    with ExitStack() as stack:
        return 0 if Soak(options, stack).run() else 1


if __name__ == "__main__":
    sys.exit(main())
