"""One membership of a group: the client, and what was taken over, told and committed through it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep

from ...client.consumer import ConsumerClient, Coordinates
from ...conf.consumers import ConsumerSettings
from ...errors import BrokerError
from ...observing.facts import Committed
from ...observing.observers import Observers
from ..committing.claims import Claiming
from ..committing.commits import Commits
from ..committing.finished import FinishedOffsets
from ..committing.stored_ends import LEAVE_SECONDS, Ends
from ..lanes.pool import Pool
from ..ordering.stream import State
from ..partition import Partition
from .assignment import Assignment
from .membership import Membership
from .notices import Notices
from .start_offsets import StartOffsets

logger = logging.getLogger(__name__)

FETCH_SIZE = 500
BUSY_POLL_SECONDS = 0.02
LAST_COMMIT_SECONDS = 3.0
CLOSE_SECONDS = 4.0


class Session:
    """Made to join, and thrown away whole: nothing of it reaches the next one. The loop thread's own.

    It is what the client tells, inside ``fetch`` and ``close``: those methods must not raise.
    """

    def __init__(
        self,
        settings: ConsumerSettings,
        *,
        lanes: Pool,
        claiming: Claiming | None,
        start_offsets: StartOffsets,
        observers: Observers,
        refresh_ms: int,
        on_fault: Callable[[BaseException], None],
        on_commit: Callable[[], None],
    ) -> None:
        self._name = settings.name
        self._on_fault = on_fault
        self._on_commit = on_commit
        self._observers = observers
        self.member_id: str | None = None
        """What the group calls it, since it last gave it something; anybody may read it."""
        self.client = client = ConsumerClient(settings, self, refresh_ms=refresh_ms)
        self._ends = _ends(settings, claiming, lanes)
        self.commits = Commits(settings, client, self._ends)
        self.assignment = Assignment(
            settings,
            client,
            lanes=lanes,
            commits=self.commits,
            claiming=claiming,
            start_offsets=start_offsets,
            observers=observers,
        )
        self.notices = Notices(settings, client, self.assignment, observers)
        self.membership = Membership(settings, client)

    def commit(self) -> None:
        """Commit what is finished, and have stored where partitions end."""
        self._ends.store(self.assignment)
        self.commits.commit(self.assignment)

    def keep_up(self) -> None:
        """Have the database's offsets follow what is finished; call it every turn."""
        self._ends.keep_up(self.assignment)
        for partition in self._ends.take_lost():
            if partition.state is State.ACTIVE:
                self.assignment.restart(partition)

    def commit_last(self) -> None:
        """The same, with the answers waited for; not by the commit, which would keep us as long as a broker is down."""
        # Twice, as what is under way already may be of a while ago.
        for _ in range(2):
            self._ends.store(self.assignment)
            self._poll_until(lambda: self._ends.is_quiet, LEAVE_SECONDS)
        self.commits.commit(self.assignment)
        if not self._poll_until(lambda: self.commits.is_quiet, LAST_COMMIT_SECONDS):
            self.commits.give_up()
            logger.warning("consumer %s: the last commit was not confirmed", self._name)

    def poll(self) -> None:
        """What comes is dropped; but a member that doesn't poll is thrown out, and hears of no commit."""
        try:
            self.client.fetch(FETCH_SIZE, BUSY_POLL_SECONDS)
        except BrokerError as error:
            self.notices.say(error)
            sleep(BUSY_POLL_SECONDS)

    def leave(self, patience_seconds: float, *, may_hurry: Callable[[], bool]) -> None:
        """Leave the group. Who just went would be missed, and its partitions held for it."""
        deadline = monotonic() + patience_seconds
        while not self.client.close(min(CLOSE_SECONDS, patience_seconds)):
            if may_hurry() or self.client.log.trouble is not None or monotonic() >= deadline:
                logger.warning("consumer %s: the group did not let us go in time, leaving all the same", self._name)
                self.client.abandon()
                return

    @property
    def has_read_all(self) -> bool:
        """Whether nothing is known that could be fetched now."""
        return all(each.is_paused or self._has_read(each) for each in self.assignment)

    @property
    def is_left_out(self) -> bool:
        since = self.assignment.untold_since
        return since is not None and not self.notices.were_refusals and self.membership.is_left_out(since)

    def assigned(self, partitions: list[Coordinates]) -> None:
        self._guard(lambda: self._take_over(partitions))

    def revoked(self, partitions: list[Coordinates]) -> None:
        self._guard(lambda: self.assignment.let_go(partitions))

    def lost(self, partitions: list[Coordinates]) -> None:
        self._guard(lambda: self.assignment.lose(partitions))

    def committed(self, offsets: dict[Coordinates, int], error: BrokerError | None) -> None:
        if error is not None:
            self.commits.fail(offsets, error)
            return
        for coordinates, offset in offsets.items():
            self.commits.confirm(coordinates, self.assignment.get(coordinates), offset)
        self._on_commit()
        self._observers.tell(Committed(offsets))

    def _take_over(self, partitions: list[Coordinates]) -> None:
        self.member_id = self.client.member_id
        self.assignment.take_over(partitions)

    def _has_read(self, partition: Partition) -> bool:
        # A broker says with an answer where the partition ends, and that its end was reached only with the next one.
        ledger = partition.ledger
        return ledger.has_reached_end or (
            ledger.taken is not None and self.client.has_read(partition.key, ledger.taken)
        )

    def _guard(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except BaseException as fault:  # noqa: BLE001 - a callback that raises makes the client drop fetched messages
            self._on_fault(fault)

    def _poll_until(self, is_over: Callable[[], bool], seconds: float) -> bool:
        deadline = monotonic() + seconds
        while not is_over():
            if monotonic() >= deadline:
                return False
            self.poll()
        return True


def _ends(settings: ConsumerSettings, claiming: Claiming | None, lanes: Pool) -> Ends:
    store = None if claiming is None else claiming.store
    finished = None if store is None or settings.ordering == "partition" else FinishedOffsets(store)
    return Ends(consumer=settings.name, store=store, lanes=lanes, finished=finished)
