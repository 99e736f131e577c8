"""Handling a dead letter once more, by the handler that failed at it."""

from __future__ import annotations

import logging
from contextlib import nullcontext, suppress

from django.db import Error as DatabaseLayerError
from django.db.models.functions import Now

from ...dead_letters.redaction import describe
from ...dead_letters.replay_requests import ReplayRequest, ReplayRequests
from ...errors import DecodeError, FencedError, LeaseLostError
from ...headers import Headers, read_headers
from ...message import Decoding, KeptRecord, Message
from ...models import DeadLetter
from ...observing.facts import Replayed
from ...observing.log_fields import LogFields
from ...observing.observers import Observers
from ...outcomes import Skip
from ...placed_message import message_of, read_ahead
from ...retrying import Backoff
from ...summaries import summarize
from ..committing.store import OffsetStore
from ..failing.ending import MAX_SETBACKS
from ..failing.outages import is_conflict, is_setback
from ..handling.batches import failures_by_offset
from ..handling.deduplication import Deduplicator
from ..handling.invoking import Invoker
from ..handling.own_transaction import OwnTransaction
from ..lanes.fresh_connections import close_dead_connections
from ..ordering.line import Line
from ..partition import Partition

logger = logging.getLogger(__name__)

PAUSES = Backoff(first_seconds=1.0, longest_seconds=60.0)
CONFLICT_PAUSES = Backoff(first_seconds=0.1, longest_seconds=60.0)


class Replayer:
    """Replays dead letters of one consumer, one attempt for each request; any lane may call it.

    Where ``database`` is given, the handler's effects and the dead letter's new state are one transaction. ``store``
    says whether this worker still owns the partition; None where Kafka keeps the offsets.
    """

    def __init__(
        self,
        *,
        consumer: str,
        requests: ReplayRequests,
        invoker: Invoker,
        decoding: Decoding,
        observers: Observers,
        database: str | None,
        store: OffsetStore | None,
        deduplicator: Deduplicator | None = None,
    ) -> None:
        self._consumer = consumer
        self._requests = requests
        self._invoker = invoker
        self._decoding = decoding
        self._observers = observers
        self._database = database
        self._store = store
        self._deduplicator = deduplicator
        self._setbacks: dict[int, int] = {}

    def replay(self, request: ReplayRequest, partition: Partition | None) -> bool:
        """Handle a dead letter, in the place of ``partition``'s messages; True if that has to be claimed again.

        Without a ``partition`` it has no owner any more, and the lease alone says whose it is.
        """
        close_dead_connections()
        letter = self._requests.take(request)
        if letter is None:
            return False
        with self._requests.kept(letter):
            return self._replay(letter, partition)

    def _replay(self, letter: DeadLetter, partition: Partition | None) -> bool:
        headers = read_headers(letter.headers)
        message = self._message(letter, headers or [])
        own = None if self._database is None else OwnTransaction(self._database)
        try:
            if headers is None:
                raise DecodeError(f"the headers of {letter!r} are in no form in which a consumer keeps them")
            error = self._handle(own, letter, message, partition)
        except LeaseLostError as lost:
            logger.warning("consumer %s: %s", self._consumer, lost, extra=self._fields_of(letter))
            return False
        except FencedError:
            self._give_back(letter, 0)
            return partition is not None
        except Exception as raised:  # noqa: BLE001 - the COMMIT that checks what user code did
            error = raised
        except BaseException:
            # A handler that ends the process must not do so again at each start.
            with suppress(DatabaseLayerError, LeaseLostError):
                self._requests.settle(letter, DeadLetter.State.PARKED, replayed_at=Now())
            raise
        if error is not None:
            self._fail(letter, message, error)
            return False
        self._setbacks.pop(letter.pk, None)
        self._observers.tell(Replayed(letter.pk, message))
        if own is not None:
            own.tell_of_failed_hook(self._observers, f"the replay of {message!r}")
        return False

    def _handle(
        self, own: OwnTransaction | None, letter: DeadLetter, message: Message, partition: Partition | None
    ) -> Exception | None:
        """Handle it and settle the dead letter; what the handler raised, and then nothing is settled."""
        with own or nullcontext():
            if self._deduplicator is not None:
                # A repeat that comes later is one; this is handled in any case, because somebody asked for it.
                self._deduplicator.remember(message, letter.topic_id)
            error = self._run(message, Line() if partition is None else partition.line)
            if error is None:
                self._note_handled(letter, message)
                if self._store is not None and partition is not None:
                    self._store.confirm(partition)
            elif own is not None:
                own.roll_back()
        return error

    def _run(self, message: Message, line: Line) -> Exception | None:
        error = self._invoker.run([message], line).error
        # Or a batch handler's word about its only message.
        return None if error is None else failures_by_offset([message], error).get(message.offset, error)

    def _note_handled(self, letter: DeadLetter, message: Message) -> None:
        self._requests.settle(letter, DeadLetter.State.HANDLED, attempts=message.attempt, replayed_at=Now())

    def _fail(self, letter: DeadLetter, message: Message, error: Exception) -> None:
        setbacks = self._setbacks.get(letter.pk, 0) + 1
        if setbacks <= MAX_SETBACKS and is_setback(error):
            self._setbacks[letter.pk] = setbacks
            seconds = (CONFLICT_PAUSES if is_conflict(error) else PAUSES).seconds(setbacks)
            logger.warning(
                "consumer %s: the replay of %r waits %.1f s for what its handler needs: %s",
                self._consumer, message, seconds, summarize(error), extra=self._fields_of(letter),
            )  # fmt: skip
            self._give_back(letter, seconds)
            return
        self._setbacks.pop(letter.pk, None)
        try:
            self._note_failed(letter, message, error)
        except (DatabaseLayerError, LeaseLostError) as unwritten:
            # The lease ends by itself, and then it is tried again.
            text = "consumer %s: what came of %r is not noted: %s"
            logger.error(text, self._consumer, letter, summarize(unwritten), extra=self._fields_of(letter))

    def _note_failed(self, letter: DeadLetter, message: Message, error: Exception) -> None:
        state = DeadLetter.State.DISCARDED if isinstance(error, Skip) else DeadLetter.State.PARKED
        self._requests.settle(
            letter,
            state,
            attempts=message.attempt,
            replayed_at=Now(),
            **describe(error).columns(letter.consumer),
        )
        self._observers.tell(Replayed(letter.pk, message, error))

    def _fields_of(self, letter: DeadLetter) -> dict[str, object]:
        return LogFields(self._consumer, letter.group).of((letter.topic, letter.partition), letter.offset)

    def _give_back(self, letter: DeadLetter, seconds: float) -> None:
        # With the database down the lease ends by itself.
        with suppress(DatabaseLayerError):
            self._requests.postpone(letter, seconds)

    def _message(self, letter: DeadLetter, headers: Headers) -> Message:
        record = KeptRecord(
            place=(letter.topic, letter.partition, letter.offset),
            key=None if letter.key is None else bytes(letter.key),
            value=None if letter.value is None else bytes(letter.value),
            headers=headers,
            ts=letter.timestamp_ms,
            ts_type=letter.timestamp_type,  # type: ignore[arg-type]  # written from a Message's own
        )
        message = message_of(record, self._decoding, letter.attempts + 1)
        # Here, as the handler may be called on an event loop.
        read_ahead([message])
        return message
