"""What a consumer in the test's process owns."""

from __future__ import annotations

from kafka_integration.consuming.fetching.weighing import MOST_FETCHED_MESSAGES
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.consuming.partition import Partition


def owned(loop: ConsumerLoop) -> list[Partition]:
    """The partitions that it was assigned; none while it is in no group."""
    session = loop._session
    return [] if session is None else list(session.assignment)


def is_full(loop: ConsumerLoop, max_ahead: int) -> bool:
    """Whether a partition is held back because so much is taken beyond its lowest unfinished message, and no more.

    That is found after a fetch.
    """
    return any(p.is_paused and max_ahead <= p.ahead <= max_ahead + MOST_FETCHED_MESSAGES for p in owned(loop))
