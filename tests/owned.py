"""What a consumer in the test's process owns."""

from __future__ import annotations

from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.consuming.partition import Partition


def owned(loop: ConsumerLoop) -> list[Partition]:
    """The partitions that it was assigned; none while it is in no group."""
    session = loop._session
    return [] if session is None else list(session.assignment)
