"""Keys, values and headers: what goes out as bytes, what is refused, and what comes back."""

from __future__ import annotations

import enum
import json
import math
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from kafka_integration import serialization
from kafka_integration.errors import ConfigurationError, InvalidMessageError, ProduceError
from kafka_integration.headers import dump_headers, load_headers, normalize_headers
from kafka_integration.serialization import load_deserializer, serialize_key, serialize_value

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)
SECRET = "s3cret-payload"


@pytest.fixture(scope="module", autouse=True, params=["with", "without"])
def _fast_json(request: pytest.FixtureRequest) -> Iterator[None]:
    """All of this holds with the extra ``fast`` and without."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "without":
            patch.setattr(serialization, "_fast", None)
        else:
            pytest.importorskip("msgspec")
        yield


class Colour(enum.IntEnum):
    RED = 1


class Mixed(int, enum.Enum):
    TWO = 2


def shout(value: object) -> str:
    return str(value).upper()


def refuse(value: object) -> bytes:
    raise RuntimeError(f"no {value}")


def give_a_number(value: object) -> int:
    return 7


NOT_CALLABLE = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"raw \xff", b"raw \xff"),
        (bytearray(b"raw"), b"raw"),
        (memoryview(b"raw"), b"raw"),
        ("Käse", "Käse".encode()),
        (mark_safe("<b>"), b"<b>"),
        (gettext_lazy("Order"), b"Order"),
        ({"state": gettext_lazy("Order")}, b'{"state": "Order"}'),
        ("", b""),
        (b"", b""),
        (None, None),
        ({"q": "Käse"}, '{"q": "Käse"}'.encode()),
        ([1, True, None], b"[1, true, null]"),
        (5, b"5"),
        (True, b"true"),
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), b'"2026-01-02T03:04:05.678Z"'),
        ({"on": date(2026, 1, 2), "sum": Decimal("1.10")}, b'{"on": "2026-01-02", "sum": "1.10"}'),
        (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    ],
)
def test_a_value_goes_as_it_is_or_as_django_writes_json(value: object, expected: bytes | None) -> None:
    assert serialize_value(value) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("user-1", b"user-1"),
        (b"\x00\xff", b"\x00\xff"),
        ("", b""),
        (None, None),
        (42, b"42"),
        (-1, b"-1"),
        (Colour.RED, b"1"),
        (Mixed.TWO, b"2"),
        (uuid.UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
        (gettext_lazy("Order"), b"Order"),
        ({"tenant": 1}, b'{"tenant": 1}'),
    ],
)
def test_int_and_uuid_keys_become_text(key: object, expected: bytes | None) -> None:
    assert serialize_key(key) == expected


def test_a_lazy_object_that_looks_like_an_int_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="key can't be written"):
        serialize_key(SimpleLazyObject(lambda: 5))


def test_a_bool_is_no_key() -> None:
    with pytest.raises(InvalidMessageError, match="key is a bool"):
        serialize_key(True)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "object is not JSON serializable"),
        ({"x": math.nan}, "Out of range"),
        ([math.inf], "Out of range"),
        ({1: SECRET}, "JSON key of type int"),
        ({"deep": [{None: SECRET}]}, "JSON key of type NoneType"),
        ({"tuple": ({True: SECRET},)}, "JSON key of type bool"),
        ("\ud800" + SECRET, "lone surrogate"),
        ({"x": "\udfff" + SECRET}, "lone surrogate"),
        ({(1, 2): SECRET}, "keys must be str"),
        ([10**5000], "digit"),
        (datetime(2026, 1, 1, tzinfo=UTC).timetz(), "timezone-aware times"),
    ],
)
def test_a_value_that_cannot_be_written_faithfully_is_refused(value: object, said: str) -> None:
    with pytest.raises(InvalidMessageError, match=said) as refused:
        serialize_value(value)

    assert SECRET not in str(refused.value)
    assert isinstance(refused.value, (ProduceError, ValueError))


def test_circular_and_bottomless_values_are_refused() -> None:
    circular: dict[str, object] = {}
    circular["self"] = circular
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(InvalidMessageError, match="Circular"):
        serialize_value(circular)
    with pytest.raises(InvalidMessageError, match="nested too deeply"):
        serialize_value(deep)


@given(JSON_VALUES)
def test_json_that_went_out_comes_back_the_same(value: object) -> None:
    wrapped = {"value": value}

    assert load_deserializer("json")(serialize_value(wrapped) or b"") == wrapped


@pytest.mark.parametrize(
    ("serializer", "value", "expected"),
    [
        ("text", "a", b"a"),
        ("bytes", b"a", b"a"),
        ("json", "a", b'"a"'),
        ("json", {"a": 1}, b'{"a": 1}'),
        (f"{__name__}.shout", "quiet", b"QUIET"),
        ("text", None, None),
        (f"{__name__}.shout", None, None),
    ],
)
def test_a_configured_serializer_decides_but_none_stays_a_tombstone(
    serializer: str, value: object, expected: bytes | None
) -> None:
    assert serialize_value(value, serializer) == expected
    assert serialize_key(value, serializer) == expected


@pytest.mark.parametrize(
    ("serializer", "value", "said"),
    [
        ("bytes", "text", 'value_serializer is "bytes"'),
        ("text", {"a": 1}, 'value_serializer is "text"'),
        (f"{__name__}.refuse", SECRET, "RuntimeError was raised"),
        (f"{__name__}.give_a_number", "x", "returned int"),
    ],
)
def test_what_a_configured_serializer_refuses_is_refused_at_the_call(serializer: str, value: object, said: str) -> None:
    with pytest.raises(InvalidMessageError, match=said) as refused:
        serialize_value(value, serializer)

    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("path", ["nowhere.at.all", "plain", f"{__name__}.NOT_CALLABLE", f"{__name__}.absent"])
def test_a_deserializer_that_cannot_be_used_is_a_configuration_error(path: str) -> None:
    with pytest.raises(ConfigurationError, match=path.rpartition(".")[2]):
        load_deserializer(path)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("text", "Käse".encode(), "Käse"),
        ("text", b"", ""),
        ("bytes", b"\xff", b"\xff"),
        ("json", b' {"a": [1.5, -2e3]}\n', {"a": [1.5, -2000.0]}),
        ("json", b"7", 7),
        ("json", rb'"\ud83d\ude00 and \\ud800"', "\U0001f600 and \\ud800"),
        (f"{__name__}.shout", b"x", "B'X'"),
    ],
)
def test_a_deserializer_reads_what_it_is_named_for(name: str, data: bytes, expected: object) -> None:
    assert load_deserializer(name)(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"",
        b" ",
        b'{"a": ',
        b"{} {}",
        b"NaN",
        b"[-Infinity]",
        b"1e400",
        b"[-1e400]",
        b"1" * 5000,
        rb'{"a": "\ud800"}',
        rb'{"\uDFFF": 1}',
        b"'a'",
        b"[1,]",
    ],
)
def test_bad_json_raises(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_deserializer("json")(data)


def test_json_nested_without_end_raises_instead_of_crashing() -> None:
    with pytest.raises(RecursionError):
        load_deserializer("json")(b"[" * 100_000)


def test_text_that_is_not_utf_8_raises() -> None:
    with pytest.raises(UnicodeDecodeError):
        load_deserializer("text")(b"\xed\xa0\x80")


def test_headers_keep_their_order_and_repetitions() -> None:
    given_pairs = [("a", "1"), ("b", b"\xff"), ("a", None), ("c", bytearray(b"x")), ("", "")]

    assert normalize_headers(given_pairs) == [("a", b"1"), ("b", b"\xff"), ("a", None), ("c", b"x"), ("", b"")]
    assert normalize_headers({"ä": "ü"}) == [("ä", "ü".encode())]
    assert normalize_headers(None) == normalize_headers({}) == []


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"attempts": 3}, "'attempts' is of type int"),
        ([("trace", True)], "'trace' is of type bool"),
        ([("a", "1"), ("b",)], r"headers\[1\] is no"),
        (["ab"], r"headers\[0\] is no"),
        ([(b"a", "1")], r"headers\[0\] is of type bytes"),
        ([("a\0b", "1")], "NUL"),
        ([("\ud800", "1")], "lone surrogate"),
        ([("a", "\ud800" + SECRET)], "'a' holds a lone surrogate"),
        ("a=1", "headers is of type str"),
        (5, "headers is of type int"),
    ],
)
def test_headers_kafka_cannot_carry_are_refused_by_name(headers: object, said: str) -> None:
    with pytest.raises(InvalidMessageError, match=said) as refused:
        normalize_headers(headers)

    assert SECRET not in str(refused.value)


@given(st.lists(st.tuples(st.text(), st.none() | st.binary())))
def test_stored_headers_come_back_the_same(headers: list[tuple[str, bytes | None]]) -> None:
    stored = json.loads(json.dumps(dump_headers(headers)))

    assert load_headers(stored) == headers
