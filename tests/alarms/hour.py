"""The mixed hour: consumers go through what isn't stuck and now and then through what is, and operators are told.

`python -m tests.soak --alarms --minutes 60`. Real processes on real servers meet slow handlers, backoffs, dead letters
and their replay, pauses, bursts, an idle topic, restarts, kills and rebalances, brokers and a database that are away,
and handlers that hang. Meanwhile everything that tells an operator is read every second; at the end each alarm is held
against what was done, and each lag against the records' own course.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import django
from confluent_kafka.admin import AdminClient, NewTopic

from tests.alarms.cast import CONSUMERS, PARTITIONS, kafka_settings, topic_of
from tests.faults.scenario import SETTINGS
from tests.processes import ChildProcess, start_manage
from tests.services.kafka import KafkaCluster
from tests.services.postgres import PostgresServer

SESSIONS = {"group.consumer.session.timeout.ms": 6000, "group.consumer.heartbeat.interval.ms": 1000}


class Hour:
    """Servers, topics and tables of one run."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        self.options = options
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alarms-")))
        self.kafka = stack.enter_context(KafkaCluster(properties=SESSIONS))
        self.postgres = stack.enter_context(PostgresServer())
        self.database_url = self.postgres.create_database("alarms")
        self._began = time.monotonic()
        self._numbers = itertools.count(1)
        self._stack = stack
        # This process asks as any command does, and has the admin besides.
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.alarms.settings",
            "DATABASE_URL": self.database_url,
            "WORKLOAD_KAFKA": json.dumps(kafka_settings(self.kafka.bootstrap)),
        }
        django.setup()
        self._make_topics()
        migration = self.start_manage("migrate", "--run-syncdb", "--verbosity", "0")
        assert migration.wait(120) == 0, migration.tail()

    def run(self) -> bool:
        """True if every bound was kept."""
        # Not at the top: it needs Django to be set up.
        from tests.alarms.playing import play

        return play(self)

    def start_manage(self, *arguments: str) -> ChildProcess:
        log = self.folder / f"{next(self._numbers)}-{arguments[0]}.log"
        child = start_manage(*arguments, log=log, env=SETTINGS)
        self._stack.callback(child.close)
        return child

    def tell(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.0f} s  {text}", flush=True)

    def _make_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 0})
        made = admin.create_topics([NewTopic(topic_of(name), PARTITIONS) for name in CONSUMERS])
        for future in made.values():
            future.result(30)
