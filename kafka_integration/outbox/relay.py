"""The relay of one database: holds the lease, and while it does, lets a forwarder send the outbox to Kafka."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from django.db import DatabaseError, connections, reset_queries
from django.db import Error as DatabaseLayerError

from ..conf.settings import Settings
from ..models import OutboxMessage
from ..observing.counts import Counts
from ..observing.facts import OutageBegan, OutageEnded
from ..observing.observers import Observers
from ..observing.pulse import Pulse
from ..observing.relay_log import RelayLog
from .backlog import find_backlog
from .databases import is_read_only
from .forwarder import Forwarder
from .lease import RENEWALS_PER_LEASE, Lease
from .notify import Listener
from .table import Outbox

logger = logging.getLogger("kafka_integration.relay")

REPORT_SECONDS = 30.0
STOP_GRACE_SECONDS = 3.0
OUTAGE_PAUSE_SECONDS = 1.0
STOP_IS_SEEN_SECONDS = 0.2
COUNT_SECONDS = 1.0
MOST_TOPICS_NAMED = 5
NO_OUTBOX_PAUSE_SECONDS = 5.0
# Beyond a lease, in which a relay that died is replaced: how long “once” watches another one that sends nothing.
STANDSTILL_SECONDS = 5.0


class Relay:
    """Relays one outbox. Everything happens in the thread that calls ``turn()`` or ``run()``."""

    def __init__(
        self,
        alias: str,
        settings: Settings,
        *,
        holder: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.alias = alias
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        self._outbox = Outbox(alias)
        self._lease = Lease(alias, seconds=settings.outbox.lease_seconds, holder=holder, clock=clock)
        outbox = settings.outbox
        self._listener = Listener(outbox.direct_aliases.get(alias, alias)) if outbox.notify else None
        # The lease has to be renewed, however seldom the outbox is looked at.
        self._wait_seconds = min(outbox.poll_interval_seconds, outbox.lease_seconds / RENEWALS_PER_LEASE)
        self.counts = Counts()
        self.pulse = Pulse()
        self.has_looked = False
        """It knows whether it is the one that sends."""
        self._observers = Observers(self.counts, RelayLog(alias))
        self._forwarder: Forwarder | None = None
        self._is_standing_by = False
        self._down_since: float | None = None
        self._has_tables: bool | None = None
        self._is_read_only = False
        self._last_id: int | None = None
        self._left: Counter[str] = Counter()
        self._left_since = self._count_again_at = float("-inf")
        self._report_at = clock() + REPORT_SECONDS
        self._reported = 0

    @property
    def is_active(self) -> bool:
        """Whether this is the relay that sends, as far as it knows."""
        return self._forwarder is not None

    def turn(self) -> bool:
        """Do what can be done now; True if it was anything. Waits for nothing but the database."""
        if not self._lease.hold():
            self._stand_by()
            return False
        if self._forwarder is not None and self._forwarder.epoch != self._lease.epoch:
            # Lost and taken again between two looks: what the old epoch had under way is another's already.
            self._drop_forwarder()
        forwarder = self._forwarder or self._take_up()
        busy = forwarder.step()
        self._report(forwarder)
        return busy

    def run(self, *, once: bool = False) -> None:
        """Relay until ``stop()``, or with ``once`` until everything published so far has left."""
        try:
            while not self._stop.is_set():
                if self._run_turn(once):
                    break
        finally:
            self.finish()

    def stop(self) -> None:
        """Let ``run()`` finish what is under way, within its few seconds, and return. For any thread."""
        self._stop.set()

    def finish(self) -> None:
        """Take the last acknowledgements, let go of the lease, close connections: the end of ``run()``."""
        try:
            if self._forwarder is not None:
                self._forwarder.stop(STOP_GRACE_SECONDS)
            self._lease.release()
            if self._has_tables:
                self._log_what_is_left()
        except DatabaseLayerError as error:
            logger.warning("The relay of database %s could not tidy up: %s", self.alias, str(error).strip())
        finally:
            if self._listener is not None:
                self._listener.close()
            connections[self.alias].close()

    # --- Turns

    def _run_turn(self, once: bool) -> bool:
        """True when there is nothing left to do, which only ``once`` can know."""
        self.pulse.beat()
        try:
            if not self._find_tables():
                return self._leave_alone(once)
            if once and self._last_id is None:
                self._last_id = self._outbox.last_id()
            busy = self.turn()
            done = once and self._has_relayed_all()
        except DatabaseLayerError as error:
            if self._find_read_only(error):
                return self._leave_alone(once)
            self._wait_out(error)
            return False
        self._note_recovery()
        # With DEBUG Django keeps every query of a connection, for a request that never ends here.
        reset_queries()
        if not busy and not done:
            self._wait()
        return done

    def _find_tables(self) -> bool:
        if self._has_tables is not True:
            connection = connections[self.alias]
            found = OutboxMessage._meta.db_table in connection.introspection.table_names()
            if not found and self._has_tables is None:
                logger.info(
                    "Database %s has no outbox: nothing is relayed from it until manage.py migrate --database %s",
                    self.alias, self.alias,
                )  # fmt: skip
            self._has_tables = found
        return self._has_tables

    def _find_read_only(self, error: DatabaseLayerError) -> bool:
        """A replica has an outbox that others relay; it may be promoted one day."""
        try:
            found = isinstance(error, DatabaseError) and is_read_only(self.alias, error)
        except DatabaseLayerError:
            return False
        if found and not self._is_read_only:
            logger.warning(
                "Database %s is read-only, as a replica is: nothing is relayed from it until it takes writes.",
                self.alias,
            )
        self._is_read_only = found
        return found

    def _leave_alone(self, once: bool) -> bool:
        self.has_looked = True
        if not once:
            self._stop.wait(NO_OUTBOX_PAUSE_SECONDS)
        return once

    def _wait(self) -> None:
        deadline = time.monotonic() + self._wait_seconds
        while not self._stop.is_set() and (remaining := deadline - time.monotonic()) > 0:
            if self._wait_for_news(min(remaining, STOP_IS_SEEN_SECONDS)):
                return

    def _wait_for_news(self, seconds: float) -> bool:
        if self._forwarder is not None and self._forwarder.in_flight:
            return self._forwarder.wait(seconds)
        if self._forwarder is not None and self._listener is not None:
            heard = self._listener.wait(seconds)
            if heard is not None:
                return heard
        self._stop.wait(seconds)
        return False

    def _has_relayed_all(self) -> bool:
        last_id = self._last_id or 0
        if self._forwarder is None:
            # Another relay is at it: wait for it to finish, so that “once” means the same either way.
            rows = self._outbox.read(1, max_bytes=1)
            return not rows or rows[0].id > last_id or self._stands_still(last_id)
        return self._forwarder.is_past(last_id)

    def _stands_still(self, last_id: int) -> bool:
        """Whether the active relay has sent nothing for a while: it waits for a topic, or for Kafka, and says so."""
        now = self._clock()
        if now < self._count_again_at:
            return False
        self._count_again_at = now + COUNT_SECONDS
        left = self._outbox.left_of(last_id)
        if left != self._left:
            self._left, self._left_since = left, now
        waits = now - self._left_since >= self._settings.outbox.lease_seconds + STANDSTILL_SECONDS
        if waits:
            logger.warning(
                "%d message(s) of database %s are not relayed yet, and the active relay has sent none of them for "
                "%.0f s: it has said why. They are for: %s.",
                left.total(), self.alias, now - self._left_since, ", ".join(sorted(left)[:MOST_TOPICS_NAMED]),
            )  # fmt: skip
        return waits

    # --- The lease

    def _take_up(self) -> Forwarder:
        assert self._lease.epoch is not None
        logger.info("Relaying the outbox of database %s (epoch %d).", self.alias, self._lease.epoch)
        self._is_standing_by = False
        self._forwarder = Forwarder(
            self._outbox,
            self._settings.producer,
            epoch=self._lease.epoch,
            page_size=self._settings.outbox.batch_size,
            may_send=self._may_send,
            check_lease=self._lease.check,
            observers=self._observers,
            clock=self._clock,
        )
        return self._forwarder

    def _may_send(self) -> bool:
        return self._lease.is_valid and not self._stop.is_set()

    def _stand_by(self) -> None:
        self._drop_forwarder()
        if not self._is_standing_by:
            self._is_standing_by = True
            logger.info("Another relay is active on database %s: standing by.", self.alias)

    def _drop_forwarder(self) -> None:
        if self._forwarder is not None:
            logger.warning("This relay was too slow to keep its lease on database %s.", self.alias)
            self._forwarder.abandon()
            self._forwarder = None

    # --- Outages, reports

    def _wait_out(self, error: Exception) -> None:
        if self._down_since is None:
            self._down_since = self._clock()
            self._observers.tell(OutageBegan(error))
        connections[self.alias].close()
        # Goes on taking acknowledgements; the rows are removed when the database is back.
        if self._forwarder is not None:
            self._forwarder.wait(0)
        self._stop.wait(OUTAGE_PAUSE_SECONDS)

    def _note_recovery(self) -> None:
        self._is_read_only, self.has_looked = False, True
        if self._down_since is not None:
            self._observers.tell(OutageEnded(self._clock() - self._down_since))
            self._down_since = None

    def _log_what_is_left(self) -> None:
        backlog = find_backlog(self.alias)
        logger.info("Relayed %d message(s) of database %s. %s", self.counts.read().relayed, self.alias, backlog)

    def _report(self, forwarder: Forwarder) -> None:
        now = self._clock()
        if now < self._report_at:
            return
        self._report_at = now + REPORT_SECONDS
        backlog = find_backlog(self.alias)
        relayed = self.counts.read().relayed
        if relayed != self._reported or not backlog.is_empty:
            logger.info(
                "Database %s: %d message(s) relayed in %.0f s, %d under way. %s",
                self.alias, relayed - self._reported, REPORT_SECONDS, forwarder.in_flight, backlog,
            )  # fmt: skip
        self._reported = relayed
