"""Whatever comes, is handled, fails and is taken away, in any order: each shard is in one pair of hands, in its order.

Hypothesis plays the loop, which puts messages and clears partitions, and a crew, whose members take what is ready, give
it back done, in part, for later or with an outage, and hold shards for something besides their messages. An operator
suspends partitions and has them go on.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kafka_integration.consuming.lanes import turns as turns_module
from kafka_integration.consuming.lanes.turns import Hand, Turns, shards_of
from kafka_integration.consuming.lanes.work import Remainder
from kafka_integration.consuming.ordering import line, shards
from kafka_integration.consuming.ordering import shard as shard_module
from kafka_integration.consuming.ordering.chunk import Chunk
from kafka_integration.consuming.partition import Partition
from kafka_integration.message import Decoding, KeptRecord, Message

DECODING = Decoding(key=bytes, value=bytes)
PARTITIONS = st.integers(0, 2)
KEYS = st.sampled_from([None, b"a", b"b", b"c"])
CLOCKED = (line, shard_module, shards, turns_module)


class TurnsMachine(RuleBasedStateMachine):
    """``waiting`` are the messages of each shard by the naive model: a list each, in their order."""

    @initialize(ordering=st.sampled_from(["key", "none"]))
    def begin(self, ordering: Any) -> None:
        self.now = 1000.0
        clock = lambda: self.now  # noqa: E731 - one clock for the modules that have imported theirs
        self.patches = [mock.patch.object(module, "monotonic", clock) for module in CLOCKED]
        for patch in self.patches:
            patch.start()
        self.ordering = ordering
        self.turns = Turns()
        self.partitions = [Partition("events", number, ordering) for number in range(3)]
        for partition in self.partitions:
            partition.start.place()
            self.turns.adopt(partition)
        self.next_offset = 0
        self.waiting: dict[Any, list[int]] = {}
        self.not_before: dict[Any, float] = {}
        self.hands: list[tuple[Hand, Any]] = []
        self.held: list[tuple[Hand, Any]] = []
        self.probe: Any = None
        self.wanted: tuple[int, Any] | None = None
        self.suspended: set[int] = set()

    def teardown(self) -> None:
        for patch in getattr(self, "patches", []):
            patch.stop()

    @rule(number=PARTITIONS, keys=st.lists(KEYS, min_size=1, max_size=6))
    def put(self, number: int, keys: list[bytes | None]) -> None:
        messages = [self._message(number, key) for key in keys]
        self.turns.put(self.partitions[number], messages, 10 * len(messages))
        for message in messages:
            self.waiting.setdefault(self._shard_of(message), []).append(message.offset)

    @rule()
    def take(self) -> None:
        hand = self.turns.take()
        if hand is None:
            assert not self._ready()
            return
        messages = hand[2].messages
        shard = self._shard_of(messages[0])

        assert shard in self._ready()
        assert [message.offset for message in messages] == self.waiting[shard][: len(messages)]
        self.hands.append((hand, shard))

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), wait=st.sampled_from([0.0, 0.0, 1.0, 5.0]), is_outage=st.booleans())
    def give_back(self, data: st.DataObject, wait: float, is_outage: bool) -> None:
        hand, shard = self.hands.pop(data.draw(st.integers(0, len(self.hands) - 1)))
        messages = hand[2].messages
        done = data.draw(st.integers(0, len(messages)))
        rest = messages[done:]
        is_outage = is_outage and bool(rest)

        chunks = [Chunk(messages=rest)] if rest else []
        self.turns.give_back(hand, Remainder(chunks, delay_seconds=wait if rest else 0.0, is_outage=is_outage))
        if self._is_known(hand, shard):
            del self.waiting[shard][:done]
            self.not_before[shard] = self.now + wait if rest else 0.0
            if not self.waiting[shard]:
                del self.waiting[shard]
        if is_outage and self.probe is None:
            self.probe = shard
        elif not is_outage and self.probe == shard:
            self.probe = None
        self._forget_a_suspended_probe()

    @rule(seconds=st.sampled_from([0.5, 1.0, 10.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=PARTITIONS)
    def suspend(self, number: int) -> None:
        self.turns.suspend(self.partitions[number])
        self.suspended.add(number)
        self._forget_a_suspended_probe()

    @precondition(lambda self: self.suspended)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.suspended)))
        self.turns.resume(self.partitions[number])
        self.suspended.discard(number)

    @rule(number=PARTITIONS, key=KEYS)
    def hold(self, number: int, key: bytes | None) -> None:
        if self.probe is not None or self.wanted is not None or number in self.suspended:
            return
        shard = self._place(number, key, "held")
        hand = self.turns.hold(self.partitions[number], key)
        is_taken = shard[1] != "held" and any(other == shard for _, other in (*self.hands, *self.held))

        assert (hand is None) == is_taken
        if hand is None:
            self.turns.release(self.partitions[number])
        else:
            self.held.append((hand, shard))

    @precondition(lambda self: self.held)
    @rule()
    def end_what_was_held(self) -> None:
        hand, _ = self.held.pop()
        self.turns.give_back(hand, Remainder())

    @precondition(lambda self: self.hands and self.ordering == "key" and self.probe is None)
    @rule()
    def what_is_waited_for_comes_to_who_waits(self) -> None:
        hand, shard = self.hands[0]
        if not isinstance(shard[1], bytes) or not self._is_known(hand, shard) or shard[0] in self.suspended:
            return
        number, key = shard
        assert self.turns.hold(self.partitions[number], key) is None
        self.hands.pop(0)
        self.turns.give_back(hand, Remainder([hand[2]]))
        taken = [self.turns.take() for _ in range(len(self.waiting))]
        held = self.turns.hold(self.partitions[number], key)

        assert held is not None
        for other in filter(None, taken):
            place = self._shard_of(other[2].messages[0])
            assert place != shard
            self.hands.append((other, place))
        self.held.append((held, shard))

    @rule(number=PARTITIONS)
    def begin_again(self, number: int) -> None:
        """As the loop does it: once nothing of the partition is in a handler's hands."""
        self.turns.open(self.partitions[number])
        for shard in [shard for shard in self.waiting if shard[0] == number]:
            del self.waiting[shard]
        # What comes from now on waits for no backoff of what came before.
        self.not_before = {shard: at for shard, at in self.not_before.items() if shard[0] != number}
        if self.probe is not None and self.probe[0] == number and not self._has_in_hand(self.probe):
            self.probe = None
        for hand, shard in [each for each in (*self.hands, *self.held) if each[1][0] == number]:
            if (hand, shard) in self.hands:
                self.hands.remove((hand, shard))
                if self.probe == shard:
                    self.probe = None
            else:
                self.held.remove((hand, shard))
            self.turns.give_back(hand, Remainder())

    @invariant()
    def a_shard_is_in_one_pair_of_hands_at_most(self) -> None:
        places = [shard for _, shard in (*getattr(self, "hands", ()), *getattr(self, "held", ()))]
        places = [place for place in places if place[1] != "held"]

        assert len(places) == len(set(places))

    @invariant()
    def a_partition_is_busy_while_something_of_it_is_in_hand(self) -> None:
        for number, partition in enumerate(getattr(self, "partitions", ())):
            in_hand = any(shard[0] == number for _, shard in (*self.hands, *self.held))
            assert partition.line.is_busy == in_hand

    @invariant()
    def what_waits_is_counted(self) -> None:
        for number, partition in enumerate(getattr(self, "partitions", ())):
            held = sum(len(offsets) for shard, offsets in self.waiting.items() if shard[0] == number)
            assert partition.line.held == held
            assert (partition.line.held_bytes > 0) == (held > 0)

    @invariant()
    def an_empty_shard_is_forgotten(self) -> None:
        for number, partition in enumerate(getattr(self, "partitions", ())):
            known = {shard for shard in self.waiting if shard[0] == number and isinstance(shard[1], bytes)}
            known |= {shard for _, shard in (*self.hands, *self.held) if shard[0] == number and shard[1] != "held"}
            assert len(shards_of(partition)._by_key) <= len(known)

    def _ready(self) -> set[Any]:
        """The shards that may be begun now."""
        taken = [shard for _, shard in (*self.hands, *self.held)]
        may = [shard for shard in self.waiting if self.probe in (None, shard) and shard[0] not in self.suspended]
        return {shard for shard in may if shard not in taken and self.not_before.get(shard, 0.0) <= self.now}

    def _forget_a_suspended_probe(self) -> None:
        """Another one tries whether the outage is over."""
        if self.probe is not None and self.probe[0] in self.suspended and not self._has_in_hand(self.probe):
            self.probe = None

    def _has_in_hand(self, shard: Any) -> bool:
        return any(other == shard for _, other in self.hands)

    def _is_known(self, hand: Hand, shard: Any) -> bool:
        return shard in self.waiting and self.waiting[shard][:1] == [hand[2].messages[0].offset]

    def _message(self, number: int, key: bytes | None) -> Message:
        self.next_offset += 1
        record = KeptRecord(place=("events", number, self.next_offset), key=key, value=b"", headers=[])
        return Message(record, DECODING)

    def _shard_of(self, message: Message) -> Any:
        return self._place(message.partition, message.key_bytes, message.offset)

    def _place(self, number: int, key: bytes | None, otherwise: Any) -> Any:
        return (number, key) if self.ordering == "key" and key is not None else (number, otherwise)


TestTurns = TurnsMachine.TestCase
TestTurns.settings = settings(max_examples=150, stateful_step_count=50)


def test_what_met_an_outage_while_it_was_suspended_holds_back_nobody_once_it_goes_on():
    turns = Turns()
    partition = Partition("events", 1, "key")
    partition.start.place()
    turns.adopt(partition)
    keyed, other = (
        Message(KeptRecord(place=("events", 1, offset), key=key, value=b"", headers=[]), DECODING)
        for offset, key in enumerate([b"a", None])
    )
    turns.put(partition, [keyed, other], 20)
    hand = turns.take()

    turns.suspend(partition)
    turns.give_back(hand, Remainder([Chunk(messages=[keyed])], is_outage=True))
    turns.resume(partition)
    turns.hold(partition, b"a")

    assert turns.take()[2].messages == [other]
