"""What a soak judges: a load, the group that handles it, and what has to be true of both in the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.faults.commits import CommitWatch
from tests.faults.crew import Crew
from tests.faults.load import Load
from tests.faults.oracles import Identity, judge, numbered, placed
from tests.faults.outbox_load import OutboxLoad
from tests.faults.scenario import Scenario, consumer_of
from tests.publishing.scenario import PublishingScenario

COLUMNS = ("group", "messages", "lost", "twice", "disorder", "2 places", "early commits", "dead", "attempts", "ended")


class Stream:
    """``is_exact`` where each record has to have exactly one effect; what makes it the same one, ``identity`` says."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        load: Load | OutboxLoad,
        workers: Crew,
        relays: Crew | None = None,
        is_exact: bool,
        identity: Identity,
    ) -> None:
        self.name = workers.name
        self.load = load
        self.workers = workers
        self.relays = relays
        self._crews = [crew for crew in (workers, relays) if crew]
        self._scenario = scenario
        self._is_exact = is_exact
        self._identity = identity
        self._commits: CommitWatch | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample the group's commits meanwhile: where records are, only who sent them to Kafka knows."""
        with ExitStack() as stack:
            if isinstance(self.load, Load):
                self._commits = stack.enter_context(self._scenario.watch_commits())
            yield

    def fill(self) -> None:
        for crew in self._crews:
            crew.fill()

    def wait_handled(self) -> None:
        """``AssertionError`` if some of what was acknowledged has no effect after all."""
        self._scenario.wait_handled(180, count=len(self.load.acknowledged))

    def dismiss(self) -> None:
        for crew in self._crews:
            crew.dismiss()

    def judge(self) -> tuple[tuple[str, ...], list[str]]:
        """A row of the table, and the worst of what is wrong."""
        effects = self._scenario.effects.read()
        found = judge(self.load.acknowledged, effects, self._identity)
        dead = self._scenario.effects.dead_letters()
        retried = [effect for effect in effects if effect.attempt > 1]
        early = self._commits.too_high if self._commits else []
        is_seen = bool(self.load.acknowledged) and (self._commits is None or self._commits.samples > 0)
        unseen = [] if is_seen else ["nothing was sent, or no commit was looked at"]
        ended = [end for crew in self._crews for end in crew.ended_by_themselves]
        faults: list[Any] = [found.lost, found.disordered, early, ended, unseen, retried]
        faults.append([f"{dead} dead letters"] * bool(dead))
        if self._is_exact:
            faults += [list(found.repeated), found.overlapping]
        numbers = map(len, (self.load.acknowledged, found.lost, found.repeated, found.disordered, found.overlapping))
        seen = str(len(early)) if self._commits else "-"
        row = (self.name, *map(str, numbers), seen, str(dead), str(len(retried)), str(len(ended)))
        return row, [f"{self.name}: {fault}" for fault in itertools.chain(*(each[:3] for each in faults))]


def direct(scenario: Scenario, *, size: int, offset_storage: str, protocol: str, **consumer: Any) -> Stream:
    """Records that were sent to Kafka, and a group that reads them under this protocol."""
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage, **consumer}
    named = [str(value).removeprefix("tests.workload.handlers.") for value in consumer.values()]
    workers = Crew(", ".join([offset_storage, protocol, *named]), scenario.worker, size=size)
    is_exact = offset_storage == "database"
    return Stream(scenario, load=scenario.load, workers=workers, is_exact=is_exact, identity=placed)


def whole_way(scenario: Scenario, publishing: PublishingScenario, *, size: int, protocol: str) -> Stream:
    """Records that were published, relays that may send them twice, and a group that recognises that."""
    scenario.consumer |= {**consumer_of(protocol), "deduplicate": True}
    workers = Crew(f"outbox, {protocol}, deduplicate", scenario.worker, size=size)
    relays = Crew("the relays", publishing.relay, size=2)
    load = OutboxLoad(publishing)
    return Stream(scenario, load=load, workers=workers, relays=relays, is_exact=True, identity=numbered)
