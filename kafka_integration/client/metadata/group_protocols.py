"""Which protocol a consumer's group speaks, and whether brokers know KIP-848's: one that doesn't says nothing to a
client that joins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Literal

from confluent_kafka import ConsumerGroupState, ConsumerGroupType, KafkaError, KafkaException

from ...conf.connection import Connection
from ...errors import AccessDeniedError, BrokerError, BrokerUnavailableError
from ..errors.translate import translate, translated
from ..opening import open_client
from ..properties.build import admin_properties
from ..transports.choosing import transport_of
from .patience import NO_ANSWER

GroupProtocol = Literal["classic", "consumer"]

POLL_SECONDS = 0.05
# What librdkafka tells of each broker it connects to; there is no other way to ask it.
_VERSIONS = re.compile(r"(\S+):\s+ApiKey (\w+) \(\d+\) Versions (\d+)\.\.(\d+)")
_API, _NEEDED_VERSION = "ConsumerGroupHeartbeat", 1
_WITHOUT_MEMBERS = frozenset({ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD})
# It was asked for in vain: there is no such group, or the broker describes none.
_NOTHING_TO_TELL = frozenset(
    {KafkaError.GROUP_ID_NOT_FOUND, KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION}
)


class _Versions:
    """Listens to a client's log as its ``logger``: which versions of which requests each broker takes."""

    def __init__(self) -> None:
        self._highest: dict[str, dict[str, int]] = {}

    def log(self, level: int, message: str, *args: Any) -> None:
        if found := _VERSIONS.search(str(args[-1]) if args else message):
            broker, name, highest = found[1], found[2], int(found[4])
            self._highest.setdefault(broker, {})[name] = highest

    @property
    def knowing(self) -> list[bool]:
        """Of each broker that told its versions whether it knows the protocol."""
        return [versions.get(_API, -1) >= _NEEDED_VERSION for versions in self._highest.values()]


def require_consumer_protocol(connection: Connection, *, place: str, timeout: float) -> None:
    """``BrokerError``, a fatal one if no broker knows KIP-848's protocol, another if none can be asked."""
    if not transport_of(connection).may_be_old:
        return
    with _asking(connection, place=place) as (admin, versions):
        with translated(place):
            admin.list_topics(timeout=timeout)
        _listen(admin, timeout)
    # Without a line it can't be told: then the group has the last word.
    if versions.knowing and not any(versions.knowing):
        raise BrokerError(
            f'{place}: its "group_protocol" is "consumer" (KIP-848), which the broker doesn\'t know, as before '
            'Kafka 4.0: set "group_protocol": "classic", or upgrade the broker.',
            code="UNSUPPORTED_VERSION",
            fatal=True,
        )


def choose_group_protocol(
    connection: Connection, group: str, *, place: str, timeout: float, is_over: Callable[[], bool] = lambda: False
) -> GroupProtocol:
    """What the members of the group speak; where it has none, KIP-848's if each broker that we meet knows it.

    ``BrokerError`` if that can't be told now. Once ``is_over`` the answer is not waited for.
    """
    transport = transport_of(connection)
    if not transport.may_be_old:
        return transport.group_protocol
    with _asking(connection, place=place) as (admin, versions):
        # This goes to the group's coordinator, which is the one that has to know the protocol.
        spoken = _spoken_in(group, admin, place=place, timeout=timeout, is_over=is_over)
        _listen(admin, timeout)
    if spoken is not None:
        return spoken
    return "consumer" if versions.knowing and all(versions.knowing) else "classic"


@contextmanager
def _asking(connection: Connection, *, place: str) -> Iterator[tuple[Any, _Versions]]:
    versions = _Versions()
    options = {"debug": "feature", "logger": versions}
    make, properties = transport_of(connection).admin, admin_properties(connection)
    with open_client(make, properties, place=place, options=options) as admin:
        yield admin, versions


def _listen(admin: Any, timeout: float) -> None:
    """What a client has to log comes with the polls."""
    deadline = monotonic() + timeout
    while admin.poll(POLL_SECONDS) and monotonic() < deadline:
        pass


def _spoken_in(
    group: str, admin: Any, *, place: str, timeout: float, is_over: Callable[[], bool]
) -> GroupProtocol | None:
    """The protocol of the group's members; None where there are none, or nobody tells."""
    with translated(place):
        (answer,) = admin.describe_consumer_groups([group], request_timeout=timeout).values()
    deadline = monotonic() + timeout + 1
    while not answer.done():
        if is_over() or monotonic() >= deadline:
            raise BrokerUnavailableError(
                f"{place}: no answer about the protocol of its group", code=NO_ANSWER, retriable=True
            )
        admin.poll(POLL_SECONDS)
    try:
        found = answer.result(0)
    except KafkaException as error:
        if error.args[0].code() in _NOTHING_TO_TELL:
            return None
        failure = translate(error, place=place)
        if isinstance(failure, AccessDeniedError):
            return None  # joining says it better
        raise failure from error
    if found.state in _WITHOUT_MEMBERS:
        return None
    return "consumer" if found.type is ConsumerGroupType.CONSUMER else "classic"
