"""The extra ``fast``, side by side with the standard library: what is read, written and refused is the same."""

from __future__ import annotations

import dataclasses
import enum
import json
import subprocess
import sys
import uuid
from collections import OrderedDict, UserDict, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from kafka_integration import serialization
from kafka_integration.errors import InvalidMessageError
from kafka_integration.serialization import decode_json, serialize_value

pytest.importorskip("msgspec")

TEXT = st.text() | st.sampled_from(["\0", "\x1f\x7f\u2028", '"\\/\b\f\n\r\t', "a, b: c", "\U0001f600"])
FLOATS = st.floats() | st.sampled_from([1e15, 1e16, 9999999999999998.0, 1e-4, 9.9e-5, 0.0, -0.0, 1e22, 5e-324])
INTEGERS = st.integers() | st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**30, 10**400])
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | TEXT
DOCUMENTS = st.recursive(SCALARS, lambda inside: st.lists(inside) | st.dictionaries(TEXT, inside))
TOKENS = st.sampled_from(
    [
        *("[", "]", "{", "}", ",", ":", "-", "+", "e", "E", ".", '"', "\\", " ", "\n", "\t", "\r", "\f", "\0", "\xa0"),
        *("0", "1", "9007199254740993", "1e400", "1e-400", "18446744073709551616", "true", "null", "NaN", "-Infinity"),
        *('"a"', '{"a":1,"a":2}', "\\ud800", "\\ude00", "\\u0041", "\ufeff"),
    ]
)


class Size(enum.Enum):
    SMALL = 1


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Pair(NamedTuple):
    a: int
    b: object


@dataclasses.dataclass
class Point:
    x: int


class Text(str):
    __slots__ = ()


def standard(call: Callable[[], Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialization, "_fast", None)
        return outcome(call)


def outcome(call: Callable[[], Any]) -> Any:
    """What it returns, to the type of each number, or what it raises."""
    try:
        result = call()
    except RecursionError as error:
        return type(error)
    except Exception as error:  # noqa: BLE001 - compared
        return type(error), str(error)
    return result if isinstance(result, bytes) else Seen(result)


class Seen:
    """Equal if all numbers are of one type and sign, and all keys in one order; long integers have no repr."""

    def __init__(self, document: Any) -> None:
        self.document = document

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and same(self.document, other.document)

    def __hash__(self) -> int:
        return 0


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return [*one] == [*other] and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2]))
def test_documents_are_read_as_the_standard_library_reads_them(document: Any, ascii_only: bool, indent: Any) -> None:
    data = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode(errors="surrogatepass")

    assert outcome(lambda: decode_json(data)) == standard(lambda: decode_json(data))


@given(st.lists(TOKENS, max_size=12))
def test_what_is_no_document_is_refused_as_the_standard_library_refuses_it(tokens: list[str]) -> None:
    data = "".join(tokens).encode()

    assert outcome(lambda: decode_json(data)) == standard(lambda: decode_json(data))


@given(st.binary(max_size=8), st.binary(max_size=3))
def test_any_bytes_are_read_or_refused_alike(inside: bytes, around: bytes) -> None:
    for data in (inside, b'"' + inside + b'"', b'{"' + inside + b'": 1}', around + b"[1]" + around):
        assert outcome(lambda data=data: decode_json(data)) == standard(lambda data=data: decode_json(data))


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 40))
def test_each_number_is_read_to_the_same_float(number: float, digits: int) -> None:
    data = f"{number:.{digits}e}".encode()

    assert outcome(lambda: decode_json(data)) == standard(lambda: decode_json(data))


@pytest.mark.parametrize(
    "data",
    [
        *(b"NaN", b"1e400", b"-1e400", b'"\\ud800"', b'{"\\ud800": 1}', b"\xef\xbb\xbf1", b'"\xff"', b'"\xed\xa0\x80"'),
        *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000),
        *(b"1" * 4300, b"1" * 4301, b"-" + b"1" * 4300, b"1" * 400 + b".5", b"", b" "),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_refused_or_large_is_so_alike(data: bytes) -> None:
    assert outcome(lambda: decode_json(data)) == standard(lambda: decode_json(data))


@given(DOCUMENTS)
def test_documents_are_written_to_the_byte_as_django_writes_them(document: Any) -> None:
    assert outcome(lambda: serialize_value(document, "json")) == standard(lambda: serialize_value(document, "json"))


HOLDING_ITSELF: list[Any] = []
HOLDING_ITSELF += [HOLDING_ITSELF, HOLDING_ITSELF]
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "odd",
    [
        *(
            datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
            date(2026, 1, 2),
            time(3, 4, 5, 678901),
            timedelta(days=-1),
        ),
        *(
            Decimal("1.10"),
            uuid.UUID(int=7),
            gettext_lazy("yes"),
            mark_safe("<b>"),
            Text("x"),
            Text("\ud800"),
            "\ud800",
        ),
        *(
            Size.SMALL,
            Colour.RED,
            Number.ONE,
            Pair(1, Decimal(2)),
            Point(1),
            {1, 2},
            frozenset(),
            b"bytes",
            bytearray(b"b"),
        ),
        *({1: 2}, {None: 1}, {True: 1}, {1.5: 1}, {Text("k"): 1}, {Colour.RED: 1}, {"a": {1: 1}}, {("a",): 1}),
        *(OrderedDict(b=1, a=2), defaultdict(int, a=1), UserDict(a=1), (1, (2,)), [float("nan")], [float("-inf")]),
        *(object(), 1j, range(3), memoryview(b"x"), HOLDING_ITSELF, DEEP, {"a": [DEEP]}, [10**5000], [1e16], [-1e-5]),
    ],
    ids=lambda odd: type(odd).__name__,
)
def test_what_only_one_of_them_would_write_is_written_or_refused_alike(odd: Any) -> None:
    for document in (odd, [odd], {"a": odd}):
        assert outcome(lambda d=document: serialize_value(d, "json")) == standard(
            lambda d=document: serialize_value(d, "json")
        )


def test_a_plain_document_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*args: Any) -> Any:
        raise AssertionError("the standard library was asked")

    monkeypatch.setattr(serialization, "_encode", slow)
    monkeypatch.setattr(serialization, "_decoder", None)
    document = {"id": 7, "price": 1.25, "lines": [{"sku": "a", "qty": None}, []], "ok": True}

    assert decode_json(serialize_value(document) or b"") == document


def test_without_the_extra_all_is_as_the_standard_library_has_it() -> None:
    program = (
        "import sys; sys.modules['msgspec'] = None\n"
        "from kafka_integration import serialization as s\n"
        "assert s._fast is None\n"
        'assert s.serialize_value({"a": [1, None]}) == b\'{"a": [1, null]}\'\n'
        'assert s.decode_json(b\'{"a": 1}\') == {"a": 1}\n'
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_refusal_names_the_standard_librarys_reason() -> None:
    with pytest.raises(InvalidMessageError, match="not JSON serializable"):
        serialize_value({"a": object()})
