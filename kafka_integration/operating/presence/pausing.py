"""What a process of consumers can be asked to do: ``pause``, ``resume``, ``quiet``, with a ``trace`` of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from ...client.metadata.topic_layouts import TopicLayouts
from ...consuming.group.pauses import Scope
from ...errors import BrokerError, CommandRefusedError
from ...topic_names import cover
from .answering import Doer
from .stacks import in_hand, stacks

if TYPE_CHECKING:
    from ...consuming.loop import ConsumerLoop

CARRIED_OUT_WITHIN_SECONDS = 1.0
"""Twice what a loop waits for messages. The row of the process, and whatever else is asked of it, wait as long."""
LOOK_SECONDS = 0.05


def doers_of_consumers(loops: Sequence[ConsumerLoop]) -> dict[str, Doer]:
    """What a process can do that runs these consumers: ``pause``, ``resume``, ``quiet``, and a ``trace`` of them."""

    def pause(arguments: Mapping[str, Any]) -> str:
        loop, scope = _addressed(loops, arguments)
        loop.pauses.pause(scope)
        return _when_done([loop], f"{scope} of consumer {loop.settings.name} paused")

    def resume(arguments: Mapping[str, Any]) -> str:
        loop, scope = _addressed(loops, arguments)
        if loop.pauses.is_quiet:
            raise CommandRefusedError("the process is quiet until it is stopped: it can't resume anything")
        loop.pauses.resume(scope)
        return _when_done([loop], f"{scope} of consumer {loop.settings.name} resumed")

    def quiet(arguments: Mapping[str, Any]) -> str:
        for loop in loops:
            loop.pauses.be_quiet()
        return _when_done(loops, "begins nothing more, and keeps its partitions until it is stopped")

    def trace(arguments: Mapping[str, Any]) -> str:
        partitions = [partition for loop in loops for partition in loop.partitions]
        return "\n".join([*in_hand(partitions), stacks()])

    return {"pause": pause, "resume": resume, "quiet": quiet, "trace": trace}


def _addressed(loops: Iterable[ConsumerLoop], arguments: Mapping[str, Any]) -> tuple[ConsumerLoop, Scope]:
    name, topic = arguments["consumer"], arguments.get("topic")
    loop = next((loop for loop in loops if loop.settings.name == name), None)
    if loop is None:
        raise CommandRefusedError(f'this process runs no consumer "{name}"')
    if loop.is_draining:
        raise CommandRefusedError(f"consumer {name} is about to stop")
    if topic is not None and not cover(loop.settings.topics, topic):
        read = ", ".join(loop.settings.topics)
        raise CommandRefusedError(f"consumer {name} doesn't read topic {topic}; it reads: {read}")
    partition = arguments.get("partition")
    if topic is not None and partition is not None:
        _require_partition(loop, topic, partition)
    return loop, Scope(topic=topic, partition=partition)


def _require_partition(loop: ConsumerLoop, topic: str, number: int) -> None:
    """``CommandRefusedError`` for one that isn't there. While nobody can tell, it may be."""
    if any(partition.key == (topic, number) for partition in loop.partitions):
        return
    try:
        with TopicLayouts(loop.settings.connection) as layouts:
            found = layouts.ask().topics.get(topic)
    except BrokerError:
        return
    if found is None:
        raise CommandRefusedError(f"there is no topic {topic} (yet)")
    numbers = [partition.number for partition in found.partitions]
    if numbers and number not in numbers:
        raise CommandRefusedError(f"topic {topic} has no partition {number}, only 0 to {numbers[-1]}")


def _when_done(loops: Sequence[ConsumerLoop], text: str) -> str:
    """The text, once the loops have done it; they are waited for no longer than a while, and do it all the same."""
    deadline = monotonic() + CARRIED_OUT_WITHIN_SECONDS
    while not all(loop.pauses.is_carried_out for loop in loops) and monotonic() < deadline:
        sleep(LOOK_SECONDS)
    if not all(loop.pauses.is_carried_out for loop in loops):
        return f"{text}: as soon as its loop turns, which it doesn't at the moment"
    busy = [str(p) for loop in loops for p in loop.partitions if p.line.is_suspended and p.line.is_busy]
    return f"{text}; in a handler's hands still: {', '.join(busy)}" if busy else text
