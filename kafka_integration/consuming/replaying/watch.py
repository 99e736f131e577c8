"""Finding the replays that a lane has to do: those of its own partitions, and those that nobody owns."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from functools import partial
from time import monotonic

from django.db import Error as DatabaseLayerError

from ...client.metadata.topic_sizes import TopicSizes
from ...dead_letters.replay_requests import Place, ReplayRequest, ReplayRequests
from ...errors import BrokerError
from ...retrying import Backoff
from ...summaries import summarize
from ...topic_names import cover
from ..lanes.tasks import Task
from ..partition import Partition
from .replayer import Replayer

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
PAUSES = Backoff(first_seconds=2.0, longest_seconds=60.0)
ORPHANS_LOOK_SECONDS = 10.0
PAGE = 50
MOST_PLACES = 1000


class ReplayWatch:
    """Looks for requests once a second, for all lanes of a consumer: one small query while there are none."""

    def __init__(self, consumer: str, requests: ReplayRequests, ownership: Ownership) -> None:
        self._consumer = consumer
        self._requests = requests
        self._ownership = ownership
        self._lock = threading.Lock()
        self._look_at = self._look_for_orphans_at = 0.0
        self._failures = 0
        self._places: list[Place] = []
        self._orphans: list[Place] = []

    def sees_any(self) -> bool:
        """Whether any replay of the group was waiting when last looked."""
        if monotonic() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return bool(self._places)

    @property
    def places(self) -> list[Place]:
        """The partitions for which a replay was waiting when last looked."""
        return self._places

    @property
    def orphans(self) -> list[Place]:
        """Partitions with requests that no member of the group can own."""
        return self._orphans

    def fail(self, error: Exception) -> None:
        """The database could not be asked: leave it alone for a while, longer each time."""
        self._places = []
        if self._failures == 0:
            logger.warning("consumer %s: can't look for replays now: %s", self._consumer, summarize(error))
        self._failures += 1
        self._look_at = monotonic() + PAUSES.seconds(self._failures)

    def _look(self) -> None:
        # First, so that no other lane looks while this one waits for the answer.
        self._look_at = monotonic() + LOOK_SECONDS
        try:
            self._places = self._requests.places(MOST_PLACES)
            self._failures = 0
            if not self._places:
                self._orphans = []
            elif monotonic() >= self._look_for_orphans_at:
                self._look_for_orphans_at = monotonic() + ORPHANS_LOOK_SECONDS
                self._orphans = [p for p in self._places if not self._ownership.may_have_owner(p)]
        except Exception as error:  # noqa: BLE001 - whatever it is, messages don't wait for it
            self.fail(error)


class Ownership:
    """Knows which partitions somebody in the group owns: those that exist, of the topics that it reads."""

    def __init__(self, topics: Sequence[str], sizes: TopicSizes) -> None:
        self._topics = topics
        self._sizes = sizes

    def may_have_owner(self, place: Place) -> bool:
        """False if nobody can own it; True too where the broker can't be asked."""
        topic, partition = place
        if not cover(self._topics, topic):
            return False
        try:
            return partition < self._sizes.ask(topic)
        except BrokerError:
            return True


class LaneReplays:
    """What one lane has to replay; belongs to its thread."""

    def __init__(self, requests: ReplayRequests, replayer: Replayer, watch: ReplayWatch) -> None:
        self._requests = requests
        self._replayer = replayer
        self._lookout = watch
        self._found: deque[ReplayRequest] = deque()
        self._look_at = 0.0

    def next(self, partitions: Sequence[Partition]) -> Task | None:
        """The next replay for one of these partitions, or for one without an owner. Cheap while there are none."""
        if not self._found and not self._lookout.sees_any():
            return None
        owned = {p.key: p for p in partitions if p.may_begin}
        if not self._found and monotonic() >= self._look_at:
            orphans = set(self._lookout.orphans)
            self._find([place for place in self._lookout.places if place in owned or place in orphans])
        while self._found:
            request = self._found.popleft()
            if request.place in owned or request.place in self._lookout.orphans:
                partition = owned.get(request.place)
                run = partial(self._replay, request, partition)
                return Task(partition=partition, key_bytes=request.key_bytes, run=run)
        return None

    def _find(self, places: list[Place]) -> None:
        self._look_at = monotonic() + LOOK_SECONDS
        try:
            self._found.extend(self._requests.find(places, PAGE))
        except Exception as error:  # noqa: BLE001 - whatever it is, messages don't wait for it
            self._lookout.fail(error)
        if len(self._found) == PAGE:
            self._look_at = 0.0

    def _replay(self, request: ReplayRequest, partition: Partition | None) -> bool:
        try:
            return self._replayer.replay(request, partition)
        except DatabaseLayerError as error:
            self._found.clear()
            self._lookout.fail(error)
            return False
