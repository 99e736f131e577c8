"""Handling a dead letter once more, by the handler that failed at it."""

from __future__ import annotations

import logging
from contextlib import suppress

from django.db import Error as DatabaseLayerError
from django.db.models.functions import Now

from ...dead_letters.redaction import describe
from ...dead_letters.replay_requests import ReplayRequest, ReplayRequests
from ...errors import DecodeError, FencedError, LeaseLostError
from ...headers import Headers, read_headers
from ...message import Decoding, KeptRecord, Message
from ...models import DeadLetter
from ...outcomes import Skip
from ...retrying import Backoff
from ...summaries import summarize
from ..counts import Counts
from ..failing.failed_hooks import tell_of_failed_hook
from ..failing.outages import is_conflict, is_setback
from ..failing.settling import MAX_SETBACKS, failures_by_offset
from ..handling.deduplication import Deduplicator
from ..handling.invoking import Invoker
from ..handling.own_transaction import OwnTransaction
from ..lanes.fresh_connections import close_dead_connections
from ..ledger import Ledger
from ..offsets.store import OffsetStore
from ..partition import Partition

logger = logging.getLogger(__name__)

PAUSES = Backoff(first_seconds=1.0, longest_seconds=60.0)
CONFLICT_PAUSES = Backoff(first_seconds=0.1, longest_seconds=60.0)


class _HandlerError(Exception):
    """What the handler raised, on its way out of the transaction."""

    def __init__(self, error: Exception) -> None:
        self.error = error


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
        counts: Counts,
        database: str | None,
        store: OffsetStore | None,
        deduplicator: Deduplicator | None = None,
    ) -> None:
        self._consumer = consumer
        self._requests = requests
        self._invoker = invoker
        self._decoding = decoding
        self._counts = counts
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
        try:
            if headers is None:
                raise DecodeError(f"the headers of {letter!r} are in no form in which a consumer keeps them")
            hook_error = self._handle(letter, message, partition)
        except LeaseLostError as error:
            logger.warning("consumer %s: %s", self._consumer, error)
        except FencedError:
            self._give_back(letter, 0)
            return partition is not None
        except _HandlerError as failed:
            self._fail(letter, message, failed.error)
        except Exception as error:  # noqa: BLE001 - the COMMIT that checks what user code did
            self._fail(letter, message, error)
        except BaseException:
            # A handler that ends the process must not do so again at each start.
            with suppress(DatabaseLayerError, LeaseLostError):
                self._requests.settle(letter, DeadLetter.State.PARKED, replayed_at=Now())
            raise
        else:
            self._setbacks.pop(letter.pk, None)
            logger.info("consumer %s: dead letter %d, %r, is handled by its replay", self._consumer, letter.pk, message)
            if hook_error is not None:
                tell_of_failed_hook(
                    hook_error, consumer=self._consumer, counts=self._counts, what=f"the replay of {message!r}"
                )
        return False

    def _handle(self, letter: DeadLetter, message: Message, partition: Partition | None) -> BaseException | None:
        """Handle it and settle the dead letter; what a hook raised after both were committed."""
        if self._database is None:
            self._run(message, partition)
            self._note_handled(letter, message)
            return None
        own = OwnTransaction(self._database)
        with own:
            if self._deduplicator is not None:
                # A repeat that comes later is one; this is handled in any case, because somebody asked for it.
                self._deduplicator.remember(message, letter.topic_id)
            self._run(message, partition)
            self._note_handled(letter, message)
            if self._store is not None and partition is not None:
                self._store.confirm(partition)
        return own.hook_error

    def _run(self, message: Message, partition: Partition | None) -> None:
        place = partition or Partition(message.topic, message.partition)
        # A ledger that nobody reads: offsets have long moved on.
        progress = self._invoker.run([message], Ledger(message.offset), place)
        if progress.error is not None:
            # A batch handler's word about its only message.
            raise _HandlerError(failures_by_offset([message], progress.error).get(message.offset, progress.error))

    def _note_handled(self, letter: DeadLetter, message: Message) -> None:
        self._requests.settle(letter, DeadLetter.State.HANDLED, attempts=message.attempt, replayed_at=Now())

    def _fail(self, letter: DeadLetter, message: Message, error: Exception) -> None:
        setbacks = self._setbacks.get(letter.pk, 0) + 1
        if setbacks <= MAX_SETBACKS and is_setback(error):
            self._setbacks[letter.pk] = setbacks
            seconds = (CONFLICT_PAUSES if is_conflict(error) else PAUSES).seconds(setbacks)
            logger.warning(
                "consumer %s: the replay of %r waits %.1f s for what its handler needs: %s",
                self._consumer, message, seconds, summarize(error),
            )  # fmt: skip
            self._give_back(letter, seconds)
            return
        self._setbacks.pop(letter.pk, None)
        try:
            self._note_failed(letter, message, error)
        except (DatabaseLayerError, LeaseLostError) as unwritten:
            # The lease ends by itself, and then it is tried again.
            logger.error("consumer %s: what came of %r is not noted: %s", self._consumer, letter, summarize(unwritten))

    def _note_failed(self, letter: DeadLetter, message: Message, error: Exception) -> None:
        description = describe(error)
        state = DeadLetter.State.DISCARDED if isinstance(error, Skip) else DeadLetter.State.PARKED
        self._requests.settle(
            letter,
            state,
            attempts=message.attempt,
            replayed_at=Now(),
            exception=description.exception,
            reason=description.reason,
            traceback=description.traceback,
        )
        if state == DeadLetter.State.DISCARDED:
            self._counts.add(skipped=1)
            logger.warning("consumer %s: %r skipped by its replay: %s", self._consumer, message, summarize(error))
            return
        logger.error(
            "consumer %s: the replay of %r failed, it stays dead letter %d after %d attempts: %s",
            self._consumer, message, letter.pk, message.attempt, summarize(error),
        )  # fmt: skip

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
        return Message(record, self._decoding, letter.attempts + 1)
