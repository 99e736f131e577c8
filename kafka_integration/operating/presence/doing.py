"""What every process can be asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...durations import spoken
from ...errors import CommandRefusedError
from ..stopping import StopRequest
from .answering import Doer
from .stacks import stacks


def doers_of_process(stop: StopRequest, *, grace_seconds: float) -> dict[str, Doer]:
    """What every process can do: ``stop`` as by SIGTERM, which leaves after the grace period at last, and ``trace``."""

    def stop_it(arguments: Mapping[str, Any]) -> str:
        stop.make()
        return f"stops, once what is in hand is finished, or after {spoken(grace_seconds)}"

    return {"stop": stop_it, "trace": lambda arguments: stacks()}


def doers_of_relays() -> dict[str, Doer]:
    """Why a process of relays can't be quiet."""

    def quiet(arguments: Mapping[str, Any]) -> str:
        raise CommandRefusedError("a relay that sends nothing would keep all others from it: stop it instead")

    return {"quiet": quiet}
