"""``Messages``: a list for whoever looks at messages, columns without objects for whoever doesn't."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Message as RawMessage

from kafka_integration import DecodeError, Message, Messages
from kafka_integration.message import Decoding, KeptRecord
from kafka_integration.messages import RawMessages, for_handler, joined, objects_of
from kafka_integration.serialization import decode_json

DECODING = Decoding(key=bytes.decode, value=decode_json)


def raws(*values: bytes | None) -> list[Any]:
    return [
        RawMessage(topic="t", partition=0, offset=10 + place, key=b"k%d" % place, value=value)
        for place, value in enumerate(values)
    ]


def unread(*values: bytes | None) -> tuple[RawMessages, Messages]:
    """What a consumer holds, and what its handler is given of it."""
    held = RawMessages(raws(*values), DECODING)
    return held, for_handler(held)


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Every message that was made an object of."""
    made: list[Message] = []

    class Counted(Message):
        __slots__ = ()

        def __init__(self, raw: Any, decoding: Decoding, attempt: int = 1) -> None:
            super().__init__(raw, decoding, attempt)
            made.append(self)

    monkeypatch.setattr("kafka_integration.placed_message.Message", Counted)
    return made


def test_columns_are_read_without_an_object_a_message(objects: list[Message]) -> None:
    _, messages = unread(b"1", None, b'{"a": 2}')

    assert messages.values() == [1, None, {"a": 2}]
    assert messages.keys() == ["k0", "k1", "k2"]
    assert messages.offsets() == [10, 11, 12]
    assert len(messages) == 3
    assert messages
    assert objects == []


@pytest.mark.parametrize("order", [1, -1])
def test_columns_are_read_of_records_that_no_client_holds_any_more_too(order: int) -> None:
    kept = KeptRecord(place=("t", 0, 11), key=b"kept", value=b"2", headers=[])
    messages = for_handler(RawMessages([*raws(b"1"), kept][::order], DECODING))

    assert messages.values() == [1, 2][::order]
    assert messages.keys() == ["k0", "kept"][::order]
    assert messages.offsets() == [10, 11][::order]


def test_the_columns_are_those_of_the_messages_after_a_look() -> None:
    _, messages = unread(b"1", b"2", b"3")

    del messages[1]

    assert (messages.values(), messages.keys(), messages.offsets()) == ([1, 3], ["k0", "k2"], [10, 12])


@pytest.mark.parametrize(
    "look",
    [
        list,
        tuple,
        lambda messages: sorted(messages, key=lambda message: message.offset),
        lambda messages: [*messages],
        lambda messages: messages[:],
        lambda messages: messages.copy(),
        copy.copy,
        lambda messages: operator.add([], messages),
        lambda messages: operator.add(messages, []),
        lambda messages: messages * 1,
        lambda messages: 1 * messages,
        lambda messages: [messages.pop(0), messages.pop(0)],
        lambda messages: list(reversed(messages))[::-1],
        lambda messages: [messages[0], messages[1]],
        lambda messages: (lambda *each: each)(*messages),
        lambda messages: extended([], messages),
        lambda messages: replaced([], messages),
    ],
)
def test_whoever_looks_finds_the_messages(look: Callable[[Messages], Any]) -> None:
    held, messages = unread(b"1", b"2")

    assert [*look(messages)] == held.made()


def extended(target: list[Message], messages: Messages) -> list[Message]:
    target += messages
    return target


def replaced(target: list[Message], messages: Messages) -> list[Message]:
    target[:] = messages
    return target


@pytest.mark.parametrize(
    "name", sorted({*vars(list)} - {"__new__", "__init__", "__getattribute__", "__hash__", "__doc__"})
)
def test_no_method_of_a_list_finds_it_empty(name: str) -> None:
    """Each was thought of: one that a later Python adds has to be."""
    _, messages = unread(b"1")

    own = type(messages).__dict__.get(name)

    assert own is not None or name in {"__sizeof__", "__class_getitem__"}


def test_it_is_a_list_and_equals_one() -> None:
    held, messages = unread(b"1", b"2")

    assert isinstance(messages, list)
    assert held.made() == messages
    assert messages == held.made()
    assert repr(unread(b"1")[1]) == "[<Message t[0]@10>]"


def test_a_handler_may_change_its_list_and_not_the_consumers() -> None:
    held, messages = unread(b"1", b"2", b"3")

    messages.reverse()
    messages.append(messages.pop(0))
    messages += messages[:1]
    messages[0] = messages[1]
    messages.clear()

    assert (len(messages), messages.values(), len(held)) == (0, [], 3)


def test_a_message_is_the_same_object_wherever_one_looks() -> None:
    held, messages = unread(b"1", b"2", b"3")
    last = held[-1]

    assert messages[2] is last is held.made()[2] is held[2]
    assert messages[0] is held[0]


def test_a_value_that_cannot_be_read_is_named() -> None:
    _, messages = unread(b"1", b"{", b"3")

    with pytest.raises(DecodeError, match=r"the value of t\[0\]@11"):
        messages.values()

    assert messages[0].value == 1


def test_a_key_that_cannot_be_read_is_named() -> None:
    messages = for_handler(RawMessages([RawMessage(topic="t", partition=0, offset=5, key=b"\xff")], DECODING))

    with pytest.raises(DecodeError, match=r"the key of t\[0\]@5: byte 0 is not valid utf-8"):
        messages.keys()


def test_what_a_deserializer_raises_comes_out_of_the_column_as_of_a_message() -> None:
    def refuse(data: bytes) -> Any:
        raise ZeroDivisionError

    messages = for_handler(RawMessages(raws(b"1"), Decoding(key=bytes, value=refuse)))

    with pytest.raises(ZeroDivisionError):
        messages.values()


def test_a_test_may_make_one_of_any_messages() -> None:
    message = Message(KeptRecord(place=("t", 0, 7), key=None, value=b"1", headers=[]), DECODING)

    messages = Messages([message])

    assert (messages.values(), messages.keys(), messages.offsets(), [*messages]) == ([1], [None], [7], [message])


def test_an_unread_one_can_be_copied_deeply_as_far_as_its_messages_can() -> None:
    records = [KeptRecord(place=("t", 0, 7), key=None, value=b"1", headers=[])]
    messages = for_handler(RawMessages(records, DECODING))

    assert copy.deepcopy(messages).values() == [1]


def test_parts_and_sums_make_no_objects(objects: list[Message]) -> None:
    held = RawMessages(raws(b"1", b"2", b"3"), DECODING)

    both = joined(held[1:], held[:1])

    assert for_handler(both).values() == [2, 3, 1]
    assert objects == []


def test_parts_and_sums_of_what_was_looked_at_keep_its_objects() -> None:
    held = RawMessages(raws(b"1", b"2"), DECODING)
    first, second = held.made()

    assert [*held[1:]] == [second]
    assert joined(held[:1], RawMessages(raws(b"9"), DECODING))[0] is first
    assert [*joined([first], held)] == [first, first, second]


def test_the_end_is_found_without_making_all(objects: list[Message]) -> None:
    held = RawMessages(raws(b"1", b"2", b"3"), DECODING)

    assert (held[0].offset, held[-1].offset) == (10, 12)
    assert len(objects) == 2
    with pytest.raises(IndexError):
        held[3]


def test_messages_of_a_list_are_handed_on_as_a_list_of_their_own() -> None:
    given = objects_of(raws(b"1", b"2"), DECODING)

    messages = for_handler(given)
    messages.clear()

    assert len(given) == 2
