"""``--until-caught-up``: whether the group has committed what was there at the start, whoever owns the partitions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from time import monotonic

from django.db import Error as DatabaseLayerError
from django.db import close_old_connections, connections

from ...client.metadata.group_offsets import GroupOffsets
from ...client.metadata.partition_ends import Place
from ...conf.consumers import ConsumerSettings
from ...errors import BrokerError
from ...retrying import Repeats
from ...summaries import summarize
from ...topic_names import is_pattern, stands_for
from ..ordering.stream import State
from ..partition import Partition
from .goals import Goal, Goals, describe_left
from .group_positions import GroupPositions

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
REVISE_SECONDS = 10.0
ABSENT_SECONDS = 10.0
"""For so long some brokers may not know a topic: one that was made a moment ago, or any, if they have just started."""
PATIENCE_SECONDS = 300.0
"""How long other members may stand still in what they own before this run no longer waits for them."""
EARLY_COMMIT_SECONDS = 0.5
LAST_LOOK_SECONDS = 2.0


class CatchingUp:
    """Notes the ends at the start, and asks in a thread of its own how far the group has committed.

    What this member owns says nothing: a newcomer owns nothing yet, and who has finished its own share may still get
    that of a member that leaves.
    """

    def __init__(self, consumer: ConsumerSettings, on_fault: Callable[[BaseException], None]) -> None:
        self._consumer = consumer
        self._on_fault = on_fault
        self._group = GroupPositions(consumer)
        self._goals = Goals()
        self._absent = set(consumer.topics)
        self._absent_seconds = ABSENT_SECONDS if consumer.connection.transport == "kafka" else 0.0
        self._absent_until = monotonic() + self._absent_seconds
        self._left: dict[Place, int | None] | None = None
        self._positions: Mapping[Place, int | None] = {}
        self._moved_at = monotonic()
        self._repeats = Repeats()
        # As if it had been said now: mostly it is over before it is worth a line.
        self._repeats.is_due()
        self._revise_at = self._commit_early_at = 0.0
        self._owned: frozenset[Place] = frozenset()
        self._settled: frozenset[Place] = frozenset()
        self._is_stopping = False
        self._wake, self._has_looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"catching-up-{consumer.name}", daemon=True)
        self.is_over = False
        """The group has caught up, or is not waited for any longer."""

    @property
    def has_caught_up(self) -> bool:
        return self._left is not None and not self._left and not self._absent

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
        self._thread.join(LAST_LOOK_SECONDS)

    def begin_anew(self) -> None:
        """Note the ends again: another broker took the place of ours, and has nothing of what that one had."""
        self._goals, self._left, self._absent = Goals(), None, set(self._consumer.topics)
        self._wake.set()

    def look(self) -> None:
        """Ask at once: something was committed."""
        self._wake.set()

    def conclude(self) -> bool:
        """At the end: True, and a line in the log, if the group has still something to do."""
        if not self.is_over:
            self._has_looked.clear()
            self._wake.set()
            self._has_looked.wait(LAST_LOOK_SECONDS)
        if self.has_caught_up:
            return False
        logger.error("consumer %s: its group has not caught up, it leaves %s", self._consumer.name, self._leavings())
        return True

    def note(self, assignment: Iterable[Partition]) -> bool:
        """Take in what this member owns; True, every so often, while it has something to commit that others wait for.

        The loop's thread; every turn.
        """
        owned = list(assignment)
        self._owned = frozenset(partition.key for partition in owned)
        there = [partition for partition in owned if self._is_there(partition)]
        # What a handler holds back for good is finished, though the group's offset stays below.
        self._settled = frozenset(partition.key for partition in there if partition.ledger.is_held_back)
        now = monotonic()
        if now < self._commit_early_at or not any(self._is_due(partition) for partition in there):
            return False
        self._commit_early_at = now + EARLY_COMMIT_SECONDS
        return True

    def _is_there(self, partition: Partition) -> bool:
        end, position = self._goals.end(partition.key), partition.ledger.position
        return partition.state is State.ACTIVE and end is not None and position is not None and position >= end

    def _is_due(self, partition: Partition) -> bool:
        end, ledger = self._goals.end(partition.key), partition.ledger
        return end is not None and not ledger.is_held_back and (ledger.committed is None or ledger.committed < end)

    def _leavings(self) -> str:
        if self._left is None:
            return "what was there at the start, which could not be asked for"
        if not self._left:
            return f"what may be in {', '.join(sorted(self._absent))}, which could not be asked for"
        return describe_left(self._left)

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                try:
                    with GroupOffsets(self._consumer.connection, self._consumer.consumer_group) as offsets:
                        self._watch(offsets)
                except (BrokerError, DatabaseLayerError) as error:
                    self._put_off(error)
        except BaseException as fault:  # noqa: BLE001 - the top of a thread
            self._on_fault(fault)
        finally:
            connections.close_all()

    def _watch(self, offsets: GroupOffsets) -> None:
        while not self._is_stopping:
            self._wake.clear()
            is_last_look = not self._has_looked.is_set()
            self._note_goals(offsets)
            self._measure(offsets)
            if is_last_look:
                self._has_looked.set()
            self._wake.wait(LOOK_SECONDS)

    def _put_off(self, error: Exception) -> None:
        """Nobody stands still while there is nobody to ask."""
        close_old_connections()
        self._moved_at = monotonic()
        self._say("consumer %s: how far its group is can't be asked for yet: %s", summarize(error))
        self._wake.wait(LOOK_SECONDS)
        self._wake.clear()

    def _note_goals(self, offsets: GroupOffsets) -> None:
        """Note what is new, and every so often what has gone: a topic that was deleted, or made anew."""
        now = monotonic()
        if now < self._revise_at and not self._absent and not self._goals.unknown:
            return
        self._revise_at = now + REVISE_SECONDS
        places = self._group.places(offsets)
        self._goals.keep(places, now=now, patience_seconds=self._absent_seconds)
        known = self._goals.places
        new = [place for place in places if place not in self._goals or place in self._goals.unknown]
        if known and not self._absent:  # what is added while we run is not what was there at the start
            new = self._goals.unknown
        # In this order: an offset beyond the end is one then.
        positions = self._group.read(offsets, new)
        ends = offsets.ends({*new, *known})
        for place in new:
            self._goals.set(place, self._goal(positions[place], ends.get(place)))
        for place in known:
            if place in ends:
                self._goals.lower(place, ends[place][1])
        self._look_for_absent({topic for topic, _ in places})

    def _goal(self, position: int | None, ends: tuple[int, int] | None) -> Goal | None:
        if ends is None:
            return None
        first, end = ends
        return Goal(
            end=end,
            start=self._group.start(first, end),
            needs_offset=not self._consumer.start_with_earliest_message,
            beyond=position if position is not None and position > end else None,
        )

    def _look_for_absent(self, topics: set[str]) -> None:
        """Only what the broker says isn't there has nothing to do: what is kept from us may have."""
        self._absent = {entry for entry in self._absent if not any(stands_for(entry, topic) for topic in topics)}
        if monotonic() >= self._absent_until:
            self._absent = {entry for entry in self._absent if not is_pattern(entry) and self._group.is_hidden(entry)}

    def _measure(self, offsets: GroupOffsets) -> None:
        positions = self._group.read(offsets, self._goals.places)
        left = self._goals.left(positions)
        self._left = {place: lag for place, lag in left.items() if place not in self._settled}
        if positions != self._positions or self._owned & self._left.keys():
            self._positions, self._moved_at = positions, monotonic()
        if self.has_caught_up or monotonic() - self._moved_at >= PATIENCE_SECONDS:
            self.is_over = True
        elif self._left and not self._owned & self._left.keys():
            self._say("consumer %s: waits for other members of its group: %s", describe_left(self._left))

    def _say(self, line: str, detail: str) -> None:
        if self._repeats.is_due():
            logger.warning(line, self._consumer.name, detail)
