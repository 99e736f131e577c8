"""Keys and values to bytes and back.

Going out, what can't be written faithfully is refused, never converted: NaN, lone surrogates, JSON keys that are
not strings. Coming in, a deserializer raises whatever it likes; ``Message`` says whether the bytes can't be read, or
can't be read now, because a schema can't be had.

JSON is the standard library's and Django's. The extra ``fast`` (msgspec) does what comes out the same, and leaves them
the rest: what it refuses, and what it would write otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

from .codecs import Field, PlacedCodec, SerializationContext, load_codec
from .errors import InvalidMessageError, SerializationUnavailableError
from .headers import Headers, normalize_headers
from .unavailability import description_of, unavailability_of

Deserializer = Callable[[bytes], Any] | PlacedCodec


def knows_place(serializer: str | None) -> bool:
    """Whether this one is to be told topic, field and headers, as ``serialize_message`` does."""
    return serializer is not None and "." in serializer and isinstance(load_codec(serializer), PlacedCodec)


def serialize_message(
    topic: str,
    key: Any,
    value: Any,
    headers: Headers,
    *,
    key_serializer: str | None,
    value_serializer: str | None,
) -> tuple[bytes | None, bytes | None]:
    """The bytes of a key and a value on their way to a topic; their serializers may add to the ``headers``."""
    # In this order, which rules of a schema registry count on.
    key_context = SerializationContext(topic, "key", headers)
    key_bytes = serialize_key(key, key_serializer, key_context)
    value_bytes = serialize_value(value, value_serializer, SerializationContext(topic, "value", headers))
    headers[:] = normalize_headers(headers)
    return key_bytes, value_bytes


def serialize_value(
    value: Any, serializer: str | None = None, context: SerializationContext | None = None
) -> bytes | None:
    """The bytes of a message's value; None is a tombstone and stays None.

    Without a ``serializer`` str and bytes go as they are and anything else as JSON.
    """
    if value is None or (serializer is None and type(value) is bytes):
        return value
    return _plain(value, "value") if serializer is None else _serialize(value, "value", serializer, context)


def serialize_key(key: Any, serializer: str | None = None, context: SerializationContext | None = None) -> bytes | None:
    """The bytes of a message's key; None is no key. Without a ``serializer`` int and UUID become their ``str()``."""
    if key is None or (serializer is None and type(key) is bytes):
        return key
    if serializer is not None:
        return _serialize(key, "key", serializer, context)
    if type(key) is str:
        return _plain(key, "key")
    if isinstance(key, bool):
        raise InvalidMessageError(
            "The key is a bool, which is neither text nor a number here: give a str, int or UUID."
        )
    if isinstance(key, int):
        return _number(key)
    return _plain(str(key) if isinstance(key, UUID) else key, "key")


def as_text(item: Any) -> Any:
    """The text of one that is translated, or made, only when it is needed; anything else as it is."""
    return str(item) if isinstance(item, Promise) else item


def load_deserializer(name: str) -> Deserializer:
    """What turns bytes into a key or value; ``name`` is "text", "json", "bytes" or a dotted path."""
    return _DESERIALIZERS.get(name) or load_codec(name)


def decode(data: bytes, deserializer: str, context: SerializationContext) -> Any:
    """What one deserializer, by its name or dotted path, makes of bytes; raises whatever it likes."""
    loaded = load_deserializer(deserializer)
    return loaded(data, context) if isinstance(loaded, PlacedCodec) else loaded(data)


def decode_json(data: bytes) -> Any:
    """The JSON document in ``data``, read strictly: UTF-8, finite numbers, no lone surrogates."""
    if _fast is not None:
        try:
            return _fast.decode(data)
        except Exception:  # noqa: BLE001 - the standard library reads it, or says what is wrong
            pass
    text = data.decode()
    try:
        # Half the time of decode for a small document, but it knows no white space around one.
        document, end = _scan(text, 0)
    except StopIteration:
        document, end = None, -1
    if end != len(text):
        document = _decoder.decode(text)
    # For one character first: to look for two takes ten times as long.
    if "\\" in text and ("\\ud" in text or "\\uD" in text):
        _refuse_lone_surrogates(document)
    return document


def _serialize(item: Any, place: Field, serializer: str, context: SerializationContext | None) -> bytes | None:
    if serializer == "json":
        return _as_json(item, place)
    if serializer in ("text", "bytes"):
        item = as_text(item)
        accepted = (str, bytes) if serializer == "text" else (bytes, bytearray, memoryview)
        if not isinstance(item, accepted):
            raise InvalidMessageError(
                f'The {place} is of type {type(item).__name__}, and {place}_serializer is "{serializer}": '
                f"give {'str' if serializer == 'text' else 'bytes'}, or choose another serializer."
            )
        return _plain(item, place)
    return _by_codec(item, place, serializer, context)


