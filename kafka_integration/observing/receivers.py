"""The public signals: the facts that a project's receivers may hear of."""

from __future__ import annotations

from django.dispatch import Signal

from ..message import Message
from ..signals import message_failed, message_parked, message_skipped
from .facts import AttemptFailed, Fact, Parked, Skipped


class Receivers:
    """Whoever is connected to the signals of one consumer."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer

    def __call__(self, fact: Fact) -> None:
        match fact:
            case AttemptFailed():
                self._send(message_failed, fact)
            case Parked():
                self._send(message_parked, fact)
            case Skipped():
                self._send(message_skipped, fact)

    def _send(self, signal: Signal, fact: AttemptFailed | Parked | Skipped) -> None:
        signal.send_robust(sender=Message, consumer=self._consumer, message=fact.message, exception=fact.error)
