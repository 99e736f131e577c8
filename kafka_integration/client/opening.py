"""Making a client of librdkafka, and where its tokens come from.

Whatever keeps a client from being made becomes an error of ours, in words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import KafkaException

from ..errors import BrokerUnavailableError
from ..retrying import Repeats
from ..summaries import summarize
from .errors.translate import translate

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Properties(dict[str, Any]):
    """Properties of a client, whose repr has their names only: debug pages and error trackers show local variables."""

    def __repr__(self) -> str:
        return f"<Properties {', '.join(sorted(self))}>"


class TokenSource:
    """The project's ``oauth_cb``. What it raises, or returns wrongly, is a token less, and no end of the client.

    librdkafka asks again ten seconds later.
    """

    def __init__(self, function: Callable[[str], Any]) -> None:
        self._function = function
        self._repeats = Repeats()
        self.problem = "it didn't return in time"
        """Why there is no token."""

    def __call__(self, config: str) -> Any:
        try:
            token = self._function(config)
            _require_token(token)
        except Exception as error:
            self.problem = summarize(error)
            if self._repeats.is_due():
                logger.warning('the function of "oauth_cb" gave no token: %s', self.problem)
            raise
        return token


def open_client(
    make: Callable[[dict[str, Any]], T],
    properties: Mapping[str, Any],
    *,
    place: str,
    options: Mapping[str, Any] | None = None,
) -> T:
    """A client of these properties, and ``options`` besides; ``BrokerError`` says for ``place`` why there is none."""
    try:
        return make(Properties({**properties, **(options or {})}))
    except Exception as error:
        source = properties.get("oauth_cb")
        # A client waits for its first token when it is made. A SystemError is what a callback raised meanwhile.
        if isinstance(source, TokenSource) and _is_about_the_token(error):
            raise BrokerUnavailableError(
                f'{place}: the function of "oauth_cb" in KAFKA["config"] gave no token: {source.problem}',
                code="_AUTHENTICATION",
                retriable=True,
            ) from error
        raise translate(error, place=place, properties=properties) from error


def _is_about_the_token(error: Exception) -> bool:
    if isinstance(error, KafkaException):
        return bool(error.args[0].name() == "SASL_AUTHENTICATION_FAILED")
    return isinstance(error, SystemError)


def _require_token(token: object) -> None:
    """As the client takes it: the token and until when it is good, perhaps a principal and extensions."""
    if not (
        isinstance(token, tuple)
        and 2 <= len(token) <= 4
        and isinstance(token[0], str)
        and isinstance(token[1], int | float)
    ):
        raise TypeError("a token is a tuple of a str and the time until which it is good, in seconds")
