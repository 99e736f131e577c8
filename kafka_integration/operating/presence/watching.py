"""What can be seen of the consumers of this process, from beside their loops."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep, time
from typing import TYPE_CHECKING

from ...consuming.group.lags import Lag, Lags
from ...consuming.ordering.stream import State as PartitionState
from ...models import Process
from ...observing.time_spent import Phase
from .database_answers import DatabaseAnswers
from .standing import HANDLER_SECONDS, Facts, Standing, stand
from .trend import Trail, Trend, Window
from .views import ConsumerView, PartitionView

if TYPE_CHECKING:
    from ...consuming.loop import ConsumerLoop
    from ...consuming.partition import Partition


ANSWER_SECONDS = 0.5
"""How long the brokers' answer is waited for; then the lag is unknown this time."""
UNKNOWN_SECONDS = 10.0
"""Where the lag can't be learned for so long, and nothing is finished meanwhile, its broker is away."""
"""Over which rates are reckoned."""
NO_LAG = Lag(known={}, with_deleted={}, unknown_since={})
"""Nothing is known of any partition."""
MOST_CHUNKS = 1000
"""Of so many it is remembered how long handlers took."""


class ConsumersWatch:
    """Looks at all consumers of a process, for whoever wants to know: what one asks the brokers, others need not."""

    kind = Process.Kind.CONSUMER.value

    def __init__(self, loops: Sequence[ConsumerLoop]) -> None:
        self._loops = loops
        self._watches = [ConsumerWatch(loop) for loop in loops]
        self._lock = threading.Lock()
        self._views: list[ConsumerView] = []
        self._looked_at = -math.inf

    @property
    def state(self) -> str:
        """How the process is, in a word."""
        states = [_state_of(loop) for loop in self._loops]
        return next((state for state in ("draining", "quiet", "running") if state in states), "starting")

    def look(self, *, at_most_old_seconds: float = 0.0) -> list[ConsumerView]:
        """How all of them stand, or stood so long ago at most."""
        with self._lock:
            if monotonic() - self._looked_at >= at_most_old_seconds:
                self._views, self._looked_at = self._look(), monotonic()
            return self._views

    def close(self) -> None:
        """Nobody will look any more."""
        for watch in self._watches:
            watch.close()

    def _look(self) -> list[ConsumerView]:
        deadline = monotonic() + ANSWER_SECONDS
        for watch in self._watches:
            watch.ask()
        while any(watch.is_asking for watch in self._watches) and monotonic() < deadline:
            sleep(0.01)
        return [watch.look() for watch in self._watches]


