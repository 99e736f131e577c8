"""A process of relays, as monitoring looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from time import monotonic

from django.db import connections

from ...durations import spoken
from ...models import OutboxMessage
from ...observing.families import (
    OUTBOX_OLDEST_SECONDS,
    OUTBOX_REFUSED_ROWS,
    OUTBOX_ROWS,
    RELAY_ACTIVE,
    RELAYED,
    Sample,
)
from ...outbox.backlog import find_backlog
from ...outbox.relay import Relay
from .asking import Answers, Question
from .losses import question_of_losses
from .watched import Health

ALIVE_SECONDS = 30.0


class Relays:
    """The relays of this process, one for each database."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self._relays = relays
        self._outboxes = {
            relay: Answers(
                [Question(subject=f"the outbox of database {relay.alias}", ask=partial(_outbox, relay.alias))]
            )
            for relay in relays
        }
        self._losses = Answers([question_of_losses()])

    @contextmanager
    def asking(self) -> Iterator[None]:
        """The databases are asked for their outboxes, and for what groups have lost, as long as the block lasts."""
        with ExitStack() as all_asked:
            for answers in (*self._outboxes.values(), self._losses):
                all_asked.enter_context(answers.being_asked_for())
            yield

    def health(self) -> Health:
        now = monotonic()
        late = [relay for relay in self._relays if now - relay.pulse.beat_at > ALIVE_SECONDS]
        # One that waits for an answer of its database, however long, is as well as can be: so wait we.
        dead = [relay for relay in late if not self._outboxes[relay].is_waiting]
        return Health(
            not_alive=tuple(
                f"the relay of database {relay.alias} has not turned for {spoken(now - relay.pulse.beat_at)}"
                for relay in dead
            ),
            not_ready=tuple(
                f"the relay of database {relay.alias} has not looked at its outbox since the start"
                for relay in self._relays
                if not relay.has_looked
            ),
        )

    def samples(self) -> Iterator[Sample]:
        for relay in self._relays:
            yield RELAY_ACTIVE.of(relay.alias, value=relay.is_active)
            yield RELAYED.of(relay.alias, value=relay.counts.read().relayed)
            yield from self._outboxes[relay].samples()
        yield from self._losses.samples()


def _outbox(alias: str) -> Iterator[Sample]:
    try:
        backlog = find_backlog(alias)
        rows = OutboxMessage.objects.using(alias).count()
    finally:
        connections[alias].close()
    yield OUTBOX_ROWS.of(alias, value=rows)
    yield OUTBOX_REFUSED_ROWS.of(alias, value=backlog.refused)
    yield OUTBOX_OLDEST_SECONDS.of(alias, value=backlog.oldest_seconds or 0.0)
