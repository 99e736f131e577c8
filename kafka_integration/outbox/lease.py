"""Which relay is the active one of a database: a row that says who, under which epoch, and until when.

The database's clock decides when a lease has run out, this process's monotonic clock when to renew it; no
session holds anything, so it works behind a pooler that hands out another session for each transaction.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable

from django.db import connections

from .statements import statements_of

RENEWALS_PER_LEASE = 3


def name_a_holder() -> str:
    """A name for who holds a lease, another one at each call; it tells people the host and the process."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class Lease:
    """This relay's claim on a database. Used by one thread."""

    def __init__(
        self, alias: str, *, seconds: float, holder: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.alias = alias
        self.seconds = seconds
        self.holder = holder or name_a_holder()
        self.epoch: int | None = None
        self._clock = clock
        self._valid_until = self._look_again_at = float("-inf")
        self._sql = statements_of(alias)

    @property
    def is_valid(self) -> bool:
        """Whether nobody else can have taken over yet. A frozen process finds this False when it wakes."""
        return self.epoch is not None and self._clock() < self._valid_until

    def hold(self) -> bool:
        """Take or keep the lease; True if this relay is the active one. Asks the database only when that is due."""
        now = self._clock()
        if now < self._look_again_at:
            return self.is_valid
        if self.epoch is not None and self._renew(now):
            return True
        return self._take(now)

    def check(self) -> bool:
        """Ask the database now, whether or not it is due."""
        self._look_again_at = float("-inf")
        return self.hold()

    def release(self) -> None:
        """Let a standby take over at once."""
        if self.epoch is not None:
            self._execute(self._sql.RELEASE_LEASE, epoch=self.epoch)
            self.epoch = None

    def _renew(self, now: float) -> bool:
        renewed = self._execute(self._sql.RENEW_LEASE, seconds=self.seconds, epoch=self.epoch) is not None
        if renewed:
            self._grant(now)
        else:
            self.epoch = None
        return renewed

    def _take(self, now: float) -> bool:
        epoch = self._execute(self._sql.TAKE_LEASE, holder=self.holder, seconds=self.seconds)
        # There is no row before the first relay, nor after a flush; what has been there once may be gone again.
        if epoch is None and self._execute(self._sql.CREATE_LEASE) is not None:
            epoch = self._execute(self._sql.TAKE_LEASE, holder=self.holder, seconds=self.seconds)
        self._look_again_at = now + min(1.0, self.seconds / RENEWALS_PER_LEASE)
        if epoch is not None:
            self.epoch = epoch
            self._grant(now)
        return epoch is not None

    def _grant(self, now: float) -> None:
        # Counted from before the statement: this clock must run out before the database's does.
        self._valid_until = now + self.seconds
        self._look_again_at = now + self.seconds / RENEWALS_PER_LEASE

    def _execute(self, statement: str, **parameters: str | float | None) -> int | None:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement, parameters)
            rows = cursor.fetchall()
            return rows[0][0] if rows else None
