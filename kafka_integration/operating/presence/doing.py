"""What every process can be asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import CommandRefusedError
from ..stopping import StopRequest
from .answering import Doer
from .stacks import stacks


def doers_of_process(stop: StopRequest) -> dict[str, Doer]:
    """What every process can do: ``stop`` as by SIGTERM, and ``trace``."""

    def stop_it(arguments: Mapping[str, Any]) -> str:
        stop.make()
        return "stops, once what is in hand is finished"

    return {"stop": stop_it, "trace": lambda arguments: stacks()}


def doers_of_relays() -> dict[str, Doer]:
    """Why a process of relays can't be quiet."""

    def quiet(arguments: Mapping[str, Any]) -> str:
        raise CommandRefusedError("a relay that sends nothing would keep all others from it: stop it instead")

    return {"quiet": quiet}
