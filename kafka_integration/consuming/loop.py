"""The loop of a consumer: one thread that owns the Kafka consumer and never runs user code."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from enum import Enum
from time import monotonic, sleep
from typing import TYPE_CHECKING

from ..client.consumer import ConsumerClient, Coordinates
from ..client.fetched import END_REACHED, Event, Run, events_apart, runs_of
from ..client.properties.build import METADATA_REFRESH_MS
from ..errors import BrokerError
from ..message import Message
from ..observing.facts import Committed
from .catching_up.until_caught_up import CatchingUp
from .fetching.backpressure import Backpressure
from .fetching.message_limit import MessageLimit
from .fetching.weighing import Weighing
from .group.assignment import Assignment
from .group.lags import Lags
from .group.membership import Membership
from .group.notices import Notices
from .lanes.pool import Lanes
from .offsets.commits import Commits
from .offsets.stored_ends import LEAVE_SECONDS, Ends
from .partition import State
from .report import Report

if TYPE_CHECKING:
    from .assembly import Parts

logger = logging.getLogger(__name__)

FETCH_SIZE = 500
POLL_SECONDS = 0.5
"""Not longer: Python's signal handlers wait for the end of a poll."""
BUSY_POLL_SECONDS = 0.02
LAST_COMMIT_SECONDS = 3.0
CLOSE_SECONDS = 4.0
PATIENT_CLOSE_SECONDS = 60.0
"""How long a group that waits for its members to drain is waited for, where nobody waits for us."""


