"""The tables behind the guarantees: outbox, relay lease, stored offsets and what is finished beyond them, dead letters,
handled messages; and those by which consumers and relays are operated.

Lowest floor: this package imports nothing of ours. The rules that fill these tables live in ``outbox``,
``dead_letters`` and ``consuming``.
"""

from .handling import DeadLetter, HandledMessage
from .offsets import FinishedOffset, OffsetFence, StoredOffset
from .operating import LagSample, Process, ProcessCommand
from .outbox import OutboxMessage, RelayLease

__all__ = [
    "DeadLetter",
    "FinishedOffset",
    "HandledMessage",
    "LagSample",
    "OffsetFence",
    "OutboxMessage",
    "Process",
    "ProcessCommand",
    "RelayLease",
    "StoredOffset",
]
