"""What a process leaves undone once it has stopped, as far as the others write down what they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from ...models import Process
from ...operating.presence.listing import ProcessView, consumers_of
from ..lists import listed

ENDING = ("quiet", "draining", "stopped")
"""Who begins nothing more takes nothing over."""


def consequences_of_stopping(process: ProcessView, processes: Sequence[ProcessView]) -> str:
    """What it finishes, and what nobody else here goes on with."""
    others = [each for each in processes if each.id != process.id and not each.is_lost and each.state not in ENDING]
    tell = _of_a_relay if process.kind == Process.Kind.RELAY else _of_consumers
    return " ".join([*tell(process, others), _("Whatever supervises it may start it again.")])


def _of_a_relay(process: ProcessView, others: Sequence[ProcessView]) -> Iterator[str]:
    yield _("It waits for what it is sending, and ends.")
    if not any(each.kind == Process.Kind.RELAY for each in others):
        yield _("No other relay is here: what is published waits in the outbox until one runs.")


def _of_consumers(process: ProcessView, others: Sequence[ProcessView]) -> Iterator[str]:
    yield _("It begins nothing more, finishes and commits what its handlers have in hand, and ends.")
    yield _("What is unfinished after shutdown_grace_seconds is left, and delivered again.")
    elsewhere = consumers_of(others)
    if alone := [str(consumer["name"]) for consumer in process.consumers if consumer["name"] not in elsewhere]:
        text = _("No other process here runs %(names)s: what comes for it waits until one does.")
        yield text % {"names": listed(alone)}
