"""Headers whose names are not UTF-8: the client answers them with a list that crashes whoever reads it."""

from __future__ import annotations

import ctypes

import pytest

from kafka_integration.message import ILLEGIBLE_NAME, Decoding, Message

DECODING = Decoding(key=bytes, value=bytes)


def with_a_hole(value):
    """A tuple as confluent-kafka leaves it: a C NULL in the place of the name."""
    api = ctypes.pythonapi
    api.PyTuple_New.restype = ctypes.py_object
    api.PyTuple_New.argtypes = [ctypes.c_ssize_t]
    api.PyTuple_SetItem.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.py_object]
    hole = api.PyTuple_New(2)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
    api.PyTuple_SetItem(id(hole), 1, value)
    return hole


class Raw:
    """A message whose headers can't be read: an error the first time, holes from then on."""

    def __init__(self, headers):
        self._headers = headers
        self.asked = 0

    def topic(self):
        return "events"

    def partition(self):
        return 3

    def offset(self):
        return 7

    def key(self):
        return b"k"

    def value(self):
        return b"v"

    def timestamp(self):
        return 2, 1_700_000_000_000

    def headers(self):
        self.asked += 1
        if self.asked == 1:
            raise SystemError("<method 'headers'> returned a result with an exception set")
        return self._headers


@pytest.fixture
def message():
    return Message(Raw([("a", b"1"), with_a_hole(b"\xff"), ("a", None)]), DECODING)


def test_their_values_stay_and_their_order(message):
    assert message.headers == [("a", b"1"), (ILLEGIBLE_NAME, b"\xff"), ("a", None)]
    assert message.header("a") is None


def test_nobody_meets_the_hole_later(message):
    raw = message.raw
    assert message.headers

    again = Message(message.raw, DECODING, 2)

    assert again.headers == message.headers
    assert raw.asked == 2


def test_the_rest_of_the_message_is_as_it_was(message):
    before = message.as_dict() | {"headers": None}
    assert message.headers

    assert message.as_dict() | {"headers": None} == before
    assert before["ts_type"] == "append"


def test_a_client_that_never_answers_leaves_no_headers():
    class Mute(Raw):
        def headers(self):
            raise SystemError

    assert Message(Mute([]), DECODING).headers == []
