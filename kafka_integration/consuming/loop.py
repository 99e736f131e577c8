"""The loop of a consumer: one thread that owns the Kafka consumer and never runs user code."""

from __future__ import annotations

import logging
import threading
from enum import Enum
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from ..client.properties.build import METADATA_REFRESH_MS
from ..errors import BrokerError
from ..observing.pulse import Pulse
from .catching_up.until_caught_up import CatchingUp
from .fetching.backpressure import Backpressure, most_ahead
from .fetching.message_limit import MessageLimit
from .group.assignment import Assignment
from .group.intake import Intake
from .group.pauses import Pauses
from .group.protocol import ProtocolChoice
from .group.report import Report
from .group.resets import Resets
from .group.session import BUSY_POLL_SECONDS, CLOSE_SECONDS, Session
from .group.start_offsets import StartOffsets

if TYPE_CHECKING:
    from .assembly import Parts
    from .partition import Partition

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Not longer: Python's signal handlers wait for the end of a poll."""
HURRIED_CLOSE_SECONDS = 1.0
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
        self.time_spent = parts.time_spent
        self.pulse = Pulse(parts.time_spent)
        self.phase = Phase.STARTING
        self.fault: BaseException | None = None
        self.pauses = Pauses(settings.name)
        self.resets = Resets(settings.name)
        self._catching_up = CatchingUp(settings, self.fail) if until_caught_up else None
        self.leaves_lag = False
        """It was to run until its group has caught up, and ended before."""
        self._message_limit = MessageLimit(max_messages)
        self._stop = threading.Event()
        self._has_said_waiting = False
        self._backpressure = Backpressure(most_ahead=most_ahead(settings))
        self._lanes = parts.make_pool(self.fail, self._backpressure.made_room)
        self._intake = Intake(
            settings.name, lanes=self._lanes, messages_of=parts.messages_of, limit=self._message_limit
        )
        self._session: Session | None = None
        self._protocol = ProtocolChoice(settings, is_over=self._stop.is_set)
        self._make_session = partial(
            Session,
            lanes=self._lanes,
            claiming=parts.claiming,
            start_offsets=StartOffsets(settings),
            observers=parts.observers,
            on_fault=self.fail,
            on_commit=self._note_commit,
        )
        self._report = Report(settings, counts=self.counts)
        self._refresh_ms = METADATA_REFRESH_MS
        self._look_after_at = 0.0
        self._puts_off = False
        """What there is to look after besides messages waits for its time."""

    def run(self) -> None:
        """Consume until stopped, caught up or failed; then drain, commit and leave the group."""
        try:
            if self._catching_up is not None:
                self._catching_up.start()
            if self.open():
                while not self._is_done():
                    self._turn_or_join_anew(self.session)
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
            self.pulse.beat()
            try:
                self._session = self._make_session(self._protocol.settle(), refresh_ms=self._refresh_ms)
                self._session.client.subscribe()
            except BrokerError as error:
                if not error.retriable:
                    raise
                self._close()
                self._wait_for_broker(error)
            else:
                self.phase = Phase.RUNNING
                return True
        return False

    def turn(self) -> None:
        """Fetch once and hand on what came; then look after starts, flow, commits and the log, where that is due."""
        session, assignment = self.session, self.session.assignment
        self.pulse.beat()
        self._intake.go_on(assignment)
        had_read_all = session.has_read_all
        try:
            most = min(self._intake.fetch_size, self._backpressure.room(assignment))
            raws = session.client.fetch(most, self._patience(assignment))
        except BrokerError as error:
            # What the client had in its hands is lost to it, not to us.
            session.notices.say(error)
            assignment.rewind()
            self._stop.wait(BUSY_POLL_SECONDS)
            raws = []
        self.pulse.fetched(raws, self._lanes, had_read_all=had_read_all)
        if raws:
            self._intake.take(session, raws)
        # A handler that begins needs the interpreter, and would wait for all of that, with each message.
        self._puts_off = bool(raws) and monotonic() < self._look_after_at and not assignment.is_starting
        if self._puts_off:
            self._regulate(session)
        else:
            self._look_after(session)

    def _look_after(self, session: Session) -> None:
        assignment = session.assignment
        session.notices.look_after()
        if session.is_left_out:
            session.assigned([])
        assignment.look_at_topics()
        # Before a partition begins: nothing of one that is paused is to be handled first.
        self.pauses.carry_out(assignment, self._lanes)
        self.resets.keep_up(assignment)
        assignment.start()
        self._regulate(session)
        session.keep_up()
        is_awaited = self._catching_up is not None and self._catching_up.note(assignment)
        if is_awaited or session.commits.is_due:
            with self.pulse.committing():
                session.commit()
        self._report.note(session.client, assignment)
        self._look_after_at = monotonic() + BUSY_POLL_SECONDS

    def _regulate(self, session: Session) -> None:
        self._backpressure.regulate(session.client, session.assignment, is_hidden=self._intake.is_hidden_from_client)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those that it owns at the moment; any thread may ask."""
        session = self._session
        return () if session is None else tuple(session.assignment)

    @property
    def member_id(self) -> str | None:
        """What its group calls it, as far as it was told; any thread may ask."""
        session = self._session
        return None if session is None else session.member_id

    @property
    def is_cut_off(self) -> bool:
        """Whether the brokers are away; any thread may ask."""
        session = self._session
        return self.phase is not Phase.STOPPED and (session is None or session.client.log.trouble is not None)

    @property
    def is_draining(self) -> bool:
        """Whether it was asked to stop, and still finishes what is in handlers' hands."""
        return self._stop.is_set() or self.phase is Phase.DRAINING

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    def _turn_or_join_anew(self, session: Session) -> None:
        if session.membership.has_lost_its_broker():
            logger.warning("consumer %s: the embedded broker was started again, joining it", self.settings.name)
            # The one that took the place of ours knows nothing of what was under way.
            session.assignment.lose([partition.key for partition in session.assignment])
            if self._catching_up is not None:
                self._catching_up.begin_anew()
        elif session.client.is_stranded:
            logger.warning(
                "consumer %s: Kafka's client gave up all brokers and looks for none, joining with a new one",
                self.settings.name,
            )
            self._close(HURRIED_CLOSE_SECONDS)
        elif refresh_ms := session.membership.needed_refresh_ms(session.assignment.untold_since):
            logger.warning(
                "consumer %s: Kafka takes %.0f s for an answer, joining anew; changes of topics are looked for only "
                "every %.0f s from now on",
                self.settings.name, session.client.log.pace.answer_seconds, refresh_ms / 1000,
            )  # fmt: skip
            # How often a client refreshes can't be changed once it is there.
            self._refresh_ms = refresh_ms
        else:
            try:
                self.turn()
                return
            except BrokerError as error:
                if not self._protocol.is_refused(error):
                    raise
        self._close()
        self.open()

    def _note_commit(self) -> None:
        if self._catching_up is not None:
            self._catching_up.look()

    def _close(self, patience_seconds: float = CLOSE_SECONDS) -> None:
        if self._session is not None:
            self._session.leave(patience_seconds, may_hurry=self._stop.is_set)
        self._session = None

    def _wait_for_broker(self, error: BrokerError) -> None:
        if self.phase is Phase.STARTING and not self._has_said_waiting and not self._stop.is_set():
            logger.warning("consumer %s waits: %s", self.settings.name, error)
            self._has_said_waiting = True
        self._stop.wait(1.0)

    def _patience(self, assignment: Assignment) -> float:
        is_waiting = any(p.is_paused and not p.line.is_suspended for p in assignment) or self._catching_up is not None
        # An assignment doesn't end the poll in which it comes: without messages nothing would begin before its time.
        is_waiting = is_waiting or assignment.is_starting or not assignment.was_told or self._puts_off
        return BUSY_POLL_SECONDS if is_waiting or self._message_limit.is_limited else POLL_SECONDS

    def _is_done(self) -> bool:
        if self._stop.is_set():
            return True
        if self._message_limit.is_reached:
            return True
        if self._catching_up is None or not self._catching_up.is_over:
            return False
        assignment = self.session.assignment
        if not assignment.was_told and self.session.client.is_told_of_additions_only:
            # Who gets nothing hears nothing; and there is nothing left to be given.
            assignment.take_over([])
        # A classic group hears of no leaving before it has told its members what is theirs.
        return assignment.was_told

    def drain(self) -> None:
        """Let handlers finish while polling goes on, commit, and leave the group.

        How long a handler may take is the process's to decide: it ends us at the deadline.
        """
        self.phase = Phase.DRAINING
        self.resets.end()
        self._lanes.stop_tasks()
        if self._session is not None:
            self._drain_session(self._session)
        self._lanes.stop(timeout=1.0)
        if self._catching_up is not None:
            if self.fault is None and not self._message_limit.is_reached:
                self.leaves_lag = self._catching_up.conclude()
            self._catching_up.stop()
        self._report.summary()

    def _drain_session(self, session: Session) -> None:
        partitions = list(session.assignment)
        self._lanes.drop(partitions, monotonic())
        session.client.pause(p.key for p in partitions)
        self._report.draining(session.assignment)
        while not self._lanes.is_idle:
            self.pulse.beat()
            session.poll()
        session.commit_last()
        self._close(PATIENT_CLOSE_SECONDS)
