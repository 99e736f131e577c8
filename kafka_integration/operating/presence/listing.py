"""The processes that run, as commands and pages show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from ...cells import UNKNOWN, count, offset
from ...conf.producers import OperationsSettings
from ...durations import spoken
from ...local_times import local, spoken_moment
from ...models import Process
from ...summaries import escaped
from ..columns import aligned
from ..standing_texts import standing_text
from .row import database_of_processes, seconds_until_lost
from .time_texts import time_text

LOST = "lost"
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ProcessView:
    """One process; ``consumers`` is what it said of them when it was last seen, ``state`` "lost" once it is silent."""

    id: int
    kind: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    silent_seconds: float
    state: str
    version: str
    consumers: Sequence[dict[str, Any]]
    memory_bytes: int | None

    @property
    def is_lost(self) -> bool:
        return self.state == LOST


def list_processes(settings: OperationsSettings) -> list[ProcessView]:
    """All that run or were lost, those that started first before the others."""
    rows = Process.objects.using(database_of_processes()).annotate(now=Now()).order_by("id")
    return [_view(row, seconds_until_lost(settings)) for row in rows]


def consumers_of(processes: Iterable[ProcessView]) -> set[str]:
    """The names of those that any of these runs."""
    return {str(consumer.get("name")) for process in processes for consumer in process.consumers}


def as_json(processes: Iterable[ProcessView]) -> str:
    """One document for programs."""
    return json.dumps([_as_dict(process) for process in processes], indent=2)


def as_lines(processes: Sequence[ProcessView]) -> Iterator[str]:
    """Lines for people: a table of processes, and below each what its consumers own."""
    if not processes:
        yield "No process of consumers or relays has been seen: runconsumer and runrelay show here once they run."
        return
    titles = ("ID", "KIND", "HOST", "PID", "STATE", "STARTED", "SEEN", "MEMORY", "VERSION")
    head, *lines = aligned([titles, *map(_row, processes)], right=(0, 3, 7))
    yield head
    for process, line in zip(processes, lines, strict=True):
        yield line
        if process.is_lost and process.consumers:
            yield "    it said last:"
        for consumer in process.consumers:
            yield from _consumer_lines(consumer)


def _view(row: Any, lost_seconds: float) -> ProcessView:
    silent_seconds = max(0.0, (row.now - row.seen_at).total_seconds())
    return ProcessView(
        id=row.pk,
        kind=row.kind,
        host=row.host,
        pid=row.pid,
        started_at=local(row.started_at, row),
        seen_at=local(row.seen_at, row),
        silent_seconds=silent_seconds,
        state=LOST if silent_seconds > lost_seconds else row.state,
        version=row.version,
        consumers=row.consumers,
        memory_bytes=row.memory_bytes,
    )


def _as_dict(process: ProcessView) -> dict[str, Any]:
    shown = asdict(process)
    del shown["silent_seconds"]
    return {**shown, "started_at": process.started_at.isoformat(), "seen_at": process.seen_at.isoformat()}


def _row(process: ProcessView) -> tuple[str, ...]:
    memory = UNKNOWN if process.memory_bytes is None else f"{count(process.memory_bytes / MEBIBYTE)} MiB"
    return (
        str(process.id),
        process.kind,
        escaped(process.host),
        str(process.pid),
        escaped(standing_text(process.state)),
        spoken_moment(process.started_at),
        f"{spoken(process.silent_seconds)} ago",
        memory,
        escaped(process.version),
    )


def _consumer_lines(consumer: dict[str, Any]) -> Iterator[str]:
    rate = "" if consumer["rate"] is None else f", {consumer['rate']:,.1f}/s"
    failed = f", failed attempts: {count(consumer['failed'])}" if consumer["failed"] else ""
    owns = "" if consumer["partitions"] else ", owns no partition"
    yield escaped(
        f"    {consumer['name']} (group {consumer['group']}): {standing_text(consumer['state'])}, "
        f"{count(consumer['handled'])} handled{rate}{failed}{owns}"
    )
    if spent := time_text(consumer.get("time_seconds")):
        yield f"      {spent}"
    rows = [_partition_row(partition) for partition in consumer["partitions"]]
    yield from (f"      {line}" for line in (aligned(rows, right=(1,)) if rows else ()))


def _partition_row(partition: dict[str, Any]) -> tuple[str, ...]:
    place = f"{partition['topic']}[{partition['partition']}]"
    stands = standing_text(partition["state"], partition["reason"], partition["stuck_offset"])
    busy = f", its handler at work for {spoken(seconds)}" if (seconds := partition.get("busy_seconds")) else ""
    return (
        escaped(place),
        f"at {offset(position)}" if (position := partition["position"]) is not None else f"position {UNKNOWN}",
        f"lag {count(partition['lag'])}",
        escaped(stands + busy),
    )
