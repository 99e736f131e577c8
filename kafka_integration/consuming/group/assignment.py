"""The partitions that this member owns: taking them over, starting them, letting them go."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from time import monotonic

from ...client.committed import Committed
from ...client.consumer import ConsumerClient, Coordinates
from ...client.metadata.patience import LEAST_SECONDS
from ...conf.consumers import ConsumerSettings
from ...errors import BrokerError
from ...observing.facts import Assigned, Revoked
from ...observing.log_fields import LogFields
from ...observing.observers import Observers
from ..committing.claims import LOOK_SECONDS, Claiming
from ..committing.commits import Commits
from ..lanes.pool import Pool
from ..offsets.beyond import decode
from ..offsets.start import Obstacle, Start
from ..ordering.stream import State
from ..partition import Partition
from .start_offsets import StartOffsets

logger = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 1.0
WAIT_FOR_OTHERS_SECONDS = 0.5


class Assignment:
    """The assigned partitions; the loop thread's own. Its callbacks never raise."""

    def __init__(
        self,
        settings: ConsumerSettings,
        client: ConsumerClient,
        *,
        lanes: Pool,
        commits: Commits,
        claiming: Claiming | None,
        start_offsets: StartOffsets,
        observers: Observers,
    ) -> None:
        self._settings = settings
        self._client = client
        self._observers = observers
        self._lanes = lanes
        self._commits = commits
        self._claiming = claiming
        self._start_offsets = start_offsets
        self._patience = start_offsets.patience
        self._partitions: dict[Coordinates, Partition] = {}
        self._ask_at = 0.0
        self._look_at = monotonic() + LOOK_SECONDS
        self._looks: dict[Partition, Future[list[Partition]]] = {}
        """Which of a topic's partitions begin again, by the one whose lane was asked."""
        self._began_waiting_at: float | None = None
        self.untold_since: float | None = monotonic()
        """Since when the group owes us an answer; None once it has said what is ours, be it nothing."""

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._partitions.values())

    def __len__(self) -> int:
        return len(self._partitions)

    def get(self, coordinates: Coordinates) -> Partition | None:
        return self._partitions.get(coordinates)

    @property
    def was_told(self) -> bool:
        return self.untold_since is None

    @property
    def is_starting(self) -> bool:
        return any(p.state is State.STARTING for p in self)

    def take_over(self, coordinates: Iterable[Coordinates]) -> None:
        """New partitions, paused at no particular place until ``start`` knows where to begin."""
        self.untold_since = None
        added = [Partition(*place, self._settings.ordering) for place in coordinates]
        for partition in added:
            self._partitions[partition.key] = partition
            self._lanes.adopt(partition)
        self._ask_at = 0.0
        self._observers.tell(Assigned([partition.key for partition in added], len(self._partitions)))

    def let_go(self, coordinates: Iterable[Coordinates]) -> None:
        """Finish what is in handlers' hands, commit, and forget the partitions.

        Runs inside the rebalance: the group waits for us, at most for the drain deadline.
        """
        leaving = self._remove(coordinates)
        overrun = self._lanes.drop(leaving, monotonic() + self._settings.rebalance_drain_seconds)
        for partition in overrun:
            logger.warning(
                "consumer %s: the handler of %s overran rebalance_drain_seconds; its message will be delivered again",
                self._settings.name, partition,
                extra=LogFields(self._settings.name, self._settings.consumer_group).of(
                    partition.key, partition.ledger.finished
                ),
            )  # fmt: skip
        # Commit before releasing: the next owner starts here.
        self._commits.commit_before_leaving(leaving)
        for partition in overrun:
            self._lanes.abandon(partition)
        self._forget(leaving)
        self._tell_revoked(leaving, is_lost=False)

    def lose(self, coordinates: Iterable[Coordinates]) -> None:
        """Forget partitions that already belong to someone else: nothing may be committed any more."""
        lost = self._remove(coordinates)
        for partition in self._lanes.drop(lost, monotonic()):
            self._lanes.abandon(partition)
        self._forget(lost)
        self._tell_revoked(lost, is_lost=True)

    def start(self) -> None:
        """Bring each starting partition a step further; call it every turn."""
        now = monotonic()
        if now >= self._ask_at:
            self._look_what_there_is()
        for partition in self:
            if partition.start.is_placed and partition.line.is_fenced:
                partition.restart(Start())
        # Not by the state: a lane may fence work at any moment, and where that began is not where it goes on.
        starting = [p for p in self if not p.start.is_placed and not p.line.is_busy]
        for partition in starting:
            partition.start.advance(partition.ledger)
        unknown = [p for p in starting if p.start.may_ask(now) and p.line.ready_at <= now]
        if unknown and now >= self._ask_at:
            self._find_starts(unknown)
        self._begin(starting)

    def look_at_topics(self) -> None:
        """Begin again where a topic was made anew and has so many records that no offset tells; call it every turn."""
        if self._claiming is None:
            return
        for first in [first for first, look in self._looks.items() if look.done()]:
            for partition in self._looks.pop(first).result():
                if partition.state is State.ACTIVE:
                    self.restart(partition)
        if monotonic() >= self._look_at and self._client.log.trouble is None:  # else the lanes would wait for an answer
            self._look_at = monotonic() + LOOK_SECONDS
            active = [p for p in self if p.state is State.ACTIVE]
            for topic in {p.topic for p in active}:
                # A lane may be at work for hours.
                of_topic = sorted((p for p in active if p.topic == topic), key=lambda p: self._lanes.of(p).is_held_up)
                first = of_topic[0]
                if first not in self._looks:
                    self._looks[first] = self._lanes.of(first).call(partial(self._claiming.look, of_topic))

    def rewind(self) -> None:
        """After a fetch that may have lost messages on its way: begin each partition at its own ledger again."""
        for partition in self:
            # Of the others nothing was fetched, and some know already where to begin.
            if partition.state is State.ACTIVE:
                self.go_on(partition)

    def go_on(self, partition: Partition) -> None:
        """Begin again where the partition's own ledger ends, once nothing of it is in a handler's hands."""
        is_resumed = self._claiming is None and partition.ledger.finished is not None
        self._begin_again(partition, Start(is_resumed=is_resumed))

    def restart(self, partition: Partition, offset: int | None = None) -> None:
        """Begin a partition again, at ``offset`` or wherever its stored offset says."""
        if offset is None or self._claiming is None:
            self._begin_again(partition, Start(offset=offset))
        else:
            self._begin_again(partition, Start(reset_to=offset))
            self._claim(partition, offset, is_reset=True)
        if offset is not None:
            self._client.leader_epochs.forget([partition.key])

    def move(self, partition: Partition, offset: int) -> Start:
        """Begin a partition where somebody wants it to, once what is in handlers' hands is finished; that beginning."""
        if self._claiming is None:
            start = Start(offset=offset, forgets_beyond=True)
        else:
            # Claimed when nothing of it is in anybody's hands: what is under way keeps its effects.
            start = Start(reset_to=offset, forgets_beyond=True)
        self._begin_again(partition, start)
        self._client.leader_epochs.forget([partition.key])
        return start

    def ends_of(self, partition: Partition) -> tuple[int, int]:
        """Its first offset and the one after its last, asked of the broker, however slow that is at the moment."""
        with self._patience.timeout() as timeout:
            return self._client.ends(partition.key, timeout)

    def _look_what_there_is(self) -> None:
        """At the first turn: what is there from then on is new."""
        try:
            self._start_offsets.look()
        except BrokerError:
            self._ask_at = monotonic() + ASK_AGAIN_SECONDS

    def _find_starts(self, partitions: list[Partition]) -> None:
        began_at, asked = monotonic(), None
        try:
            with self._patience.timeout() as timeout:
                committed = self._client.last_commits([p.key for p in partitions], timeout)
            # The others in the next turn: a slow broker must not keep us from polling, or from a stop.
            enough_at = monotonic() + LEAST_SECONDS
            for asked in partitions:
                began_at = monotonic()
                if began_at >= enough_at:
                    break
                self._find_start(asked, committed[asked.key])
        except BrokerError as error:
            took_seconds = monotonic() - began_at
            if asked is None:
                self._ask_at = monotonic() + ASK_AGAIN_SECONDS
                for partition in partitions:
                    partition.start.put_off(Obstacle(str(error)))
            else:
                # A partition without a leader: the others are asked for in the next turn, and it doesn't take all of
                # the loop's time.
                asked.start.put_off(Obstacle(str(error), monotonic() + ASK_AGAIN_SECONDS + took_seconds))

    def _find_start(self, partition: Partition, committed: Committed) -> None:
        if (reset_to := partition.start.reset_to) is not None:
            # Its claim failed. What is stored would be gone on from, and what came at the offsets before left out.
            self._claim(partition, reset_to, is_reset=True)
            return
        offset = committed.offset
        if offset is None:
            first, end = self.ends_of(partition)
            offset = self._start_offsets.choose(partition, first, end)
        if self._claiming is None:
            beyond = decode(committed.note, offset)
            partition.start.know(offset, committed.offset, beyond.offsets, beyond.epoch)
        else:
            self._claim(partition, offset, committed=committed)

    def _claim(
        self, partition: Partition, offset: int, *, committed: Committed | None = None, is_reset: bool = False
    ) -> None:
        assert self._claiming is not None
        claim = partial(self._claiming.claim, partition, offset, committed=committed, is_reset=is_reset)
        partition.start.ask(self._lanes.of(partition).call(claim), None if committed is None else committed.offset)

    def _begin_again(self, partition: Partition, start: Start) -> None:
        self._client.pause([partition.key])
        # The state first: once the line is cleared, the lane must not begin what it puts back there.
        partition.restart(start)
        self._lanes.of(partition).clear(partition)

    def _begin(self, starting: list[Partition]) -> None:
        """Let those flow of which the beginning is known."""
        starts = {p.key: p.start.offset for p in starting if p.start.offset is not None}
        if not starts or (len(starts) < len(starting) and not self._client.adds_one_by_one and self._may_wait()):
            return
        known = [self._partitions[place] for place in starts]
        for partition in known:
            # What was put there before belongs to another position: handled after this, it would hide a gap.
            self._lanes.of(partition).clear(partition)
            partition.begin(self._commits.beyond_epoch(partition))
        flowing = [p for p in self if p.state is State.ACTIVE]
        if not self._client.place(starts, {p.key: p.ledger.taken for p in flowing if p.ledger.taken is not None}):
            return
        self._began_waiting_at = None
        for partition in known:
            partition.place()
        if any(partition.start.is_moved for partition in known):
            # Whoever took over before that is committed would leave out what comes before the old offset.
            self._commits.hasten()
        if not self._client.adds_one_by_one:
            self._client.pause(p.key for p in flowing if p.is_paused)

    def _may_wait(self) -> bool:
        """True for a moment: each time an eager group begins some, the prefetched messages of the others are lost."""
        if self._began_waiting_at is None:
            self._began_waiting_at = monotonic()
        return monotonic() - self._began_waiting_at < WAIT_FOR_OTHERS_SECONDS

    def _tell_revoked(self, partitions: list[Partition], *, is_lost: bool) -> None:
        if partitions:
            self._observers.tell(Revoked([partition.key for partition in partitions], is_lost))

    def _remove(self, coordinates: Iterable[Coordinates]) -> list[Partition]:
        found = [self._partitions.pop(place, None) for place in coordinates]
        return [partition for partition in found if partition is not None]

    def _forget(self, partitions: list[Partition]) -> None:
        for partition in partitions:
            partition.revoke()
            self._lanes.let_go(partition)
        if not self._partitions:
            # Not the same as being given nothing: the group is about to say who gets what.
            self.untold_since = monotonic()
