"""What comes in place of messages: ends of partitions, offsets out of range, refusals."""

from __future__ import annotations

import logging
from time import monotonic

from ...client.consumer import ConsumerClient
from ...client.fetched import END_REACHED, OUT_OF_RANGE, Event
from ...conf.consumers import ConsumerSettings
from ...errors import BrokerError, OffsetOutOfRangeError
from ...observing.facts import Lost
from ...observing.log_fields import LogFields
from ...observing.observers import Observers
from ...retrying import Repeats
from ..ordering.stream import State
from ..partition import Partition
from .assignment import ASK_AGAIN_SECONDS, Assignment
from .refused_subscription import Subscription, is_refusal

logger = logging.getLogger(__name__)


class Notices:
    """Answers events; the loop thread's own. Raises what ends the consumer."""

    def __init__(
        self, settings: ConsumerSettings, client: ConsumerClient, assignment: Assignment, observers: Observers
    ) -> None:
        self._settings = settings
        self._client = client
        self._assignment = assignment
        self._observers = observers
        self._subscription = Subscription(settings, client, assignment)
        self._repeats = Repeats()
        self._out_of_range: dict[Partition, int | None] = {}
        """With the offset at which its log was cut, where that is the reason."""
        self._ask_at = 0.0
        self.resets = 0

    @property
    def were_refusals(self) -> bool:
        """Whether the subscription was refused just now, which is not the same as being given nothing."""
        return self._subscription.was_refused_lately

    def handle(self, event: Event) -> None:
        partition = None if event.coordinates is None else self._assignment.get(event.coordinates)
        if event.code == END_REACHED:
            self._reach_end(partition, event)
        elif event.code == OUT_OF_RANGE:
            if partition is not None and partition.state is State.ACTIVE:
                self._out_of_range[partition] = event.cut_at
        elif is_refusal(event):
            self._subscription.refuse(event)
        else:
            self.say(event.error)

    def look_after(self) -> None:
        """What an event has left to be done, when it is due; every turn."""
        self._subscription.try_again_if_due()
        self._reset_what_is_out_of_range()

    def _reach_end(self, partition: Partition | None, event: Event) -> None:
        if partition is None or partition.state is not State.ACTIVE or event.offset is None:
            return
        partition.ledger.reach_end(event.offset)

    def _reset_what_is_out_of_range(self) -> None:
        """Go on elsewhere by ``offset_reset_policy``, once what was fetched before is finished."""
        self._out_of_range = {p: cut_at for p, cut_at in self._out_of_range.items() if p.state is State.ACTIVE}
        idle = [p for p in self._out_of_range if p.ledger.is_idle]
        if not idle or monotonic() < self._ask_at:
            return
        try:
            for partition in idle:
                self._reset(partition)
        except BrokerError as error:
            self._ask_at = monotonic() + ASK_AGAIN_SECONDS
            self.say(error)

    def _reset(self, partition: Partition) -> None:
        """Do what the policy says, and say how much that leaves out."""
        position, cut_at = partition.ledger.taken or 0, self._out_of_range[partition]
        first, end = self._assignment.ends_of(partition)
        if cut_at is None and first <= position <= end:
            # That was said of a position before this one. Should it be said again, then not at once.
            self._ask_at = monotonic() + ASK_AGAIN_SECONDS
            del self._out_of_range[partition]
            self._assignment.go_on(partition)
            return
        policy, reason = self._settings.offset_reset_policy, _reason(partition, position, cut_at, first, end)
        if policy == "none":
            raise OffsetOutOfRangeError(
                f'consumer {self._settings.name}: {reason} and offset_reset_policy is "none": set the group\'s offset, '
                f'or choose "earliest" or "latest"'
            )
        target = first if policy == "earliest" else end
        if cut_at is not None:
            # Under either policy: what is behind the cut was not read, and what is before it was.
            target = max(first, min(cut_at, position))
        left_out = max(0, target - position)
        self.resets += 1
        del self._out_of_range[partition]
        logger.error(
            "consumer %s: %s; by offset_reset_policy it goes on at %d, %d message(s) are left out",
            self._settings.name, reason, target, left_out,
            extra=LogFields(self._settings.name, self._settings.consumer_group).of(partition.key, target),
        )  # fmt: skip
        if left_out:
            self._observers.tell(Lost(left_out, partition.topic))
        self._assignment.restart(partition, target)

    def say(self, error: BrokerError) -> None:
        """One line for each kind of trouble, again after a minute."""
        if self._repeats.is_due(str(error)):
            logger.warning("%s", error)


def _reason(partition: Partition, position: int, cut_at: int | None, first: int, end: int) -> str:
    if cut_at is None:
        return f"offset {position} of {partition} is out of range ({first} to {end})"
    return (
        f"the log of {partition} was cut at {cut_at}, before offset {position}, by an unclean leader election: "
        f"what had been read from there on is gone from Kafka, and other messages come at its offsets"
    )
