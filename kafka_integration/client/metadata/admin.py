"""The admin client of whoever asks brokers about topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from time import monotonic
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException

from ...conf.connection import Connection
from ...errors import BrokerError, BrokerUnavailableError
from ..errors.translate import translate, translated
from ..opening import open_client
from ..properties.build import admin_properties
from ..transports.choosing import transport_of
from .patience import NO_ANSWER, Patience

NEW_CLIENT_SECONDS = 60.0
"""Without an answer; long enough for a slow broker, which takes its time for each step of a new connection too."""


class Admin:
    """One connection's admin client, made for the first question; ``asks_for`` names the questions in errors.

    ``on_error`` is told what the client has to report, while somebody polls it.
    """

    def __init__(
        self, connection: Connection, *, asks_for: str, on_error: Callable[[KafkaError], None] | None = None
    ) -> None:
        self.connection = connection
        self._options = {"log_level": 2} if on_error is None else {"log_level": 0, "error_cb": on_error}
        self._place = asks_for
        self._client: Any = None
        self._patience = Patience()
        self._unanswered_since: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def client(self) -> Any:
        """The client; ``BrokerError`` says why there is none."""
        if self._client is None:
            make, properties = transport_of(self.connection).admin, admin_properties(self.connection)
            self._client = open_client(make, properties, place=self._place, options=self._options)
        return self._client

    def close(self) -> None:
        """End the client; the next question makes another one. Nobody may be asking meanwhile."""
        client, self._client = self._client, None
        if client is not None:
            # It has no method for that.
            client.__exit__(None, None, None)

    @contextmanager
    def question(self, asks_for: str = "") -> Iterator[tuple[Any, float]]:
        """The client and the seconds for one question, asked inside; its errors become ours."""
        client = self.client()
        try:
            with self._patience.timeout() as timeout, translated(asks_for or self._place):
                yield client, timeout
        except BrokerError as error:
            if isinstance(error, BrokerUnavailableError) or error.code == NO_ANSWER:
                self.note_silence()
            raise
        self.note_answer()

    def note_answer(self) -> None:
        """Somebody answered a question that was asked of ``client()``."""
        self._unanswered_since = None

    def note_silence(self) -> None:
        """Nobody did."""
        now = monotonic()
        if self._unanswered_since is None:
            self._unanswered_since = now
        elif now - self._unanswered_since >= NEW_CLIENT_SECONDS:
            # It may know no broker any more, and then it won't find one: another client does.
            self._client = self._unanswered_since = None


class Asker:
    """Asks by an admin client of its own, unless it is given one. Who asks only for a moment closes it.

    Until then it has threads and connections. An error that was raised by the way leads back to it, and what is in such
    a circle waits for the garbage collector, which in a consumer's process comes seldom.
    """

    _admin: Admin
    _is_borrowed = False

    def _ask_by(self, by: Connection | Admin, *, asks_for: str) -> None:
        self._is_borrowed = isinstance(by, Admin)
        self._admin = by if isinstance(by, Admin) else Admin(by, asks_for=asks_for)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the client, if it is its own. Nobody may be asking meanwhile."""
        if not self._is_borrowed:
            self._admin.close()


def wait_for_all(answers: Iterable[Future[Any]], *, timeout: float) -> None:
    """Wait for answers that were asked for together; ``answer_of`` then waits for none of them."""
    wait(answers, _until_it_gives_up(timeout))


def answer_of(answer: Future[Any], *, place: str, timeout: float, is_late: bool = False) -> Any:
    """What was answered about ``place``; ``BrokerError`` where that is an error, or nothing in time.

    With ``is_late`` the time is over.
    """
    try:
        return answer.result(0 if is_late else _until_it_gives_up(timeout))
    except FutureTimeoutError as error:
        raise BrokerUnavailableError(
            f"{place}: no answer within {timeout:g} s", code=NO_ANSWER, retriable=True
        ) from error
    except KafkaException as error:
        raise translate(error, place=place) from error
    finally:
        # The error that it holds leads back to it by this frame.
        del answer


def _until_it_gives_up(timeout: float) -> float:
    # The client does so by itself, a moment later.
    return timeout + 1
