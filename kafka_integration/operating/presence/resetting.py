"""What a process of consumers can be asked to do: ``reset``, to go on elsewhere in partitions that it owns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import wait
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...client.metadata.partition_ends import Place
from ...durations import spoken
from ...errors import CommandRefusedError, CommandUnfinishedError
from .answering import Doer, Later

if TYPE_CHECKING:
    from ...consuming.group.resets import Answer
    from ...consuming.loop import ConsumerLoop

RESET = "reset"
CARRIED_OUT_WITHIN_SECONDS = 20.0
"""What is in handlers' hands is finished first. Less than whoever asks waits for an answer."""
AT_ONCE_SECONDS = 1.0
"""Mostly it is done in that time, and the answer need not wait for the next turn."""


def doers_of_resets(loops: Sequence[ConsumerLoop]) -> dict[str, Doer]:
    """What a process can do that runs these consumers: ``reset``, by ``arguments_of_reset``."""

    def reset(arguments: Mapping[str, Any]) -> str | Later:
        loop = next((loop for loop in loops if loop.settings.name == arguments["consumer"]), None)
        if loop is None:
            raise CommandRefusedError(f'this process runs no consumer "{arguments["consumer"]}"')
        offsets = {(topic, number): offset for topic, number, offset in arguments["offsets"]}
        asked, give_up_at = loop.resets.ask(offsets), monotonic() + CARRIED_OUT_WITHIN_SECONDS
        wait([asked], min(AT_ONCE_SECONDS, CARRIED_OUT_WITHIN_SECONDS))

        def answer() -> str | None:
            return _told(loop, offsets, asked) if asked.done() or monotonic() >= give_up_at else None

        return answer() or answer

    return {RESET: reset}


def _told(loop: ConsumerLoop, offsets: Collection[Place], asked: Answer) -> str:
    left, failed = ([], asked.result()) if asked.done() else loop.resets.under_way(asked)
    moved = f"moved {len(offsets) - len(left) - len(failed)} of {len(offsets)} partition(s)"
    parts = [moved, *(f"not {_name(place)}: {why}" for place, why in sorted(failed.items()))]
    if left:
        raise CommandUnfinishedError("; ".join([*parts, _unconfirmed(left)]))
    if failed:
        raise CommandRefusedError("; ".join(parts))
    return f"{moved} of consumer {loop.settings.name}"


def _unconfirmed(left: Iterable[Place]) -> str:
    return (
        f"asked, and not confirmed within {spoken(CARRIED_OUT_WITHIN_SECONDS)}: {', '.join(map(_name, sorted(left)))}: "
        "a message is in a handler's hands still, or the database or Kafka is away; as soon as that is over it goes on "
        "where it was asked to"
    )


def _name(place: Place) -> str:
    topic, number = place
    return f"{topic}[{number}]"


def arguments_of_reset(consumer: str, offsets: Mapping[Place, int]) -> dict[str, Any]:
    """As the row of a command keeps them."""
    return {"consumer": consumer, "offsets": [[*place, offset] for place, offset in sorted(offsets.items())]}
