"""What a member can know of its place in the group when nobody tells it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic

from ...client.consumer import ConsumerClient
from ...client.metadata.patience import Patience
from ...client.metadata.topic_sizes import TopicSizes
from ...conf.consumers import ConsumerSettings
from ...errors import BrokerError
from ...topic_names import cover

LEFT_OUT_SECONDS = 10.0
"""Twice the heartbeat interval at which a broker asks members to give partitions away."""
LOOK_SECONDS = 1.0
ASK_AGAIN_SECONDS = 5.0
LEAST_ANSWERS_TO_A_REFRESH = 3
ANSWERS_TO_A_REFRESH = 4


class Membership:
    """One client's; the loop thread's own."""

    def __init__(self, settings: ConsumerSettings, client: ConsumerClient) -> None:
        self._settings = settings
        self._client = client
        # Not the member's own client: an answer to it sends a leader that waits for another one back to join.
        self._topics = TopicSizes(settings.connection)
        self._patience = Patience()
        self._in_touch_since = monotonic()
        self._look_at = 0.0
        self._ask_at = 0.0
        self._question: Future[bool] | None = None
        self._is_protocol_known = False

    def is_left_out(self, since: float) -> bool:
        """True once the group, with a broker in reach, has had time enough to give us a partition."""
        now = monotonic()
        if self._client.log.trouble is not None:
            self._in_touch_since = now
        if now - max(since, self._in_touch_since) < LEFT_OUT_SECONDS:
            # What was asked before is no answer any more.
            self._question = None
            return False
        # A classic group says so, by an empty assignment; but without any topic a member doesn't even ask it.
        if self._client.is_told_of_additions_only:
            self._is_protocol_known = self._is_protocol_known or self._is_found(self._knows_its_protocol)
            return self._is_protocol_known
        return self._is_found(self._has_no_topics)

    def needed_refresh_ms(self, since: float | None) -> int | None:
        """How seldom to ask what the topics are like, for the group to form; None where it can as it is.

        Once the leader of a classic group knows the members it asks for their topics. If the answer to a refresh comes
        first it joins anew; that takes an answer, and then there is the next refresh.
        """
        refresh_ms = self._client.refresh_ms
        if since is None or refresh_ms is None or self._client.is_told_of_additions_only:
            return None
        answer_ms = 1000 * self._client.log.pace.answer_seconds
        if monotonic() - since < LEFT_OUT_SECONDS or LEAST_ANSWERS_TO_A_REFRESH * answer_ms <= refresh_ms:
            return None
        return round(ANSWERS_TO_A_REFRESH * answer_ms)

    def has_lost_its_broker(self) -> bool:
        """True where an embedded broker was started in place of the one we joined, which is gone for good."""
        now = monotonic()
        if self._client.log.unreachable is None or now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        return self._client.has_other_servers()

    def _is_found(self, question: Callable[[], bool]) -> bool:
        """What a thread finds, as a slow broker must not keep the loop from a stop; False until then.

        Raises the fatal ``BrokerError`` of a broker that doesn't know the group's protocol.
        """
        if self._question is None:
            if monotonic() >= self._ask_at:
                self._question = _asked(question)
            return False
        if not self._question.done():
            return False
        answered, self._question = self._question, None
        self._ask_at = monotonic() + ASK_AGAIN_SECONDS
        try:
            return answered.result()
        except BrokerError as error:
            if error.fatal:
                raise
            return False

    def _knows_its_protocol(self) -> bool:
        with self._patience.timeout() as timeout:
            self._client.require_group_protocol(timeout)
        return True

    def _has_no_topics(self) -> bool:
        return not any(cover(self._settings.topics, topic) for topic in self._topics.read())


def _asked(question: Callable[[], bool]) -> Future[bool]:
    answer: Future[bool] = Future()

    def ask() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:  # noqa: BLE001 - the top of a thread: whoever looks at the answer gets it
            answer.set_exception(error)

    threading.Thread(target=ask, name="ask-for-membership", daemon=True).start()
    return answer
