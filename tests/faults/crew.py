"""A group of workers that is kept at its strength, whatever happens to its members."""

from __future__ import annotations

from typing import Any

from tests.faults.scenario import Scenario, consumer_of
from tests.processes import ChildProcess


class Crew:
    """Workers of one scenario; those that end by themselves are counted, and replaced like the others."""

    def __init__(self, name: str, scenario: Scenario, *, size: int, **consumer: Any) -> None:
        self.name = name
        self.scenario = scenario
        self.workers: list[ChildProcess] = []
        self.ended_by_themselves: list[str] = []
        self._size = size
        self._released: list[ChildProcess] = []
        scenario.consumer |= consumer

    @classmethod
    def of(cls, scenario: Scenario, *, size: int, offset_storage: str, protocol: str, **consumer: Any) -> Crew:
        name = ", ".join([offset_storage, protocol, *map(str, consumer.values())])
        settings = {**consumer_of(protocol), "offset_storage": offset_storage, **consumer}
        if "message_handler" in consumer:
            settings["message_handler"] = f"tests.workload.handlers.{consumer['message_handler']}"
        return cls(name, scenario, size=size, **settings)

    @property
    def is_exact(self) -> bool:
        """True where each record has to have exactly one effect."""
        return bool(self.scenario.consumer["offset_storage"] == "database")

    def fill(self) -> None:
        """As many workers as it has to have."""
        for worker in list(self.workers):
            if not worker.running:
                self.ended_by_themselves.append(f"{worker!r} ended with {worker.exit_status}:\n{worker.tail(5)}")
                self.workers.remove(worker)
        while len(self.workers) < self._size:
            self.workers.append(self.scenario.worker())

    def add(self) -> None:
        """One more member than it has to have: it leaves again with the next that is released."""
        self.workers.append(self.scenario.worker())

    def kill(self, index: int) -> None:
        self._take(index).kill()

    def release(self, index: int) -> None:
        """SIGTERM: it leaves in order, in its own time."""
        worker = self._take(index)
        worker.signal(15)
        self._released.append(worker)

    def dismiss(self) -> list[int]:
        """End all of it in order; the exit statuses of all that were released."""
        while self.workers:
            self.release(0)
        return [worker.wait(60) for worker in self._released]

    def _take(self, index: int) -> ChildProcess:
        return self.workers.pop(index % len(self.workers))
