"""What is finished beyond an offset, as the text that goes with its commit: read back as it was, and nothing else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_integration.consuming.offsets.beyond import MARK, NOTHING, Beyond, decode, encode

FLOORS = st.integers(0, 2**62)
PLENTY = 10**6


@st.composite
def finished(draw: Any) -> tuple[int, Beyond]:
    """A floor and what is finished above it: scattered, or in runs."""
    floor = draw(FLOORS)
    lengths = draw(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), max_size=30))
    at, offsets = floor, []
    for gap, run in lengths:
        offsets += range(at + gap, at + gap + run)
        at += gap + run
    scattered = draw(st.sets(st.integers(1, 10_000), max_size=50))
    offsets = sorted({*offsets, *(floor + each for each in scattered)})
    return floor, Beyond(offsets=tuple(offsets), epoch=draw(st.none() | st.integers(0, 2**31)))


@given(finished())
def test_what_is_written_is_read_as_it_was(case: tuple[int, Beyond]) -> None:
    floor, beyond = case

    text, count = encode(beyond, floor, PLENTY)

    assert count == len(beyond.offsets)
    assert decode(text, floor) == (beyond if beyond.offsets else NOTHING)
    assert text.isascii()


@given(finished(), st.integers(0, 300))
def test_what_does_not_fit_is_cut_at_the_high_end_as_late_as_possible(case: tuple[int, Beyond], most: int) -> None:
    floor, beyond = case

    text, count = encode(beyond, floor, most)

    assert len(text) <= most
    assert decode(text, floor).offsets == beyond.offsets[:count]
    if count < len(beyond.offsets):
        one_more = Beyond(offsets=beyond.offsets[: count + 1], epoch=beyond.epoch)
        assert len(encode(one_more, floor, PLENTY)[0]) > most


@given(st.text() | st.text().map(lambda text: MARK + text) | st.binary().map(lambda data: MARK + _text(data)), FLOORS)
@example(MARK, 0)
def test_what_others_wrote_says_nothing_and_never_raises(text: str, floor: int) -> None:
    assert decode(text, floor) == NOTHING


@given(finished(), st.data())
def test_what_was_damaged_says_nothing(case: tuple[int, Beyond], data: st.DataObject) -> None:
    floor, beyond = case
    text, _ = encode(beyond, floor, PLENTY)
    if not text:
        return
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(min_codepoint=33, max_codepoint=126))

    damaged = text[:place] + character + text[place + 1 :]

    assert decode(damaged, floor) in ((NOTHING,) if damaged != text else (beyond,))
    assert decode(text[: -1 - place], floor) == NOTHING


@given(finished(), st.integers(1, 1000))
def test_what_was_said_of_another_offset_says_nothing(case: tuple[int, Beyond], moved: int) -> None:
    floor, beyond = case
    text, _ = encode(beyond, floor, PLENTY)

    assert decode(text, floor + moved) == NOTHING


@pytest.mark.parametrize(
    ("offsets", "most"),
    [
        pytest.param(range(1, 10_000), 30, id="one long run"),
        pytest.param(range(1, 20_000, 2), 3_200, id="every second one of twice max_ahead"),
        pytest.param([1, 10_000_000], 40, id="far apart"),
    ],
)
def test_the_shorter_way_is_taken(offsets: Any, most: int) -> None:
    text, count = encode(Beyond(offsets=tuple(offsets), epoch=7), 0, PLENTY)

    assert count == len(offsets)
    assert len(text) <= most


def test_runs_of_an_absurd_length_cost_no_memory() -> None:
    text, _ = encode(Beyond(offsets=tuple(range(1, 1_000_001))), 0, PLENTY)

    assert len(decode(text, 0).offsets) == 1_000_000


def _text(data: bytes) -> str:
    return base64.b85encode(data).decode("ascii")