class ConsumerWatch:
    """Looks at one consumer. What it reads may be read by anybody; it writes nothing there."""

    def __init__(self, loop: ConsumerLoop) -> None:
        self._loop = loop
        self._lags = Lags(loop.settings.name, loop.settings.connection)
        self._database = DatabaseAnswers(loop.settings.database)
        self._tracks: dict[Partition, _Track] = {}
        self._handled: Window[int] = Window()
        self._times: Window[dict[Phase, float]] = Window()
        self._former_durations: deque[float] = deque(maxlen=MOST_CHUNKS)
        """Of handlers at partitions that are no longer its own."""

    @property
    def is_asking(self) -> bool:
        return self._lags.is_asking or self._database.is_asking

    def ask(self) -> None:
        """Ask the brokers how far the partitions are behind, and the database if a handler is long at work."""
        partitions = self._loop.partitions
        if partitions and not self._lags.is_asking:
            self._lags.ask(partitions)
        if any(_is_long_at_work(partition) for partition in partitions):
            self._database.ask()
        else:
            self._database.forget()

    def close(self) -> None:
        """Nobody will look any more."""
        self._database.close()

    def look(self) -> ConsumerView:
        """How it stands now."""
        loop, settings = self._loop, self._loop.settings
        tally, now = loop.counts.read(), monotonic()
        partitions = sorted(loop.partitions, key=lambda partition: partition.key)
        before, times = self._handled.note(now, tally.handled), self._time_spent(partitions)
        times_before = self._times.note(now, times)
        return ConsumerView(
            name=settings.name,
            group=settings.consumer_group,
            member_id=loop.member_id,
            state=_state_of(loop),
            partitions=tuple(self._look_at(partitions)),
            handled=tally.handled,
            failed=tally.failed,
            rate=None if before is None else round((tally.handled - before[1]) / (now - before[0]), 2),
            time_seconds=None if times_before is None else _since(times_before[1], times),
        )

    def _time_spent(self, partitions: Sequence[Partition]) -> dict[Phase, float]:
        """With what handlers have taken so far that are still at work: it is counted when they return."""
        times = self._loop.time_spent.read()
        return {**times, "handle": times["handle"] + sum(p.line.seconds_in_hand for p in partitions)}

    def _look_at(self, partitions: Sequence[Partition]) -> list[PartitionView]:
        lag = NO_LAG if self._lags.is_asking else self._lags.read(partitions)
        for gone in self._tracks.keys() - set(partitions):
            self._former_durations.extend(gone.line.durations)
        self._tracks = {each: self._tracks.get(each) or _Track(each) for each in partitions}
        durations = [*self._former_durations, *(each for p in partitions for each in p.line.durations)]
        surroundings = _Surroundings.of(self._loop, partitions, durations, self._database)
        return [self._tracks[each].look(lag, surroundings) for each in partitions]


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What is true of all partitions of a consumer."""

    is_outage: bool
    is_draining: bool
    busy_seconds: float | None
    """The longest that a handler is at work, of whichever partition."""
    handler_p99_seconds: float
    is_database_away: bool
    is_database_asked: bool

    @classmethod
    def of(
        cls,
        loop: ConsumerLoop,
        partitions: Iterable[Partition],
        durations: Iterable[float],
        database: DatabaseAnswers,
    ) -> _Surroundings:
        now = monotonic()
        # Who hands shards to a crew holds back all of them in an outage, but for the one that tries.
        holds_all = loop.settings.ordering != "partition" and any(p.is_in_outage for p in partitions)
        return cls(
            is_outage=loop.is_cut_off or holds_all,
            is_draining=loop.is_draining,
            busy_seconds=max((now - p.line.busy_since for p in partitions if p.line.is_busy), default=None),
            handler_p99_seconds=_p99(durations),
            is_database_away=database.is_away,
            is_database_asked=database.is_asking,
        )


class _Track:
    """What was seen of one assignment of a partition, so that a standstill is noticed."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._trail = Trail()
        self._progress: object = None
        self._was_stuck = False
        self._moved_at = self._well_at = monotonic()

    def look(self, known: Lag, around: _Surroundings) -> PartitionView:
        partition, now = self._partition, monotonic()
        # How it stands goes by what is in hand too, though nobody else can read that any more.
        lag = known.with_deleted.get(partition.key)
        if lag is not None:
            self._well_at = now
        # Both: where messages are finished in any order, the floor may stand while all else goes on.
        progress = (partition.ledger.finished, len(partition.ledger.finished_beyond()))
        if progress != self._progress:
            # Who finishes messages is kept by nothing, whatever is unknown of it.
            self._progress, self._moved_at, self._well_at, self._was_stuck = progress, now, now, False
        facts = self._facts(lag, around, now)
        standing = stand(facts)
        self._was_stuck = standing.state == "stuck"
        if facts.lag == 0 or standing.reason not in (None, "handler"):
            # A standstill begins where nothing is known to keep it any more.
            self._moved_at = now
        if standing.reason not in (None, "handler"):
            # Nor does it fall behind for what came while it was kept.
            self._trail.forget()
        return self._view(known.known.get(partition.key), standing)

    def _facts(self, lag: int | None, around: _Surroundings, now: float) -> Facts:
        partition, line = self._partition, self._partition.line
        busy_seconds = now - line.busy_since if line.is_busy else None
        is_in_line = busy_seconds is None and line.held > 0
        if is_in_line:
            # It waits for a thread that another partition's handler has.
            busy_seconds = around.busy_seconds
        is_outage = around.is_outage or partition.is_in_outage
        if busy_seconds is not None:
            is_outage = is_outage or around.is_database_away
        # A handler that was known to hang, and is at it still, hangs though an answer is late once.
        hangs_still = self._was_stuck and line.is_busy
        return Facts(
            lag=1 if lag is None and hangs_still else lag,
            trend=self._trend(lag, now),
            still_seconds=now - self._moved_at,
            busy_seconds=busy_seconds,
            is_in_line=is_in_line,
            handler_p99_seconds=around.handler_p99_seconds,
            is_database_asked=around.is_database_asked and not hangs_still,
            is_draining=around.is_draining or line.is_stopping,
            is_paused=line.is_suspended,
            is_outage=is_outage or now - self._well_at >= UNKNOWN_SECONDS,
            is_backing_off=not line.is_busy and line.ready_at > now,
            is_held_back=lag is not None and _is_held_back(partition, lag),
        )

    def _trend(self, lag: int | None, now: float) -> Trend | None:
        ledger = self._partition.ledger
        if lag is None or ledger.next_offset is None or ledger.position is None:
            return None
        # What waits for one key, or for its handler to have it committed, is done all the same.
        done = ledger.position + len(ledger.finished_beyond())
        return self._trail.note(now, left=max(0, ledger.next_offset + lag - done), done=done)

    def _view(self, lag: int | None, standing: Standing) -> PartitionView:
        partition, ledger = self._partition, self._partition.ledger
        is_placed, is_stuck = partition.state is not PartitionState.STARTING, standing.state == "stuck"
        busy_seconds = monotonic() - partition.line.busy_since if is_stuck and partition.line.is_busy else None
        return PartitionView(
            topic=partition.topic,
            partition=partition.number,
            position=ledger.next_offset if is_placed else None,
            lag=lag if is_placed else None,
            state=standing.state,
            reason=standing.reason,
            stuck_offset=ledger.finished if is_stuck else None,
            time_lag_seconds=_age(partition) if lag else None,
            busy_seconds=None if busy_seconds is None else round(busy_seconds, 1),
        )


