"""The id that a broker gives each topic: another one means a new topic of the same name (KIP-516)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, Uuid

from ...conf.connection import Connection
from ...errors import AccessDeniedError, BrokerUnavailableError
from ..errors.translate import translate
from ..transports.choosing import transport_of
from .admin import Admin, Asker
from .patience import NO_ANSWER

LOOK_SECONDS = 0.2
_NONE = str(Uuid(0, 0))
_UNSUPPORTED = frozenset({KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION})


class TopicIds(Asker):
    """Asks the broker for topic ids; any thread may call it.

    While brokers from before ids are upgraded, one after the other, it depends on who is asked whether there is an
    answer. So the last id of a topic stands until there is another one.
    """

    def __init__(self, connection: Connection) -> None:
        self._transport = transport_of(connection)
        self._admin = Admin(connection, asks_for="ids of topics")
        self._told: dict[str, str] = {}

    def ask_where_allowed(self, topic: str, is_over: Callable[[], bool]) -> str:
        """As ``ask``, but ``""`` too where an ACL keeps the id from us."""
        try:
            return self.ask(topic, is_over)
        except AccessDeniedError:
            return ""

    def ask_all(self, topics: Collection[str]) -> dict[str, str]:
        """The ids of these topics, in one question; ``""`` where the broker has none, or an ACL keeps it from us."""
        if not topics:
            return {}
        return self._ids_of(topics, lambda: False, where_allowed=True)

    def ask(self, topic: str, is_over: Callable[[], bool] = lambda: False) -> str:
        """The topic's id now, ``""`` where the broker has none; ``BrokerError`` where it can't be asked.

        Once ``is_over`` nobody needs the answer any more, and it is not waited for.
        """
        if topic_id := self._ids_of([topic], is_over, where_allowed=False)[topic]:
            self._told[topic] = topic_id
        return self._told.get(topic, "")

    def _ids_of(self, topics: Collection[str], is_over: Callable[[], bool], *, where_allowed: bool) -> dict[str, str]:
        if (of_all := self._transport.topic_id()) is not None:
            return dict.fromkeys(topics, of_all)
        ids = dict.fromkeys(topics, "")
        with self._admin.question() as (client, timeout):
            answers = client.describe_topics(TopicCollection(list(topics)), request_timeout=timeout)
            for topic, answer in answers.items():
                with suppress(*((AccessDeniedError,) if where_allowed else ())):
                    ids[topic] = _id_of(topic, answer, timeout + 1, is_over)
        return ids


def _id_of(topic: str, answer: Future[Any], timeout: float, is_over: Callable[[], bool]) -> str:
    place = f"topic {topic}"
    try:
        description = _wait(answer, timeout, is_over)
    except FutureTimeoutError as error:
        raise BrokerUnavailableError(
            f"{place}: no answer to describe_topics", code=NO_ANSWER, retriable=True
        ) from error
    except KafkaException as error:
        if error.args[0].code() in _UNSUPPORTED:
            return ""
        raise translate(error, place=place) from error
    topic_id = str(description.topic_id)
    # Brokers from before ids give this to every topic.
    return "" if topic_id == _NONE else topic_id


def _wait(answer: Future[Any], timeout: float, is_over: Callable[[], bool]) -> Any:
    deadline = monotonic() + timeout
    while True:
        try:
            return answer.result(LOOK_SECONDS)
        except FutureTimeoutError:
            if is_over() or monotonic() >= deadline:
                raise
