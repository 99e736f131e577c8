"""A refused subscription: an ACL is missing, or the group can't agree. It is tried again, a limited number of times."""

from __future__ import annotations

import logging
from time import monotonic

from ...client.consumer import ConsumerClient
from ...client.fetched import Event
from ...conf.consumers import ConsumerSettings
from ...errors import AccessDeniedError, BrokerError
from .assignment import Assignment

logger = logging.getLogger(__name__)

ASK_TIMEOUT_SECONDS = 2.0
FORGIVEN_SECONDS = 60.0
"""After so long without a refusal the count begins anew."""
_GROUP_REFUSALS = frozenset(
    {
        *("INCONSISTENT_GROUP_PROTOCOL", "FENCED_INSTANCE_ID", "UNRELEASED_INSTANCE_ID", "INVALID_GROUP_ID"),
        *("GROUP_MAX_SIZE_REACHED", "UNSUPPORTED_ASSIGNOR", "INVALID_SESSION_TIMEOUT", "INVALID_REGULAR_EXPRESSION"),
        *("UNSUPPORTED_VERSION", "_UNSUPPORTED_FEATURE"),
    }
)


def is_refusal(event: Event) -> bool:
    """True for what no waiting heals: a fatal error, a missing ACL, a group that can't agree."""
    error, is_of_the_group = event.error, event.coordinates is None and event.code in _GROUP_REFUSALS
    return error.fatal or isinstance(error, AccessDeniedError) or is_of_the_group


class Subscription:
    """Counts refusals; raises the last one when ``subscriber_retries`` are used up. The loop thread's own."""

    def __init__(self, settings: ConsumerSettings, client: ConsumerClient, assignment: Assignment) -> None:
        self._settings = settings
        self._client = client
        self._assignment = assignment
        self._refusals = 0
        self._last: Event | None = None
        self._position: int | None = None
        self._try_at: float | None = None
        self._refused_at = 0.0

    @property
    def was_refused_lately(self) -> bool:
        return self._refusals > 0 and monotonic() - self._refused_at <= FORGIVEN_SECONDS

    def refuse(self, event: Event) -> None:
        if event.error.fatal:
            raise event.error
        if self._try_at is None:  # else it is said again before we have tried again
            self._last, self._position = event, self._position_of(event)
            self._count(event.error)

    def try_again_if_due(self) -> None:
        if self._try_at is None or monotonic() < self._try_at:
            return
        self._try_at = None
        try:
            # The client says each refusal once, and then keeps silent: ask whether it still stands.
            self._require_access()
            self._client.subscribe()
        except AccessDeniedError as error:
            self._count(error)
        except BrokerError as error:
            self._try_later(error)

    def _require_access(self) -> None:
        last = self._last
        if last is None or not isinstance(last.error, AccessDeniedError):
            return
        if self._position is None:
            self._client.require_access(ASK_TIMEOUT_SECONDS)
        elif self._position_of(last) == self._position:
            raise last.error  # the topic may be described, but not read

    def _try_later(self, error: BrokerError) -> None:
        """The question itself failed: by an outage, or because a group that refuses us names no coordinator to ask."""
        if not error.retriable:
            raise error
        last = self._last
        is_in_reach = self._client.log.trouble is None and error.code == "_TIMED_OUT"
        if is_in_reach and last is not None and last.code == "GROUP_AUTHORIZATION_FAILED":
            self._count(last.error)
        else:
            self._try_at = monotonic() + self._settings.subscriber_retry_delay_ms / 1000

    def _position_of(self, event: Event) -> int | None:
        """How far the partition of a refused fetch has come; None where it is no (longer) ours."""
        partition = None if event.coordinates is None else self._assignment.get(event.coordinates)
        return None if partition is None or partition.ledger.has_reached_end else partition.ledger.taken

    def _count(self, error: BrokerError) -> None:
        if not self.was_refused_lately:
            self._refusals = 0
        self._refusals += 1
        retries = self._settings.subscriber_retries
        if self._refusals > retries:
            raise error
        delay_seconds = self._settings.subscriber_retry_delay_ms / 1000
        self._try_at = self._refused_at = monotonic() + delay_seconds
        logger.error("%s Try %d of %d follows in %.1f s", error, self._refusals, retries, delay_seconds)