class Phase(Enum):
    """STARTING → RUNNING → DRAINING → STOPPED, one way."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


class ConsumerLoop:
    """Polls, hands messages to lanes, commits what they finished.

    ``run`` is a thread's whole life; ``stop`` may be called from any thread. ``fault`` says afterwards why it
    ended, None if it was asked to. One turn is a method of its own, so that a test can take it.
    """

    def __init__(self, parts: Parts, *, until_caught_up: bool = False, max_messages: int | None = None) -> None:
        settings = parts.settings
        self.settings = settings
        self.counts = parts.counts
        self.phase = Phase.STARTING
        self.fault: BaseException | None = None
        self._decoding = parts.decoding
        self._catching_up = CatchingUp(settings, self.fail) if until_caught_up else None
        self.leaves_lag = False
        """It was to run until its group has caught up, and ended before."""
        self._message_limit = MessageLimit(max_messages)
        self._stop = threading.Event()
        self._has_said_waiting = False
        self._weighing = Weighing()
        self._backpressure = Backpressure(batch_size=settings.batch_size)
        self._lanes = Lanes(
            settings.concurrency, lambda name: parts.make_lane(name, self.fail, self._backpressure.made_room)
        )
        self._ends = Ends(consumer=settings.name, store=parts.store, lanes=self._lanes)
        self._commits = Commits(
            consumer=settings.name, interval_seconds=settings.offset_commit_interval_seconds, ends=self._ends
        )
        self._observers = parts.observers
        self._assignment = Assignment(
            settings,
            lanes=self._lanes,
            commits=self._commits,
            claiming=parts.claiming,
            observers=self._observers,
        )
        self._report = Report(consumer=settings.name, counts=self.counts, lags=Lags(settings.name, settings.connection))
        self._client: ConsumerClient | None = None
        self._refresh_ms = METADATA_REFRESH_MS

    def run(self) -> None:
        """Consume until stopped, caught up or failed; then drain, commit and leave the group."""
        try:
            if self._catching_up is not None:
                self._catching_up.start()
            if self.open():
                while not self._is_done():
                    if self._membership.has_lost_its_broker():
                        self._open_again()
                    elif refresh_ms := self._membership.needed_refresh_ms(self._assignment.untold_since):
                        self._open_patiently(refresh_ms)
                    else:
                        self.turn()
        except BaseException as fault:  # noqa: BLE001 - the top of a thread
            self.fail(fault)
        try:
            self.drain()
        except BaseException as fault:  # noqa: BLE001 - the top of a thread
            self.fail(fault)
        self.phase = Phase.STOPPED

    def stop(self) -> None:
        """Finish what is in handlers' hands, and leave."""
        self._stop.set()
        self._lanes.halt()

    def fail(self, fault: BaseException) -> None:
        """Stop because of ``fault``; the first one counts."""
        self.fault = self.fault or fault
        self.stop()

    def open(self) -> bool:
        """Join the group, as soon as there is a broker to ask; False if stopped before that."""
        while not self._stop.is_set():
            try:
                self._client = client = ConsumerClient(self.settings, self, refresh_ms=self._refresh_ms)
                self._notices = Notices(self.settings, client, self._assignment)
                client.subscribe()
            except BrokerError as error:
                if not error.retriable:
                    raise
                self._close()
                self._wait_for_broker(error)
            else:
                self._membership = Membership(self.settings, client)
                self.phase = Phase.RUNNING
                return True
        return False

    def turn(self) -> None:
        """Fetch once and hand on what came; then look after starts, flow, commits and the log."""
        client = self.client
        for partition in self._message_limit.settle(self._assignment):
            self._assignment.go_on(client, partition)
        try:
            raws = client.fetch(self._weighing.fetch_size, self._patience())
        except BrokerError as error:
            # What the client had in its hands is lost to it, not to us.
            self._notices.say(error)
            self._assignment.rewind(client)
            self._stop.wait(BUSY_POLL_SECONDS)
            raws = []
        if raws:
            raws, events = events_apart(raws, place=f"consumer {self.settings.name}")
            for run in runs_of(raws):
                self._take(run)
            for event in events:
                # After the last message that was asked for, what follows was not taken: its end isn't ours.
                if event.code != END_REACHED or not self._leaves_out(event):
                    self._notices.handle(event)
        self._notices.look_after()
        if self._is_left_out():
            self._assignment.take_over([])
        self._assignment.look_at_topics(client)
        self._assignment.start(client)
        self._backpressure.regulate(client, self._assignment, is_hidden=self._weighing.is_hidden_from_client)
        is_awaited = self._catching_up is not None and self._catching_up.note(self._assignment)
        if is_awaited or self._commits.is_due:
            self._ends.store(self._assignment)
            self._commits.commit(client, self._assignment)
        self._report.note(client, self._assignment)

    # What the client tells, inside fetch and close: these must not raise.

    def assigned(self, partitions: list[Coordinates]) -> None:
        self._guard(lambda: self._assignment.take_over(partitions))

    def revoked(self, partitions: list[Coordinates]) -> None:
        self._guard(lambda: self._assignment.let_go(self.client, partitions))

    def lost(self, partitions: list[Coordinates]) -> None:
        self._guard(lambda: self._assignment.lose(partitions))

    def committed(self, offsets: dict[Coordinates, int], error: BrokerError | None) -> None:
        if error is not None:
            self._commits.fail(offsets, error)
            return
        for coordinates, offset in offsets.items():
            self._commits.confirm(coordinates, self._assignment.get(coordinates), offset)
        if self._catching_up is not None:
            self._catching_up.look()
        self._observers.tell(Committed(offsets))

    @property
    def client(self) -> ConsumerClient:
        assert self._client is not None
        return self._client

    def _open_again(self) -> None:
        """Begin anew on the broker that took the place of ours: it knows nothing of what was under way."""
        logger.warning("consumer %s: the embedded broker was started again, joining it", self.settings.name)
        self._assignment.lose([partition.key for partition in self._assignment])
        self._commits.forget()
        if self._catching_up is not None:
            self._catching_up.begin_anew()
        self._close()
        self.open()

    def _open_patiently(self, refresh_ms: int) -> None:
        """Join anew with a client that refreshes seldom: how often can't be changed once it is there."""
        logger.warning(
            "consumer %s: Kafka takes %.0f s for an answer, joining anew; changes of topics are looked for only every "
            "%.0f s from now on",
            self.settings.name, self.client.log.pace.answer_seconds, refresh_ms / 1000,
        )  # fmt: skip
        self._refresh_ms = refresh_ms
        self._close()
        self.open()

    def _close(self, patience_seconds: float = CLOSE_SECONDS) -> None:
        if self._client is not None and not self._leave(self._client, patience_seconds):
            logger.warning("consumer %s: the group did not let us go in time, leaving all the same", self.settings.name)
            self._client.abandon()
        self._client = None

    def _leave(self, client: ConsumerClient, patience_seconds: float) -> bool:
        """Leave the group; False if it took too long. Who just went would be missed, and its partitions held for it."""
        deadline = monotonic() + patience_seconds
        while not client.close(CLOSE_SECONDS):
            if self._stop.is_set() or client.log.trouble is not None or monotonic() >= deadline:
                return False
        return True

    def _wait_for_broker(self, error: BrokerError) -> None:
        if self.phase is Phase.STARTING and not self._has_said_waiting:
            logger.warning("consumer %s waits: %s", self.settings.name, error)
            self._has_said_waiting = True
        self._stop.wait(1.0)

    def _guard(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except BaseException as fault:  # noqa: BLE001 - a callback that raises makes the client drop fetched messages
            self.fail(fault)

    def _patience(self) -> float:
        assignment = self._assignment
        is_waiting = assignment.is_starting or any(p.is_paused for p in assignment) or self._catching_up is not None
        return BUSY_POLL_SECONDS if is_waiting or self._message_limit.is_limited else POLL_SECONDS

    def _take(self, run: Run) -> None:
        coordinates, raws = run
        partition = self._assignment.get(coordinates)
        # Revoked in the same call, or fetched from a position that was not ours to begin at.
        if partition is None or partition.state is not State.ACTIVE:
            return
        taken = partition.ledger.taken
        if taken is not None and raws[0].offset() < taken:
            self._assignment.restart(self.client, partition)
            return
        raws = self._message_limit.take(partition, raws)
        if self._message_limit.leaves_out(partition):
            # Else all the backlog would be fetched for nothing.
            self.client.pause([coordinates])
        if not raws:
            return
        partition.take(raws[-1].offset() + 1)
        self.client.leader_epochs.note(coordinates, raws)
        decoding = self._decoding
        messages = [Message(raw, decoding) for raw in raws]
        size = self._weighing.weigh((coordinates, raws), messages)
        self._lanes.of(partition).put(partition, messages, size)

    def _leaves_out(self, event: Event) -> bool:
        return event.coordinates is not None and self._message_limit.leaves_out(self._assignment.get(event.coordinates))

    def _is_left_out(self) -> bool:
        since = self._assignment.untold_since
        return since is not None and not self._notices.were_refusals and self._membership.is_left_out(since)

    def _is_done(self) -> bool:
        if self._stop.is_set():
            return True
        if self._message_limit.is_reached:
            return True
        if self._catching_up is None or not self._catching_up.is_over:
            return False
        if not self._assignment.was_told and self.client.is_told_of_additions_only:
            # Who gets nothing hears nothing; and there is nothing left to be given.
            self._assignment.take_over([])
        # A classic group hears of no leaving before it has told its members what is theirs.
        return self._assignment.was_told

    def drain(self) -> None:
        """Let handlers finish while polling goes on, commit, and leave the group.

        How long a handler may take is the process's to decide: it ends us at the deadline.
        """
        self.phase = Phase.DRAINING
        self._lanes.stop_tasks()
        if self._client is not None:
            self._drain_client(self._client)
        self._lanes.stop(timeout=1.0)
        if self._catching_up is not None:
            if self.fault is None and not self._message_limit.is_reached:
                self.leaves_lag = self._catching_up.conclude()
            self._catching_up.stop()
        self._report.summary()

    def _drain_client(self, client: ConsumerClient) -> None:
        partitions = list(self._assignment)
        self._lanes.drop(partitions, monotonic())
        client.pause(p.key for p in partitions)
        self._report.draining(self._assignment)
        while not self._lanes.is_idle:
            self._keep_polling(client)
        self._commit_last(client)
        self._close(PATIENT_CLOSE_SECONDS)

    def _commit_last(self, client: ConsumerClient) -> None:
        self._ends.store(self._assignment)
        deadline = monotonic() + LEAVE_SECONDS
        while not self._ends.is_quiet and monotonic() < deadline:
            self._keep_polling(client)
        self._commits.commit(client, self._assignment)
        # Not a waiting commit: with the broker down it would keep us for its time-out.
        deadline = monotonic() + LAST_COMMIT_SECONDS
        while not self._commits.is_quiet and monotonic() < deadline:
            self._keep_polling(client)
        if not self._commits.is_quiet:
            self._commits.give_up()
            logger.warning("consumer %s: the last commit was not confirmed", self.settings.name)

    def _keep_polling(self, client: ConsumerClient) -> None:
        """What comes is dropped; but a member that doesn't poll is thrown out, and hears of no commit."""
        try:
            client.fetch(FETCH_SIZE, BUSY_POLL_SECONDS)
        except BrokerError as error:
            self._notices.say(error)
            sleep(BUSY_POLL_SECONDS)
