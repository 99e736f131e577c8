"""Whether brokers know the group protocol of a consumer: one that doesn't says nothing to a client that joins."""

from __future__ import annotations

import re
from time import monotonic
from typing import Any

from ...conf.values import Connection
from ...errors import BrokerError
from ..errors.translate import translated
from ..opening import open_client
from ..properties.build import admin_properties
from ..transports.transport import transport_of

POLL_SECONDS = 0.05
# What librdkafka tells of each broker it connects to; there is no other way to ask it.
_VERSIONS = re.compile(r"ApiKey (\w+) \(\d+\) Versions (\d+)\.\.(\d+)")
_API, _NEEDED_VERSION = "ConsumerGroupHeartbeat", 1


class _Versions:
    """Listens to a client's log as its ``logger``: which versions of which requests brokers take."""

    def __init__(self) -> None:
        self.highest: dict[str, int] = {}

    def log(self, level: int, message: str, *args: Any) -> None:
        if found := _VERSIONS.search(str(args[-1]) if args else message):
            name, highest = found[1], int(found[3])
            self.highest[name] = max(highest, self.highest.get(name, 0))


def require_consumer_protocol(connection: Connection, *, place: str, timeout: float) -> None:
    """``BrokerError``, a fatal one if no broker knows KIP-848's protocol, another if none can be asked."""
    transport = transport_of(connection)
    if not transport.may_be_old:
        return
    versions = _Versions()
    options = {"debug": "feature", "logger": versions}
    with open_client(transport.admin, admin_properties(connection), place=place, options=options) as admin:
        with translated(place):
            admin.list_topics(timeout=timeout)
        deadline = monotonic() + timeout
        while admin.poll(POLL_SECONDS) and monotonic() < deadline:
            pass  # what it has to log comes with the polls
    # Without a line it can't be told: then the group has the last word.
    if versions.highest and versions.highest.get(_API, -1) < _NEEDED_VERSION:
        raise BrokerError(
            f'{place}: its "group_protocol" is "consumer" (KIP-848), which the broker doesn\'t know, as before '
            'Kafka 4.0: set "group_protocol": "classic", or upgrade the broker.',
            code="UNSUPPORTED_VERSION",
            fatal=True,
        )
