"""All of ``settings.KAFKA`` as the code sees it: frozen, checked, complete; ``conf.parse`` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .connection import Connection
from .consumers import ConsumerSettings
from .frozen import EMPTY
from .producers import OperationsSettings, OutboxSettings, ProducerSettings, TopicSettings
from .readers import boolean, integer, optional
from .schema import setting


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of ``settings.KAFKA``, with what the apps bring."""

    connection: Connection
    producer: ProducerSettings
    consumers: Mapping[str, ConsumerSettings]
    topics: Mapping[str, TopicSettings] = EMPTY
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    operations: OperationsSettings = field(default_factory=OperationsSettings)
    tracing: bool = setting(boolean, False)
    dead_letter_retention_days: int | None = setting(optional(integer(1, 36_500)), None)
    deduplication_retention_days: int = setting(integer(1, 36_500), 30)
