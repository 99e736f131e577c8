"""librdkafka's errors and log lines, made into the few that an operator needs.

librdkafka reports every attempt to reach a broker, ten a second at first. Here an outage costs one line when it
begins, one a minute while it lasts and one when it is over; a refusal (credentials, certificate) its own clear one.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError

from ...errors import AccessDeniedError, BrokerError, BrokerUnavailableError
from ...retrying import Repeats
from ..errors.certificates import find_address
from ..errors.translate import translate, without_secrets
from ..naming_brokers import name_brokers
from .pace import Pace
from .silent_brokers import SilentBrokers
from .stable_ends import StableEnds
from .stranding import Stranding

logger = logging.getLogger("kafka_integration.client")

# One broker of several that is away for less is a restart, not news.
PARTIAL_OUTAGE_SECONDS = 5.0
STATISTICS_INTERVAL_MS = 5000
# Said again by error_cb, with a code.
_FACILITIES_OF_ERRORS = frozenset({"FAIL", "ERROR", "FATAL"})
_HUNG_UP_AT_ONCE = re.compile(r"Disconnected.*(?:in state APIVERSION_QUERY|after \d{1,3}ms in state UP)")
# Where SASL is missing, a connection is up for a moment each time.
_STEADY_MICROSECONDS = 1_000_000
_THREAD = re.compile(r"^\[thrd:[^\]]*\]: ")


class ClientLog:
    """What one client has to say. Pass ``options()`` with its properties; safe to use from several threads.

    ``denied`` and ``unreachable`` are the last refusal and outage, None once the broker is reached: whoever gives
    up waiting finds the reason there. After a ``fatal`` error the client is of no use any more. ``calm`` is True
    while there was no error since a broker was last reached.
    """

    def __init__(
        self, name: str, properties: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # A plain attribute, looked at for every message that is produced.
        self.calm = True
        self.fatal: BrokerError | None = None
        self.denied: AccessDeniedError | None = None
        self.unreachable: BrokerUnavailableError | None = None
        self._retired = False
        self._name = name
        self._properties = properties
        self._clock = clock
        self._silent_brokers = SilentBrokers(name, properties)
        self.pace = Pace(properties)
        self.stable_ends = StableEnds(clock=clock)
        self.stranding = Stranding(clock=clock)
        self._repeats = Repeats(clock=clock)
        self._failing_since: dict[str, float] = {}
        self._lost: dict[str, int] = {}
        self._down_since: float | None = None
        self._last_reason: BrokerUnavailableError | None = None

    def options(self) -> dict[str, Any]:
        """The properties by which a client reports here; give ``error_cb`` and ``logger`` to no one else."""
        interval = self._properties.get("statistics.interval.ms", STATISTICS_INTERVAL_MS)
        return {
            "error_cb": self.on_error,
            "logger": self,
            "stats_cb": self.on_statistics,
            "statistics.interval.ms": interval,
            # Not logged here, but it may be the only sign of a listener that wants TLS or SASL.
            "log.connection.close": True,
        }

    @property
    def trouble(self) -> BrokerError | None:
        """Why nothing gets through at the moment, as far as is known."""
        return self.fatal or self.denied or self.unreachable

    def on_error(self, error: KafkaError) -> None:
        """librdkafka's ``error_cb``: takes note, and logs what is new. Never raises: the client would lose messages."""
        try:
            self._note(translate(error, place=self._name, properties=self._properties))
        except Exception:
            # A callback that raises throws away what the client just fetched.
            logger.exception("%s: an error of Kafka's client could not be reported", self._name)

    def on_statistics(self, statistics: str) -> None:
        """librdkafka's ``stats_cb``: sees who is silent, whether one is left, and who is back after an outage."""
        seen = json.loads(statistics)
        brokers = seen.get("brokers", {}).values()
        self._silent_brokers.note(brokers)
        self.pace.note(brokers)
        self.stable_ends.note(seen.get("topics", {}))
        self.stranding.note(seen)
        if self.calm:
            return
        up = {broker["nodename"] for broker in brokers if _is_steadily_up(broker)}
        if up:
            self.reached(up)

    def reached(self, addresses: set[str] | None = None) -> None:
        """A broker answered: says so if it was away. Without ``addresses`` it isn't known which."""
        for address in addresses or ():
            self._failing_since.pop(address, None)
        self.denied = self.unreachable = self._last_reason = None
        self.calm = self.fatal is None and not self._retired
        if self._down_since is not None:
            logger.info("%s: Kafka is back after %.0f s", self._name, self._clock() - self._down_since)
            self._down_since = None
            self._repeats.forget()

    def help(self, client: object) -> None:
        """Tell a client that gave up all brokers of the bootstrap servers again; call it between polls."""
        if self.stranding.is_certain and name_brokers(client, self._properties["bootstrap.servers"]):
            self.stranding.was_helped()
            # Looked for in an outage too, where librdkafka tells of a try that fails like the last one twice a minute.
            if self._repeats.is_due("stranded"):
                logger.warning(
                    "%s: the client gave up all brokers, and is told of the bootstrap servers again", self._name
                )

    def retire(self) -> None:
        """The client is being closed: never ``calm`` again."""
        self._retired, self.calm = True, False

    def lost(self, error: BrokerError) -> None:
        """A message that nobody waits for was not delivered: once a minute of a kind, with their number."""
        kind = f"lost {error}"
        self._lost[kind] = self._lost.get(kind, 0) + 1
        if self._repeats.is_due(kind):
            logger.error("%s Messages lost since this was last said: %d", error, self._lost.pop(kind, 1))

    def tell_losses(self) -> None:
        """Says what ``lost`` has kept for later: there will be no later."""
        while self._lost:
            kind, count = self._lost.popitem()
            logger.error("%s Messages lost since this was last said: %d", kind.removeprefix("lost "), count)

    def log(self, level: int, message: str, *args: Any) -> None:
        """Takes librdkafka's own log lines (it thinks this is a ``logging.Logger``): one a minute of a kind."""
        facility = str(args[0]) if args else ""
        # What comes before names client and thread: noise to an operator.
        text = without_secrets(_THREAD.sub("", str(args[-1]) if args else message))
        if facility in _FACILITIES_OF_ERRORS:
            self.stranding.saw_a_try()
            logger.debug("%s: %s", self._name, text)
            # A broker that wants TLS or SASL just hangs up: librdkafka logs that, and reports no error.
            if _HUNG_UP_AT_ONCE.search(text):
                self._last_reason = _hung_up(text, self._name)
        elif level < logging.WARNING or self._repeats.is_due(facility):
            logger.log(level, "%s: %s", self._name, text)

    def _note(self, error: BrokerError) -> None:
        self.calm = False
        if error.fatal:
            self.fatal = error
        if isinstance(error, AccessDeniedError):
            self.denied = error
            if self._repeats.is_due(str(error).partition(" (")[0]):
                logger.error("%s It is tried again, at a limited rate.", error)
        elif error.code == "_AUTHENTICATION" and isinstance(error, BrokerUnavailableError):
            self.unreachable = error
            if self._repeats.is_due(error.code):
                logger.warning("%s It is asked for again.", error)
        elif error.code == "_ALL_BROKERS_DOWN":
            self._note_outage(error)
        elif isinstance(error, BrokerUnavailableError):
            self.stranding.saw_a_try()
            self._last_reason = error
            self._note_failing(error)
        elif self._repeats.is_due(error.code):
            logger.log(logging.ERROR if error.fatal else logging.WARNING, "%s", error)

    def _note_outage(self, error: BrokerError) -> None:
        reason = self._last_reason or BrokerUnavailableError(str(error), code=error.code, retriable=True)
        self.unreachable = reason
        if self._down_since is None:
            self._down_since = self._clock()
        if self._is_news(reason):
            logger.error("%s It is tried again by itself.", reason)

    def _is_news(self, reason: BrokerUnavailableError) -> bool:
        """Whether an outage is to be said, for this reason: a broker that is killed hangs up before it refuses."""
        # A refusal closes the connection too, and has had its line.
        return self.denied is None and self._repeats.is_due(f"outage: {str(reason).partition(' (')[0]}")

    def _note_failing(self, error: BrokerUnavailableError) -> None:
        """One broker: no news if all are gone, or if it is back at once."""
        if self._down_since is not None:
            self.unreachable = error
            if self._is_news(error):
                logger.error("%s This lasts for %.0f s now.", error, self._clock() - self._down_since)
            return
        address = find_address(str(error))
        place = f"{address[0]}:{address[1]}" if address else ""
        since = self._failing_since.setdefault(place, self._clock())
        if self._clock() - since >= PARTIAL_OUTAGE_SECONDS and self._repeats.is_due(place):
            logger.warning("%s The other brokers go on.", error)


def _is_steadily_up(broker: Mapping[str, Any]) -> bool:
    return bool(broker["state"] == "UP" and broker["stateage"] >= _STEADY_MICROSECONDS)


def _hung_up(text: str, place: str) -> BrokerUnavailableError | None:
    error = translate(KafkaError(KafkaError._TRANSPORT, text), place=place)
    return error if isinstance(error, BrokerUnavailableError) else None