def _by_codec(item: Any, place: Field, serializer: str, context: SerializationContext | None) -> bytes | None:
    codec = load_codec(serializer)
    try:
        if isinstance(codec, PlacedCodec):
            result = codec(item, context or SerializationContext("", place, []))
        else:
            result = codec(item)
    except Exception as error:
        if reason := unavailability_of(error):
            raise SerializationUnavailableError(
                f"The {place} can't be written now by {place}_serializer {serializer}: {reason}. Nothing was sent; try "
                "again once the schema registry answers."
            ) from error
        raise InvalidMessageError(
            f"The {place} was refused by {place}_serializer {serializer}: {description_of(error)} was raised."
        ) from error
    if result is None or isinstance(result, bytes):
        return result
    if isinstance(result, str):
        return _plain(result, place)
    raise InvalidMessageError(
        f"{place}_serializer {serializer} returned {type(result).__name__}: it has to return bytes, str or None."
    )


def _plain(item: Any, place: str) -> bytes:
    item = as_text(item)
    if isinstance(item, str):
        try:
            return item.encode()
        except UnicodeEncodeError as error:
            raise _lone_surrogate(place) from error
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    return _as_json(item, place)


def _number(key: int) -> bytes:
    try:
        # Not str(): an int that is an Enum too would give its name.
        return int.__repr__(key).encode()
    except (TypeError, ValueError) as error:
        # Too long, or a lazy object that only looks like an int.
        raise InvalidMessageError(f"The key can't be written: {error}.") from error


def _as_json(item: Any, place: str) -> bytes:
    if _fast is not None:
        try:
            if _comes_out_the_same(item):
                return _fast.encode(item)
        except Exception:  # noqa: BLE001 - the standard library writes it, or says what is wrong
            pass
    try:
        written = _encode(item).encode()
    except UnicodeEncodeError as error:
        raise _lone_surrogate(place) from error
    except RecursionError as error:
        raise InvalidMessageError(f"The {place} is nested too deeply for JSON.") from error
    except (TypeError, ValueError) as error:
        raise InvalidMessageError(
            f"The {place} can't be written as JSON: {error}. "
            "Give str, bytes, None, or what DjangoJSONEncoder can write."
        ) from error
    # After encoding, which has refused what is circular or too deep.
    _refuse_keys_that_are_not_strings(item, place)
    return written


def _comes_out_the_same(item: Any) -> bool:
    """Whether the fast writer writes every byte as the standard one does; it writes more types, and some otherwise."""
    values: Iterable[Any]
    if type(item) is dict:
        if item and {*map(type, item)} != _STR:
            return False
        values = item.values()
    else:
        values = item if type(item) in _ARRAYS else (item,)
    kinds = {*map(type, values)}
    if kinds <= _LEAVES:
        return True
    if not kinds <= _FAST_TYPES:
        return False
    for value in values:
        kind = type(value)
        if kind is float:
            # Others Python writes with an exponent; NaN is none of these.
            if not (1e-4 <= value < 1e16 or -1e16 < value <= -1e-4 or value == 0):
                return False
        elif kind not in _LEAVES and not _comes_out_the_same(value):
            return False
    return True


def _refuse_keys_that_are_not_strings(item: Any, place: str) -> None:
    containers = [item]
    for container in containers:
        inside = container
        if isinstance(container, dict):
            for key in container:
                if not isinstance(key, str):
                    raise InvalidMessageError(
                        f"The {place} has a JSON key of type {type(key).__name__}: JSON keys are strings, "
                        "and a converted one would come back as another. Use str keys."
                    )
            inside = container.values()
        elif not isinstance(container, (list, tuple)):
            continue
        containers.extend([child for child in inside if isinstance(child, (dict, list, tuple))])


def _lone_surrogate(place: str) -> InvalidMessageError:
    return InvalidMessageError(
        f"The {place} holds a lone surrogate, which UTF-8 can't carry: "
        'clean the text, for example with .encode("utf-8", "replace").'
    )


def _refuse_lone_surrogates(document: Any) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a string holds a lone surrogate") from error


def _finite(number: str) -> float:
    result = float(number)
    if result in (float("inf"), float("-inf")):
        raise ValueError("a number is too large for a float")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class _FastJson(NamedTuple):
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


def _load_fast_json() -> _FastJson | None:
    try:
        import msgspec
    except ImportError:
        return None
    encode, form = msgspec.json.Encoder().encode, msgspec.json.format
    # Formatted, so that a message has the same bytes with the extra and without.
    return _FastJson(msgspec.json.Decoder().decode, lambda item: form(encode(item), indent=0))


_fast = _load_fast_json()
_ARRAYS = (list, tuple)
_LEAVES = frozenset({str, int, bool, type(None)})
_FAST_TYPES = _LEAVES | {float, dict, list, tuple}
_STR = frozenset({str})
_encode = DjangoJSONEncoder(ensure_ascii=False, allow_nan=False).encode
_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]  # typeshed lacks it
_DESERIALIZERS: dict[str, Deserializer] = {"text": bytes.decode, "json": decode_json, "bytes": bytes}
