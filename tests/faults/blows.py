"""The faults of a soak: random, but the same ones for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

from tests.faults.crew import Crew
from tests.faults.watching import elapse
from tests.services.kafka import KafkaCluster
from tests.services.postgres import PostgresServer

# How often each of them comes, in proportion.
WEIGHTS = {
    "worker killed": 6,
    "worker stopped": 3,
    "worker frozen": 3,
    "member joined": 3,
    "relay killed": 2,
    "relay stopped": 1,
    "relay frozen": 2,
    "broker killed": 2,
    "broker restarted": 1,
    "broker frozen": 2,
    "database killed": 2,
    "database restarted": 2,
    "database frozen": 2,
    "database read-only": 1,
    "operator replays": 8,
}


class Blows:
    """Strikes workers, broker and database, and presses Replay; ``count`` says what was struck how often."""

    def __init__(
        self,
        seed: int,
        *,
        workers: Sequence[Crew],
        relays: Crew,
        kafka: KafkaCluster,
        postgres: PostgresServer,
        press_replay: Sequence[Callable[[], None]],
        tell: Callable[[str], None],
    ) -> None:
        self.count: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._workers = workers
        self._relays = relays
        self._kafka = kafka
        self._postgres = postgres
        self._press_replay = press_replay
        self._tell = tell

    def strike(self) -> None:
        """Let a moment pass, then do one thing, and sometimes a second one while the first lasts."""
        elapse(self._chance.uniform(0.5, 4))
        self._do(self._choose(WEIGHTS))

    def _do(self, name: str, *, alone: bool = True) -> None:
        victim, _, deed = name.partition(" ")
        crew = self._relays if victim == "relay" else self._chance.choice(self._workers)
        index, seconds = self._chance.randrange(100), self._chance.uniform(1, 10)
        self.count[name] += 1
        target = f" of {crew.name}" if victim in ("worker", "member") else ""
        self._tell(f"{name}{target}" + (f" for {seconds:.0f} s" if deed in ("frozen", "read-only") else ""))
        if victim == "operator":
            self._chance.choice(self._press_replay)()
        else:
            {"broker": self._to_broker, "database": self._to_database}.get(victim, self._to_member)(
                deed, crew, index, seconds, alone
            )
        crew.fill()

    def _to_member(self, deed: str, crew: Crew, index: int, seconds: float, alone: bool) -> None:
        if deed == "joined":
            crew.add()
        elif deed == "killed":
            crew.kill(index)
        elif deed == "stopped":
            crew.release(index)
        else:
            member = crew.members[index % len(crew.members)]
            member.freeze()
            self._last(seconds, alone)
            member.thaw()

    def _to_broker(self, deed: str, crew: Crew, index: int, seconds: float, alone: bool) -> None:
        if deed == "frozen":
            self._kafka.freeze()
            self._last(seconds, alone)
            self._kafka.thaw()
            return
        if deed == "killed":
            self._kafka.kill()
            self._last(seconds / 3, alone)
        self._kafka.restart()

    def _to_database(self, deed: str, crew: Crew, index: int, seconds: float, alone: bool) -> None:
        if deed == "frozen":
            self._postgres.freeze()
            self._last(seconds, alone)
            self._postgres.thaw()
        elif deed == "read-only":
            self._postgres.set_read_only(True)
            self._last(seconds, alone)
            self._postgres.set_read_only(False)
        elif deed == "killed":
            self._postgres.kill()
            self._last(seconds / 2, alone)
            self._postgres.start()
        else:
            self._postgres.restart(self._chance.choice(["fast", "immediate"]))

    def _last(self, seconds: float, alone: bool) -> None:
        """Let the fault last; of those that hit a server or freeze a member, some come with a worker's death."""
        if alone and self._chance.random() < 0.4:
            elapse(seconds / 2)
            self._do("worker killed", alone=False)
            elapse(seconds / 2)
        else:
            elapse(seconds)

    def _choose(self, weights: dict[str, int]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]
