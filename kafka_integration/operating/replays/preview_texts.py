"""A preview of a replay, as the command prints it for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.utils import timezone

from ...dead_letters.paced_replay import STALLED_SECONDS, Pace
from ...dead_letters.standings import Standing
from ...local_times import spoken_moment
from ...summaries import escaped, ranges
from ..columns import aligned
from .previewing import Preview, Target
from .takers import Taker
from .texts import sentences_of

HEAD = ("CONSUMER", "GROUP", "TOPIC", "PARTITIONS", "COUNT", "OLDEST", "NEWEST")


def preview_as_json(preview: Preview, pace: Pace) -> dict[str, Any]:
    """One document for programs."""
    return {
        "applied": False,
        "count": preview.count,
        "states": {str(standing): preview.standings.get(standing, 0) for standing in Standing},
        "overtaking": preview.overtaking,
        "first_left_behind": preview.first_left_behind,
        "first_at": _moment(min((target.first_at for target in preview.targets), default=None)),
        "last_at": _moment(max((target.last_at for target in preview.targets), default=None)),
        "targets": [_target(target) for target in preview.targets],
        "consumers": [_taker(taker) for taker in preview.takers],
        "rate": pace.per_second,
        "stop_after_failures": pace.stop_after_failures,
        "notes": [*sentences_of(preview)],
    }


def preview_as_lines(preview: Preview, pace: Pace) -> list[str]:
    """Lines for people."""
    table = aligned([HEAD, *map(_row, preview.targets)], right=(4,)) if preview.targets else []
    count, *others = map(escaped, sentences_of(preview))
    return [*table, *others, how_of(pace), f"{count} Nothing was asked for yet: without --dry-run it is."]


def how_of(pace: Pace) -> str:
    """How fast, and how far, in words."""
    if pace == Pace():
        return (
            "One attempt each, as fast as consumers handle them and whatever fails; with --rate and "
            "--stop-after-failures it goes with care."
        )
    rate = "as fast as they are handled" if pace.per_second is None else f"{pace.per_second:g} a second at most"
    stop = "whatever fails"
    if pace.stop_after_failures is not None:
        stop = f"until {pace.stop_after_failures} have failed again"
    return f"One attempt each, {rate}, {stop}; given up where none is taken in hand for {STALLED_SECONDS:.0f} s."


def _target(target: Target) -> dict[str, Any]:
    return {**asdict(target), "first_at": _moment(target.first_at), "last_at": _moment(target.last_at)}


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _taker(taker: Taker) -> dict[str, Any]:
    sink = taker.sink
    return {
        "consumer": taker.consumer,
        "group": taker.group,
        "database": taker.database,
        "taken_up_by": None if taker.settings is None else taker.settings.name,
        "running": taker.is_running,
        "processes": taker.processes,
        "paused": _places(taker.paused),
        "unowned": _places(taker.unowned),
        "effects": taker.effects,
        "sink": None if sink is None else f"{sink.__module__}.{sink.__qualname__}",
    }


def _places(places: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    return [{"topic": topic, "partition": partition} for topic, partition in places]


def _row(target: Target) -> tuple[str, ...]:
    times = [spoken_moment(timezone.localtime(at)) for at in (target.first_at, target.last_at)]
    return target.consumer, target.group, target.topic, ranges(target.partitions), str(target.count), *times
