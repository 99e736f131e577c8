"""The public signals: the facts that a project's receivers may hear of."""

from __future__ import annotations

from django.dispatch import Signal

from .. import signals
from ..message import Message
from .facts import Assigned, AttemptFailed, Committed, Fact, Handled, Parked, Revoked, Skipped


class Receivers:
    """Whoever is connected to the signals of one consumer."""

    ignores = frozenset({Handled})

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer

    def __call__(self, fact: Fact) -> None:
        match fact:
            case AttemptFailed(message, error):
                self._send(signals.message_failed, Message, message=message, exception=error)
            case Parked(message, error):
                self._send(signals.message_parked, Message, message=message, exception=error)
            case Skipped(message, error):
                self._send(signals.message_skipped, Message, message=message, exception=error)
            case Assigned(partitions):
                self._send(signals.partitions_assigned, Receivers, partitions=partitions)
            case Revoked(partitions, is_lost):
                self._send(signals.partitions_revoked, Receivers, partitions=partitions, lost=is_lost)
            case Committed(offsets):
                self._send(signals.offsets_committed, Receivers, offsets=offsets)

    def _send(self, signal: Signal, sender: type, **said: object) -> None:
        signal.send_robust(sender=sender, consumer=self._consumer, **said)
