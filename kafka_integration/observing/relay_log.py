"""The log of what becomes of an outbox; nothing for a row that is relayed."""

from __future__ import annotations

import logging

from ..errors import InvalidMessageError
from . import facts
from .facts import Fact

logger = logging.getLogger("kafka_integration.relay")

REFUSED = "Outbox message #%d of %s was refused and holds its key until it is retried or discarded. %s"
# The project's own partition_strategy, or a row that others wrote: there is nothing to give up before it is mended.
NOT_SENT = "Outbox message #%d of %s can't be sent and holds its key: mend what stands here, then retry it. %s"


class RelayLog:
    """The lines of the relay of one database."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def __call__(self, fact: Fact) -> None:
        match fact:
            case facts.Refused(row, error):
                text = NOT_SENT if isinstance(error, InvalidMessageError) else REFUSED
                logger.error(text, row, self._alias, error)
            case facts.OutageBegan(error):
                text = "The relay of database %s waits, because the database fails: %s"
                logger.error(text, self._alias, str(error).strip())
            case facts.OutageEnded(seconds):
                logger.info("Database %s is back after %.0f s.", self._alias, seconds)
