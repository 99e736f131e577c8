"""What waits in a line: messages, what is known of the first, and what was decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...message import Message


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Handle it again after ``delay_seconds``."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Park:
    """Make it a dead letter."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Count it as skipped, and go on."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Leave it uncommitted and end the consumer."""


Verdict = RetryLater | Park | Drop | Stop


@dataclass(frozen=True, slots=True)
class Failure:
    """A message, what its handling raised, and the decision still to be carried out."""

    message: Message
    error: Exception
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive messages of one partition, waiting for its lane."""

    messages: Sequence[Message]
    one_by_one: bool = False
    """One of them failed in a transaction that they shared: now each has its own."""
    is_narrowed: bool = False
    """Part of a batch that failed: not to be merged with others, so that the halves get smaller."""
    through: Message | None = None
    """The end of the batch that the chunk's only message is left over from: finished with it."""
    failure: Failure | None = None
    """The first message was handled and failed: it is not handled again, only its verdict carried out."""
    is_in_doubt: bool = False
    """The answer to the first message's COMMIT was lost: it is asked for before it is handled again."""

    @property
    def may_merge(self) -> bool:
        return not (self.one_by_one or self.is_narrowed or self.through or self.failure or self.is_in_doubt)

    def cut(self, most: int) -> list[Chunk]:
        """Its first messages, ``most`` at most, and the rest if there is one; what is known of the first stays so."""
        if len(self.messages) <= most:
            return [self]
        rest = replace(self, messages=self.messages[most:], failure=None, is_in_doubt=False)
        return [replace(self, messages=self.messages[:most], through=None), rest]
