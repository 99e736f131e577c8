"""What a soak judges: a load, the group that handles it, and what has to be true of both in the end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.faults.commits import CommitWatch
from tests.faults.crew import Crew
from tests.faults.failing_load import ATTEMPTS
from tests.faults.load import Load
from tests.faults.oracles import Identity, judge, numbered, placed
from tests.faults.outbox_load import OutboxLoad
from tests.faults.produce_load import ProduceLoad
from tests.faults.scenario import Scenario, consumer_of
from tests.processes import ChildProcess
from tests.publishing.scenario import PublishingScenario
from tests.waiting import wait_for

COLUMNS = ("group", "messages", "lost", "twice", "disorder", "2 places", "early commits", "dead", "wasted", "ended")


class Stream:
    """``is_exact`` where each record has to have exactly one effect; what makes it the same one, ``identity`` says."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        load: Load | OutboxLoad | ProduceLoad,
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
            if not isinstance(self.load, OutboxLoad):
                self._commits = stack.enter_context(self._scenario.watch_commits())
            yield

    def fill(self) -> None:
        for crew in self._crews:
            crew.fill()

    def press_replay(self) -> None:
        """An operator has the dead letters replayed that there are just now; whether he reaches the database or not."""
        self._scenario.replay_all()

    def wait_handled(self) -> None:
        """``AssertionError`` if some of what was acknowledged has no effect after all, be it by a replay."""
        wanted = len(self.load.acknowledged)

        def enough() -> bool:
            if self._scenario.effects.dead_letters(unsettled=True):
                self._scenario.replay_all().wait(60)
            return self._scenario.effects.count() >= wanted

        wait_for(enough, 180, lambda: f"{wanted} effects (there are {self._scenario.effects.count()})", interval=1)

    def dismiss(self) -> None:
        for crew in self._crews:
            crew.dismiss()

    def judge(self) -> tuple[tuple[str, ...], list[str]]:
        """A row of the table, and the worst of what is wrong."""
        effects = self._scenario.effects.read()
        found = judge(self.load.acknowledged, effects, self._identity)
        dead = self._scenario.effects.dead_letters()
        failures = [self.load.failures_of(record.key, record.seq) for record in self.load.acknowledged]
        wanted = sum(count >= ATTEMPTS for count in failures)
        unsettled = self._scenario.effects.dead_letters(unsettled=True)
        wasted = [each for each in effects if each.attempt != 1 + self.load.failures_of(each.key or "", each.seq)]
        early = self._commits.too_high if self._commits else []
        is_seen = bool(self.load.acknowledged) and (self._commits is None or self._commits.samples > 0)
        unseen = [] if is_seen else ["nothing was sent, or no commit was looked at"]
        ended = [end for crew in self._crews for end in crew.ended_by_themselves]
        faults: list[Any] = [found.lost, found.disordered, early, ended, unseen, wasted]
        faults.append([f"{dead} dead letters instead of {wanted}"] * (dead != wanted))
        faults.append([f"{unsettled} dead letters are left"] * bool(unsettled))
        if self._is_exact:
            faults += [list(found.repeated), found.overlapping]
        numbers = map(len, (self.load.acknowledged, found.lost, found.repeated, found.disordered, found.overlapping))
        seen = str(len(early)) if self._commits else "-"
        row = (self.name, *map(str, numbers), seen, str(dead), str(len(wasted)), str(len(ended)))
        return row, [f"{self.name}: {fault}" for fault in itertools.chain(*(each[:3] for each in faults))]


def direct(scenario: Scenario, *, size: int, offset_storage: str, protocol: str, **consumer: Any) -> Stream:
    """Records that were sent to Kafka, and a group that reads them under this protocol."""
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage, **consumer}
    named = [f"{offset_storage}, {protocol}", *map(_worded, consumer.items())]
    workers = Crew(", ".join(named), scenario.worker, size=size)
    is_exact = offset_storage == "database" or consumer.get("deduplicate", False)
    return Stream(scenario, load=scenario.load, workers=workers, is_exact=is_exact, identity=placed)


def from_gevent(
    scenario: Scenario, start: Callable[..., ChildProcess], *, size: int, offset_storage: str, protocol: str
) -> Stream:
    """Records, some with large headers, that our own `produce` sends from a process that gevent has patched."""
    scenario.load = ProduceLoad(start, scenario.topic)
    stream = direct(scenario, size=size, offset_storage=offset_storage, protocol=protocol)
    stream.name = stream.workers.name = f"gevent: {stream.name}"
    return stream


def failing(scenario: Scenario, **options: Any) -> Stream:
    """The same with a ``FailingLoad``, whose dead letters are replayed."""
    scenario.consumer |= {"retry": {"attempts": ATTEMPTS, "backoff_seconds": 0.1}}
    stream = direct(scenario, **options)
    stream.name = stream.workers.name = f"failing: {stream.name}"
    return stream


def _worded(option: tuple[str, Any]) -> str:
    name, value = option
    return name if value is True else str(value).removeprefix("tests.workload.handlers.")


def whole_way(scenario: Scenario, publishing: PublishingScenario, *, size: int, protocol: str) -> Stream:
    """Records that were published, relays that may send them twice, and a group that recognises that."""
    scenario.consumer |= {**consumer_of(protocol), "deduplicate": True}
    workers = Crew(f"outbox, {protocol}, deduplicate", scenario.worker, size=size)
    relays = Crew("the relays", publishing.relay, size=2)
    load = OutboxLoad(publishing)
    return Stream(scenario, load=load, workers=workers, relays=relays, is_exact=True, identity=numbered)
