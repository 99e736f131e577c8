"""What happens to servers and processes in the mixed hour; none of it makes a partition stuck."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from time import monotonic

from tests.alarms.acts import Stage
from tests.alarms.company import Company
from tests.faults.watching import elapse
from tests.services.kafka import KafkaCluster
from tests.services.postgres import PostgresServer

AWAY_SECONDS = (5, 45)
SETTLING_SECONDS = 20.0


class Blows:
    """One after another in a thread of its own, while nothing hangs."""

    def __init__(
        self, stage: Stage, company: Company, kafka: KafkaCluster, postgres: PostgresServer, chance: random.Random
    ) -> None:
        self._stage = stage
        self._company = company
        self._kafka = kafka
        self._postgres = postgres
        self._chance = chance

    def strike(self) -> None:
        """Each once, and then in any order, until it is over."""
        deeds: list[Callable[[], None]] = [
            self.restart_worker, self.freeze_broker, self.freeze_database, self.kill_worker, self.kill_broker,
            self.kill_database, self.join_and_leave, self.restart_broker, self.restart_database,
        ]  # fmt: skip
        while not self._stage.over.is_set():
            for deed in deeds:
                if self._stage.over.wait(self._chance.uniform(10, 30)):
                    return
                with self._stage.servers:
                    if not self._stage.over.is_set():
                        deed()
                        elapse(SETTLING_SECONDS)
            self._chance.shuffle(deeds)

    def restart_worker(self) -> None:
        with self._doing("handover", "a worker is restarted"):
            self._company.release(signal.SIGTERM)
            self._company.fill()

    def kill_worker(self) -> None:
        with self._doing("handover", "a worker is killed"), self._stage.truth.doing("killed") as deed:
            deed.pid = self._company.release(signal.SIGKILL)
            self._company.fill()
        # Its row stays until a day has gone.
        deed.ended_at = monotonic() + 86_400

    def join_and_leave(self) -> None:
        with self._doing("handover", "a member joins and leaves"):
            self._company.add()
            self._last()
            self._company.release(signal.SIGTERM)

    def freeze_broker(self) -> None:
        with self._doing("broker away", "the broker is frozen"):
            self._kafka.freeze()
            self._last()
            self._kafka.thaw()

    def kill_broker(self) -> None:
        with self._doing("broker away", "the broker is killed"):
            self._kafka.kill()
            self._last()
            self._kafka.restart()

    def restart_broker(self) -> None:
        with self._doing("broker away", "the broker is restarted"):
            self._kafka.restart()

    def freeze_database(self) -> None:
        with self._doing("database away", "the database is frozen"):
            self._postgres.freeze()
            self._last()
            self._postgres.thaw()

    def kill_database(self) -> None:
        with self._doing("database away", "the database is killed"):
            self._postgres.kill()
            self._last()
            self._postgres.start()

    def restart_database(self) -> None:
        with self._doing("database away", "the database is restarted"):
            self._postgres.restart(self._chance.choice(["fast", "immediate"]))

    def _doing(self, kind: str, text: str) -> object:
        self._stage.tell(text)
        return self._stage.truth.doing(kind)

    def _last(self) -> None:
        elapse(self._chance.uniform(*AWAY_SECONDS))
