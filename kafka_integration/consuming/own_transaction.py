"""A transaction of ours around a handler, of which is known afterwards whether it was committed."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType

from django.db import connections, transaction

from ..summaries import summarize
from .counts import Counts

logger = logging.getLogger(__name__)


class OwnTransaction:
    """As ``atomic``, but for what ``transaction.on_commit`` hooks raise.

    They run after COMMIT, and Django lets out what they raise as if the transaction had failed. It undoes nothing, so
    it is not raised but kept, as ``hook_error``. Anything else that comes out is from before the COMMIT, or of it.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._atomic = transaction.atomic(using=database)
        self._is_committed = False
        self.hook_error: BaseException | None = None

    def __enter__(self) -> None:
        is_outermost = not connections[self._database].in_atomic_block
        self._atomic.__enter__()
        # Inside a test's transaction nothing is committed, and tests count the hooks.
        if is_outermost:
            # A hook too, and the first: before it runs nobody knows what became of the COMMIT.
            transaction.on_commit(self._note_commit, using=self._database)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._atomic.__exit__(kind, error, traceback)
        except BaseException as raised:
            if not self._is_committed:
                raise
            self.hook_error = raised

    def _note_commit(self) -> None:
        self._is_committed = True


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
