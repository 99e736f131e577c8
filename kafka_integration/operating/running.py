"""What ``runconsumer`` runs: which consumers, in how many processes, under which supervision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ..client.green_threads import refuse_green_threads
from ..client.producers.registry import producers
from ..conf.consumers import ConsumerSettings
from ..conf.settings import Settings
from ..errors import ConfigurationError
from .columns import aligned
from .forking import Companion
from .garbage import spare_the_collector
from .migrations import require_migrated
from .monitoring.opening import monitored, monitored_family
from .monitoring.request import MonitoringRequest
from .processes import Processes
from .reload import reloading_parent, run_reloading
from .runner import RunOptions, run_consumers
from .stopping import StopRequest


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One call of ``runconsumer``."""

    consumers: Sequence[ConsumerSettings]
    processes: int = 1
    until_caught_up: bool = False
    max_messages: int | None = None
    reload: bool = False
    monitoring: MonitoringRequest = field(default_factory=MonitoringRequest)
    has_own_process: bool = False
    """Whether nothing else lives in this process; the workers of several have theirs in any case."""


def choose(settings: Settings, names: Sequence[str]) -> list[ConsumerSettings]:
    """The consumers of these names, all enabled ones without names; ``ConfigurationError`` names the known ones."""
    known = ", ".join(sorted(settings.consumers)) or "none"
    unknown = [name for name in names if name not in settings.consumers]
    if unknown:
        raise ConfigurationError([f'there is no consumer "{name}"; settings.KAFKA has: {known}' for name in unknown])
    disabled = [name for name in names if not settings.consumers[name].enabled]
    if disabled:
        raise ConfigurationError(
            [f'consumer "{name}" is disabled: KAFKA["consumers"]["{name}"]["enabled"] is False' for name in disabled]
        )
    chosen = [settings.consumers[name] for name in dict.fromkeys(names)] or [
        consumer for consumer in settings.consumers.values() if consumer.enabled
    ]
    if not chosen:
        raise ConfigurationError([f'settings.KAFKA["consumers"] has no enabled consumer (of: {known})'])
    return chosen


def run(request: RunRequest) -> int:
    """Run the consumers until they end; the exit status."""
    refuse_green_threads("runconsumer")
    parent = reloading_parent()
    if request.reload and parent is None:
        return run_reloading([consumer.message_handler for consumer in request.consumers])
    options = RunOptions(until_caught_up=request.until_caught_up, max_messages=request.max_messages)
    databases = [consumer.database for consumer in request.consumers]
    if request.processes > 1:
        return _run_family(request, options, databases, parent)
    stop = StopRequest(parent=parent, before_force=partial(producers.end, 0))
    with monitored(request.monitoring) as monitor, stop.installed():
        require_migrated(databases)
        if request.has_own_process:
            spare_the_collector()
        return run_consumers(request.consumers, replace(options, monitor=monitor), stop)


def _run_family(request: RunRequest, options: RunOptions, databases: Sequence[str], parent: int | None) -> int:
    with monitored_family(request.monitoring, request.processes) as post:

        def work(number: int, stop: StopRequest) -> int:
            # Not before the fork: the parent opens no connection.
            require_migrated(databases)
            monitor = None if post is None else post.monitor_of(number)
            consumers = [_numbered(consumer, number) for consumer in request.consumers]
            spare_the_collector()
            return run_consumers(consumers, replace(options, monitor=monitor), stop)

        return Processes(
            request.processes,
            work,
            grace_seconds=max(consumer.shutdown_grace_seconds for consumer in request.consumers),
            parent=parent,
            companion=None if post is None else Companion(post.answer),
        ).run()


def describe(consumers: Iterable[ConsumerSettings]) -> list[str]:
    """The lines of ``runconsumer --list``: a table."""
    rows = [("CONSUMER", "TOPICS", "GROUP", "HANDLER")]
    for each in consumers:
        name = each.name if each.enabled else f"{each.name} (disabled)"
        rows.append((name, ", ".join(each.topics), each.consumer_group, each.message_handler))
    return aligned(rows)


def _numbered(consumer: ConsumerSettings, number: int) -> ConsumerSettings:
    """A worker's own consumer: a static member needs an id that stays its own over restarts (KIP-345)."""
    instance = consumer.connection.config.get("group.instance.id")
    if instance is None:
        return consumer
    config = {**consumer.connection.config, "group.instance.id": f"{instance}-{number}"}
    return replace(consumer, connection=replace(consumer.connection, config=config))
