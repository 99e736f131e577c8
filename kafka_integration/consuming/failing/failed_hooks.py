"""What ``on_commit`` hooks raise, once what they follow is committed."""

from __future__ import annotations

import asyncio
import logging

from ...summaries import summarize
from ..counts import Counts

logger = logging.getLogger(__name__)


def tell_of_failed_hook(error: BaseException, *, consumer: str, counts: Counts, what: str) -> None:
    """Count and log what a hook raised, once what was committed is noted as handled; raises what ends the process."""
    if not isinstance(error, Exception | asyncio.CancelledError):
        raise error
    counts.add(failed_hooks=1)
    logger.error(
        "consumer %s: %s is committed and stays handled, but one of its on_commit hooks failed, and Django left out "
        "those after it: %s",
        consumer, what, summarize(error),
    )  # fmt: skip
