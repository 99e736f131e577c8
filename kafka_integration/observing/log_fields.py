"""What a line about a message or a partition carries beside its text, for logs that are searched by fields."""

from __future__ import annotations

from dataclasses import dataclass

from ..message import Message
from .facts import TopicPartition


@dataclass(frozen=True, slots=True)
class LogFields:
    """Those of one consumer, to be given to a logger as ``extra``."""

    consumer: str
    group: str

    def of(self, place: TopicPartition | None = None, offset: int | None = None) -> dict[str, object]:
        """``consumer`` and ``group``, with ``topic``, ``partition`` and ``offset`` where it is about one."""
        fields: dict[str, object] = {"consumer": self.consumer, "group": self.group}
        if place is not None:
            fields["topic"], fields["partition"] = place
        if offset is not None:
            fields["offset"] = offset
        return fields

    def of_message(self, message: Message) -> dict[str, object]:
        return self.of((message.topic, message.partition), message.offset)
