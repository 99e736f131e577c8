"""What a member can know of its place in the group when nobody tells it."""

from __future__ import annotations

from time import monotonic

from ..client.consumer import ConsumerClient
from ..errors import BrokerError

LEFT_OUT_SECONDS = 10.0
"""Twice the heartbeat interval at which a broker asks members to give partitions away."""
LOOK_SECONDS = 1.0
ASK_TIMEOUT_SECONDS = 2.0
ASK_AGAIN_SECONDS = 5.0


class Membership:
    """One client's; the loop thread's own."""

    def __init__(self, client: ConsumerClient) -> None:
        self._client = client
        self._in_touch_since = monotonic()
        self._look_at = 0.0
        self._ask_at = 0.0
        self._is_protocol_known = False

    def is_left_out(self, since: float) -> bool:
        """True once the group, with a broker in reach, has had time enough to give us a partition."""
        now = monotonic()
        if self._client.log.trouble is not None:
            self._in_touch_since = now
        if now - max(since, self._in_touch_since) < LEFT_OUT_SECONDS:
            return False
        # A classic group says so, by an empty assignment; but without any topic a member doesn't even ask it.
        if self._client.is_told_of_additions_only:
            return self._knows_its_protocol(now)
        return self._has_no_topics(now)

    def _knows_its_protocol(self, now: float) -> bool:
        """Raises the fatal ``BrokerError`` of a broker that doesn't."""
        if not self._is_protocol_known and now >= self._ask_at:
            self._ask_at = now + ASK_AGAIN_SECONDS
            try:
                self._client.require_group_protocol(ASK_TIMEOUT_SECONDS)
                self._is_protocol_known = True
            except BrokerError as error:
                if error.fatal:
                    raise
        return self._is_protocol_known

    def _has_no_topics(self, now: float) -> bool:
        if now < self._ask_at:
            return False
        self._ask_at = now + ASK_AGAIN_SECONDS
        try:
            return not self._client.has_topics(ASK_TIMEOUT_SECONDS)
        except BrokerError:
            return False

    def has_lost_its_broker(self) -> bool:
        """True where an embedded broker was started in place of the one we joined, which is gone for good."""
        now = monotonic()
        if self._client.log.unreachable is None or now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        return self._client.has_other_servers()
