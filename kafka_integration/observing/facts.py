"""What a consumer or a relay has done, or met: each is told once, after what it tells of."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import KafkaIntegrationError
from ..message import Message

TopicPartition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Handled:
    """So many messages of a chunk, which are all of one topic, are finished."""

    count: int
    topic: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A repeat: it took effect before, and the handler isn't given it."""

    message: Message


@dataclass(frozen=True, slots=True)
class _Failure:
    message: Message
    error: Exception


class Failed(_Failure):
    """An attempt at it ended in an error that is its own, whatever becomes of it."""


@dataclass(frozen=True, slots=True)
class AttemptFailed(_Failure):
    """Another attempt follows, ``delay_seconds`` from now."""

    delay_seconds: float


class Skipped(_Failure):
    """It was dropped by decision."""


class Parked(_Failure):
    """It is a dead letter now."""


class ParkingFailed(_Failure):
    """It could not be written as a dead letter, and its partition waits until it is."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A dead letter was handled once more; with ``error`` where that failed, or its handler skipped it."""

    letter: int
    message: Message
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class HookFailed:
    """An ``on_commit`` hook raised, after what it was to follow was committed; that stays handled."""

    what: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class SetBack:
    """A partition met an outage or a conflict, for the ``count``-th time in a row, and waits."""

    partition: TopicPartition
    error: Exception
    count: int
    delay_seconds: float
    outage: BaseException | None
    """What says by its class what is wrong; None where it is a conflict."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """The group gave these partitions to the consumer, which now owns ``owned``."""

    partitions: list[TopicPartition]
    owned: int


@dataclass(frozen=True, slots=True)
class Revoked:
    """They are the consumer's no more; ``is_lost`` where the group gave no notice."""

    partitions: list[TopicPartition]
    is_lost: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """Kafka holds these offsets now."""

    offsets: dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Lost:
    """What came next had been deleted: so many messages of a topic, at most, are left out."""

    count: int
    topic: str


@dataclass(frozen=True, slots=True)
class Relayed:
    """So many rows of an outbox arrived in Kafka and were removed."""

    count: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A row of an outbox can't be sent as it is, and holds its key."""

    row: int
    error: KafkaIntegrationError


@dataclass(frozen=True, slots=True)
class OutageBegan:
    """The database of an outbox fails, and its relay waits."""

    error: Exception


@dataclass(frozen=True, slots=True)
class OutageEnded:
    """It is back."""

    seconds: float


Fact = (
    Handled | LeftOut | Failed | AttemptFailed | Skipped | Parked | ParkingFailed | Replayed | HookFailed | SetBack
    | Assigned | Revoked | Committed | Lost | Relayed | Refused | OutageBegan | OutageEnded
)  # fmt: skip
