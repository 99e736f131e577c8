"""A transaction of ours around a handler, of which is known afterwards whether it was committed."""

from __future__ import annotations

from types import TracebackType

from django.db import connections, transaction

from ...exception_chains import ends_process
from ...observing.facts import HookFailed
from ...observing.observers import Observers


class OwnTransaction:
    """As ``atomic``, but for what ``transaction.on_commit`` hooks raise.

    They run after COMMIT, and Django lets out what they raise as if the transaction had failed. It undoes nothing, so
    it is not raised but kept, for ``tell_of_failed_hook``. Anything else that comes out is from before the COMMIT, or
    of it.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._atomic = transaction.atomic(using=database)
        self._is_committed = False
        self._hook_error: BaseException | None = None

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
            self._hook_error = raised

    def roll_back(self) -> None:
        """Undo what was written so far, at the end of the block, as if that had raised."""
        # A handler that closed the connection and made a new one has left the block: nothing of it is there any more.
        if connections[self._database].in_atomic_block:
            transaction.set_rollback(True, using=self._database)

    def tell_of_failed_hook(self, observers: Observers, what: str) -> None:
        """Tell what a hook raised, once what was committed is noted as handled; raises what ends the process."""
        error = self._hook_error
        if error is None:
            return
        if ends_process(error):
            raise error
        observers.tell(HookFailed(what, error))

    def _note_commit(self) -> None:
        self._is_committed = True
