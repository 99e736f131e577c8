"""The process of ``runrelay``: one relay for each database that has an outbox, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic

from ..client.green_threads import refuse_green_threads
from ..conf.producers import OperationsSettings
from ..conf.settings import Settings
from ..errors import ConfigurationError
from ..models import Process
from ..outbox.databases import find_outboxes
from ..outbox.relay import STOP_GRACE_SECONDS, Relay
from ..producing.partitioners import load_partitioner
from .lag_sampler import LagSampler
from .leaving import FAILED, STOPPED
from .migrations import require_migrated
from .monitoring.watched import Monitor
from .presence.doing import doers_of_process, doers_of_relays
from .presence.heartbeat import Presence
from .presence.views import ConsumerView
from .stopping import FORCED, LOOK_SECONDS, StopRequest

logger = logging.getLogger("kafka_integration.relay")

# Beyond what a relay waits for acknowledgements: for its last statements.
TIDYING_SECONDS = 1.5
GRACE_SECONDS = STOP_GRACE_SECONDS + TIDYING_SECONDS


def run_relays(settings: Settings, stop: StopRequest, *, once: bool = False, monitor: Monitor | None = None) -> int:
    """Relay every outbox until stopped, or ``once`` what is there; the process's exit status. ``monitor`` looks on.

    If one fails for a reason that waiting doesn't heal, all of them end, and the status says so.
    """
    refuse_green_threads("runrelay")
    # A strategy that can't be imported is said now, and not by each row.
    load_partitioner(settings.producer.partition_strategy)
    aliases = find_outboxes(settings)
    if not aliases:
        raise ConfigurationError(
            ["No database has an outbox: it needs PostgreSQL or SQLite, and routers that let its tables in."]
        )
    require_migrated(aliases)
    relays = [_Thread(Relay(alias, settings), once=once) for alias in aliases]
    with ExitStack() as monitored:
        monitored.enter_context(LagSampler(settings))
        if monitor is not None:
            from .monitoring.relays import Relays

            watched = Relays([thread.relay for thread in relays])
            monitored.enter_context(watched.asking())
            monitored.enter_context(monitor(watched))
        return _run(relays, stop, settings.operations)


def _run(relays: Sequence[_Thread], stop: StopRequest, operations: OperationsSettings) -> int:
    for relay in relays:
        relay.start()
    doers = {**doers_of_process(stop, grace_seconds=GRACE_SECONDS), **doers_of_relays()}
    presence = Presence(_Watch(relays, stop), operations, doers)
    presence.begin()
    while any(relay.is_alive() for relay in relays) and not any(relay.failure for relay in relays):
        if stop.wait(LOOK_SECONDS):
            break
    status = _finish(relays)
    presence.end()
    return status


class _Thread(threading.Thread):
    """One relay at work; ``failure`` is what it did not expect."""

    def __init__(self, relay: Relay, *, once: bool) -> None:
        super().__init__(name=f"relay-{relay.alias}", daemon=True)
        self.relay = relay
        self.failure: BaseException | None = None
        self._once = once

    def run(self) -> None:
        try:
            self.relay.run(once=self._once)
        except BaseException as error:
            self.failure = error
            logger.exception("The relay of database %s failed", self.relay.alias)


@dataclass(frozen=True)
class _Watch:
    """What a process of relays says of itself."""

    relays: Sequence[_Thread]
    stop: StopRequest
    kind = Process.Kind.RELAY.value

    @property
    def state(self) -> str:
        if self.stop.is_made:
            return "draining"
        return "running" if any(thread.relay.is_active for thread in self.relays) else "standing_by"

    def look(self) -> list[ConsumerView]:
        """It has no consumers."""
        return []


def _finish(relays: Sequence[_Thread]) -> int:
    for relay in relays:
        relay.relay.stop()
    deadline = monotonic() + GRACE_SECONDS
    for relay in relays:
        relay.join(max(0.0, deadline - monotonic()))
    late = [relay.relay.alias for relay in relays if relay.is_alive()]
    if late:
        logger.error("Leaving without an answer of database %s; another relay takes over.", ", ".join(late))
        return FORCED
    return FAILED if any(relay.failure for relay in relays) else STOPPED
