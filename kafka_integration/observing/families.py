"""The metrics that there are: their names, as monitoring knows them, and what each says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

PREFIX = "kafka_integration_"


@dataclass(frozen=True, kw_only=True)
class Family:
    """One metric. Several processes' values of it are added; with ``is_shared`` all have looked at the same thing."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    is_shared: bool = False

    def of(self, *values: str, value: float, suffix: str = "") -> Sample:
        """A value of it, with its labels in their order."""
        return Sample(self.name, suffix, tuple(zip(self.labels, values, strict=True)), value)


class Sample(NamedTuple):
    """One number. ``suffix`` is what a histogram's parts have after their name."""

    family: str
    suffix: str
    labels: tuple[tuple[str, str], ...]
    value: float


MESSAGES = Family(
    name=f"{PREFIX}messages_total",
    kind="counter",
    text="Messages that came to their end: handled, dead_letter, skipped, or repeat (left out, it took effect before).",
    labels=("consumer", "topic", "outcome"),
)
ATTEMPTS_FAILED = Family(
    name=f"{PREFIX}attempts_failed_total",
    kind="counter",
    text="Attempts at messages that failed, the last ones too. An outage is none.",
    labels=("consumer", "exception"),
)
HANDLER_SECONDS = Family(
    name=f"{PREFIX}handler_seconds",
    kind="histogram",
    text="How long calls of the handler took; below a millisecond the mean of a few calls.",
    labels=("consumer",),
)
IN_FLIGHT = Family(
    name=f"{PREFIX}in_flight",
    kind="gauge",
    text="Messages that were taken from Kafka and are not finished.",
    labels=("consumer",),
)
TIME_SECONDS = Family(
    name=f"{PREFIX}time_seconds_total",
    kind="counter",
    text="Where the time of a consumer's threads goes: handle and database of its lanes; fetch, commit, wait (for its "
    "handlers) and idle (for messages) of its loop.",
    labels=("consumer", "phase"),
)
REBALANCES = Family(
    name=f"{PREFIX}rebalances_total",
    kind="counter",
    text="How often the group changed what is the consumer's.",
    labels=("consumer",),
)
DEAD_LETTERS = Family(
    name=f"{PREFIX}dead_letters",
    kind="gauge",
    text="Dead letters in the database, by their state.",
    labels=("consumer", "state"),
    is_shared=True,
)
OUTBOX_ROWS = Family(
    name=f"{PREFIX}outbox_rows",
    kind="gauge",
    text="Rows in the outbox, the refused ones too.",
    labels=("database",),
    is_shared=True,
)
OUTBOX_REFUSED_ROWS = Family(
    name=f"{PREFIX}outbox_refused_rows",
    kind="gauge",
    text="Rows in the outbox that were refused, and hold their keys.",
    labels=("database",),
    is_shared=True,
)
OUTBOX_OLDEST_SECONDS = Family(
    name=f"{PREFIX}outbox_oldest_seconds",
    kind="gauge",
    text="How long the oldest row that was not refused waits; 0 where none does.",
    labels=("database",),
    is_shared=True,
)
RELAYED = Family(
    name=f"{PREFIX}relayed_total",
    kind="counter",
    text="Rows of the outbox that arrived in Kafka and were removed.",
    labels=("database",),
)
RELAY_ACTIVE = Family(
    name=f"{PREFIX}relay_active",
    kind="gauge",
    text="1 where this relay holds the lease and sends, 0 where it stands by.",
    labels=("database",),
)
GROUP_LAG = Family(
    name="kafka_consumergroup_group_lag",
    kind="gauge",
    text="Lag: messages of a partition that its group has not finished; absent while that is unknown.",
    labels=("cluster_name", "group", "topic", "partition"),
    is_shared=True,
)
GROUP_LAG_SECONDS = Family(
    name="kafka_consumergroup_group_lag_seconds",
    kind="gauge",
    text="Time lag: age of the lowest unfinished message of a partition, 0 without lag; absent while that is unknown.",
    labels=("cluster_name", "group", "topic", "partition"),
    is_shared=True,
)
GROUP_LOST_MESSAGES = Family(
    name=f"{PREFIX}group_lost_messages",
    kind="gauge",
    text="Messages, at most, that were deleted before their group handled them, until it goes on after them; absent "
    "while that is unknown.",
    labels=("group", "topic"),
    is_shared=True,
)
GROUP_LOSS_SECONDS = Family(
    name=f"{PREFIX}group_loss_in_seconds",
    kind="gauge",
    text="Until retention takes the first message that its group hasn't handled, where that is soon: the last tenth of "
    "its retention, a day at most, or an hour by size in the older half of its log; absent otherwise, or unknown.",
    labels=("group",),
    is_shared=True,
)
LOST_MESSAGES = Family(
    name=f"{PREFIX}lost_messages_total",
    kind="counter",
    text="Messages, at most, that were left out because what came next had been deleted.",
    labels=("consumer", "topic"),
)
STUCK_PARTITIONS = Family(
    name=f"{PREFIX}stuck_partitions",
    kind="gauge",
    text="Partitions that have lag and get no further, for no reason that is known.",
    labels=("consumer",),
)

FAMILIES = {
    family.name: family
    for family in (
        *(MESSAGES, ATTEMPTS_FAILED, HANDLER_SECONDS, IN_FLIGHT, TIME_SECONDS, REBALANCES, DEAD_LETTERS),
        *(OUTBOX_ROWS, OUTBOX_REFUSED_ROWS, OUTBOX_OLDEST_SECONDS, RELAYED, RELAY_ACTIVE),
        *(GROUP_LAG, GROUP_LAG_SECONDS, GROUP_LOST_MESSAGES, GROUP_LOSS_SECONDS, LOST_MESSAGES, STUCK_PARTITIONS),
    )
}
