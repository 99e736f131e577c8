"""One beginning of a partition: unknown, asked, known, placed."""

from __future__ import annotations

from concurrent.futures import Future
from time import monotonic
from types import SimpleNamespace

from kafka_integration.consuming.offsets.ledger import Ledger
from kafka_integration.consuming.offsets.start import Obstacle, Start
from kafka_integration.consuming.ordering.stream import State
from kafka_integration.consuming.partition import Partition


def test_while_a_lane_was_asked_nobody_is_asked_again():
    start, answer = Start(), Future()

    start.ask(answer, committed=3)
    start.advance(Ledger())

    assert not start.may_ask(monotonic())
    assert start.offset is None


def test_what_a_lane_answers_is_where_to_begin():
    start, answer = Start(), Future()
    start.ask(answer, committed=3)

    answer.set_result(7)
    start.advance(Ledger())

    assert (start.offset, start.committed) == (7, 3)


def test_what_a_lane_could_not_find_out_is_asked_again_after_a_while():
    start = Start(reset_to=5)
    for _ in range(2):
        start.ask(answered(Obstacle("the row is locked", ask_at=100.0)), committed=None)
        start.advance(Ledger())

    assert not start.may_ask(99.0)
    assert start.may_ask(100.0)
    assert (start.failed_claims, start.reset_to, start.offset) == (2, 5, None)


def test_a_partition_that_goes_on_begins_where_its_handler_has_come_to_by_then():
    ledger, start = Ledger(5), Start(is_resumed=True)
    start.advance(ledger)

    ledger.finish(SimpleNamespace(offset=8))
    start.advance(ledger)

    assert start.offset == 9
    assert not start.may_ask(monotonic())


def test_a_partition_is_active_from_its_place_until_it_is_fenced_or_begins_again():
    partition = Partition("events", 0)
    states = [partition.state]

    partition.place()
    states.append(partition.state)
    partition.line.fence()
    states.append(partition.state)
    partition.restart(Start())
    partition.line.open()
    states.append(partition.state)
    partition.place()
    states.append(partition.state)

    assert states == [State.STARTING, State.ACTIVE, State.STARTING, State.STARTING, State.ACTIVE]


def test_once_revoked_a_partition_stays_so():
    partition = Partition("events", 0)
    partition.revoke()

    partition.place()

    assert partition.state is State.REVOKED


def answered(result):
    answer = Future()
    answer.set_result(result)
    return answer
