"""The process of ``runconsumer``: consumers in threads, the deadline, the exit status."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic

from ..conf import get_settings
from ..conf.consumers import ConsumerSettings
from ..consuming.assembly import assemble
from ..consuming.loop import ConsumerLoop, Phase
from ..dead_letters.redaction import describe
from ..errors import KafkaIntegrationError
from ..observing.measures import Measures
from ..summaries import summarize
from .lag_sampler import LagSampler
from .leaving import BEHIND, FAILED, STOPPED
from .monitoring.watched import Monitor
from .presence.doing import doers_of_process
from .presence.heartbeat import Presence
from .presence.pausing import doers_of_consumers
from .presence.resetting import doers_of_resets
from .presence.watching import ConsumersWatch
from .stopping import FORCED, LOOK_SECONDS, StopRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line asks of a run."""

    until_caught_up: bool = False
    max_messages: int | None = None
    monitor: Monitor | None = None
    """What looks at the consumers as long as they run; without it nothing is measured."""


def run_consumers(consumers: Sequence[ConsumerSettings], options: RunOptions, stop: StopRequest) -> int:
    """Run consumers until they are stopped, done or one fails; the process's exit status.

    One that fails ends them all: the others drain first. What is still running at the longest
    ``shutdown_grace_seconds`` is left behind, uncommitted, and the status says so.
    """
    measures = [None if options.monitor is None else Measures(c.name) for c in consumers]
    loops = [
        ConsumerLoop(assemble(c, each), until_caught_up=options.until_caught_up, max_messages=options.max_messages)
        for c, each in zip(consumers, measures, strict=True)
    ]
    watch = ConsumersWatch(loops)
    with ExitStack() as monitored:
        monitored.callback(watch.close)
        monitored.enter_context(LagSampler(get_settings()))
        if options.monitor is not None:
            from .monitoring.consumers import Consumers

            watched = Consumers(list(zip(loops, filter(None, measures), strict=True)), watch)
            monitored.enter_context(watched.asking())
            monitored.enter_context(options.monitor(watched))
        return _run(loops, stop, watch)


def _run(loops: list[ConsumerLoop], stop: StopRequest, watch: ConsumersWatch) -> int:
    threads = [threading.Thread(target=loop.run, name=f"consumer-{loop.settings.name}", daemon=True) for loop in loops]
    for loop, thread in zip(loops, threads, strict=True):
        consumer = loop.settings
        logger.info(
            "consumer %s: joining group %s for %s%s",
            consumer.name, consumer.consumer_group, ", ".join(consumer.topics),
            "" if consumer.ordering == "partition" else f', with ordering "{consumer.ordering}"',
        )  # fmt: skip
        thread.start()
    by_all = doers_of_process(stop, grace_seconds=_grace_seconds(loops))
    doers = {**by_all, **doers_of_consumers(loops), **doers_of_resets(loops)}
    presence = Presence(watch, get_settings().operations, doers)
    presence.begin()
    while not stop.wait(LOOK_SECONDS):
        if any(loop.fault for loop in loops) or not any(thread.is_alive() for thread in threads):
            break
    status = _finish(loops, threads)
    presence.end()
    return status


def _finish(loops: list[ConsumerLoop], threads: list[threading.Thread]) -> int:
    for loop in loops:
        loop.stop()
    deadline = monotonic() + _grace_seconds(loops)
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    _log_faults(loops)
    late = [loop.settings.name for loop in loops if loop.phase is not Phase.STOPPED]
    if late:
        logger.error("the grace period is over, leaving with work unfinished in: %s", ", ".join(late))
        return FORCED
    if any(loop.fault for loop in loops):
        return FAILED
    return BEHIND if any(loop.leaves_lag for loop in loops) else STOPPED


def _grace_seconds(loops: Iterable[ConsumerLoop]) -> float:
    return max(loop.settings.shutdown_grace_seconds for loop in loops)


def _log_faults(loops: Iterable[ConsumerLoop]) -> None:
    for loop in loops:
        if loop.fault is not None:
            logger.error("consumer %s failed: %s", loop.settings.name, summarize(loop.fault))
            if not isinstance(loop.fault, KafkaIntegrationError):
                logger.error("%s", describe(loop.fault).traceback)