def _since(before: Mapping[Phase, float], now: Mapping[Phase, float]) -> dict[str, float]:
    # What was in hand may turn out to have waited for the database.
    return {phase: round(max(0.0, seconds - before[phase]), 3) for phase, seconds in now.items()}


def _is_held_back(partition: Partition, lag: int) -> bool:
    """Whether nothing is left to be done: the lag is what its handler asked to be left uncommitted (``NO_COMMIT``)."""
    ledger = partition.ledger
    if not ledger.is_held_back or ledger.next_offset is None or ledger.position is None:
        return False
    return ledger.position - ledger.next_offset >= lag


def _is_long_at_work(partition: Partition) -> bool:
    return partition.line.is_busy and monotonic() - partition.line.busy_since >= HANDLER_SECONDS


def _state_of(loop: ConsumerLoop) -> str:
    if loop.is_draining:
        return "draining"
    return "quiet" if loop.pauses.is_quiet else loop.phase.value


def _age(partition: Partition) -> float | None:
    """How old its lowest unfinished message is, by its own timestamp; None where that isn't known here."""
    finished = partition.ledger.finished
    written_ms = None if finished is None else partition.ages.of(finished)
    return None if written_ms is None else round(max(0.0, time() - written_ms / 1000), 3)


def _p99(seconds: Iterable[float]) -> float:
    ordered = sorted(seconds)
    return ordered[int(0.99 * (len(ordered) - 1))] if ordered else 0.0
