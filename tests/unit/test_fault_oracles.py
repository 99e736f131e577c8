"""The oracles of the fault suite see what they are there to see."""

from __future__ import annotations

import pytest

from tests.faults.effects import Effect
from tests.faults.load import Acknowledged
from tests.faults.oracles import find_disordered, find_lost, find_overlapping, find_repeated


def effect(offset, *, partition=0, key="k", seq=None, worker=1, began=None, ended=None):
    began = 10 * offset if began is None else began
    return Effect(
        id=offset,
        topic="t",
        partition=partition,
        offset=offset,
        key=key,
        seq=offset + 1 if seq is None else seq,
        attempt=1,
        worker=worker,
        began=began,
        ended=began + 5 if ended is None else ended,
    )


def record(offset, *, partition=0, key="k", seq=None):
    return Acknowledged(partition=partition, offset=offset, key=key, seq=offset + 1 if seq is None else seq)


def test_where_all_is_well_nothing_is_found():
    effects = [effect(0), effect(1), effect(2, key="other")]

    assert find_lost([record(0), record(1), record(2, key="other")], effects) == []
    assert find_repeated(effects) == {}
    assert find_disordered(effects) == []
    assert find_overlapping(effects) == []


def test_a_record_without_an_effect_is_lost_though_its_offset_has_one_in_another_partition():
    assert find_lost([record(0), record(1)], [effect(0), effect(1, partition=1)]) == [record(1)]


def test_a_record_whose_place_is_not_known_is_looked_for_by_its_number():
    unplaced = Acknowledged(partition=0, offset=None, key="k", seq=2)

    assert find_lost([unplaced], [effect(7, seq=2)]) == []
    assert find_lost([unplaced], [effect(7, seq=3)]) == [unplaced]


def test_an_effect_that_is_there_again_is_repeated():
    assert find_repeated([effect(0), effect(1), effect(0, began=50)]) == {(0, 0): 2}


def test_an_effect_after_a_later_one_of_its_key_is_disorder_and_a_repeat_of_it_is_not():
    assert find_disordered([effect(1), effect(0)]) == ["k: 1 after 2"]
    assert find_disordered([effect(0), effect(1), effect(0)]) == []
    assert find_disordered([effect(1), effect(0, key="other")]) == []


@pytest.mark.parametrize("worker", [1, 2], ids=["in a thread beside", "in another process"])
def test_two_of_a_key_at_once_are_seen(worker):
    assert find_overlapping([effect(0, began=0, ended=10), effect(1, began=9, ended=12, worker=worker)]) != []


def test_a_long_one_is_compared_with_all_that_begin_before_its_end():
    long = effect(0, began=0, ended=100, worker=2)
    batch = [effect(1, began=20, ended=21), effect(2, began=30, ended=31)]

    assert len(find_overlapping([long, *batch])) == 2


def test_the_messages_of_one_batch_began_together():
    assert find_overlapping([effect(offset, began=0, ended=10 + offset) for offset in range(3)]) == []
