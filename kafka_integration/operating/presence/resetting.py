"""What a process of consumers can be asked to do: ``reset``, to go on elsewhere in partitions that it owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

from ...errors import CommandRefusedError
from .answering import Doer

if TYPE_CHECKING:
    from ...consuming.loop import ConsumerLoop

RESET = "reset"
CARRIED_OUT_WITHIN_SECONDS = 20.0
"""What is in handlers' hands is finished first. Less than a process may be silent for before it counts as lost."""


def doers_of_resets(loops: Sequence[ConsumerLoop]) -> dict[str, Doer]:
    """What a process can do that runs these consumers: ``reset``, by ``arguments_of_reset``."""

    def reset(arguments: Mapping[str, Any]) -> str:
        loop = next((loop for loop in loops if loop.settings.name == arguments["consumer"]), None)
        if loop is None:
            raise CommandRefusedError(f'this process runs no consumer "{arguments["consumer"]}"')
        offsets = {(topic, number): offset for topic, number, offset in arguments["offsets"]}
        try:
            failed = loop.resets.ask(offsets).result(CARRIED_OUT_WITHIN_SECONDS)
        except FutureTimeoutError:
            raise CommandRefusedError(
                f"not moved within {CARRIED_OUT_WITHIN_SECONDS:.0f} s: a message is in a handler's hands still, or the "
                "database or Kafka is away; as soon as that is over it goes on where it was moved"
            ) from None
        if failed:
            raise CommandRefusedError(
                ", ".join(f"{topic}[{number}]: {why}" for (topic, number), why in sorted(failed.items()))
            )
        return f"moved {len(offsets)} partition(s) of consumer {loop.settings.name}"

    return {RESET: reset}


def arguments_of_reset(consumer: str, offsets: Mapping[tuple[str, int], int]) -> dict[str, Any]:
    """As the row of a command keeps them."""
    return {"consumer": consumer, "offsets": [[*place, offset] for place, offset in sorted(offsets.items())]}
