"""``KafkaTestMixin``: what a test says of the messages that its code sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import ndiff
from pprint import pformat
from typing import Any

from ..codecs import SerializationContext
from ..conf import get_settings
from ..errors import InvalidMessageError
from ..headers import GivenHeaders, Headers, normalize_headers
from ..serialization import decode_json, knows_place, serialize_key, serialize_value
from .capturing import CapturedMessage, CapturedMessages, captured_messages

# unittest leaves frames of this module out of a failure's traceback.
__unittest = True

_MOST_SHOWN = 20


class _Anything:
    def __repr__(self) -> str:
        return "<anything>"


ANYTHING = _Anything()


class KafkaTestMixin:
    """Adds ``assertPublishes`` to a ``SimpleTestCase``, or any class that is derived from it."""

    @contextmanager
    def assertPublishes(  # noqa: N802 - as unittest and Django name theirs
        self,
        topic: str,
        value: Any = ANYTHING,
        key: Any = ANYTHING,
        headers: GivenHeaders | None = None,
        *,
        count: int | None = None,
    ) -> Iterator[CapturedMessages]:
        """Fails unless the block sends such a message to ``topic``, by ``publish`` or ``produce`` or their kin.

        Value and key are given as for those; a value that is no text is compared as JSON, and ``mock.ANY`` may stand
        for any part of it. Left out they may be anything. Others than these ``headers`` may be there. ``count`` is how
        many such messages there have to be, 0 for none; without it one or more. Gives what was sent, by topic. No
        broker is needed; what was published and rolled back doesn't count. Only the thread of the test may call it.
        """
        expected = _Expected(topic, value, key, normalize_headers(headers))
        with captured_messages() as captured:
            yield captured
        found = sum(not expected.differences(message) for message in captured.all())
        if found != count if count is not None else not found:
            raise AssertionError(_failure(expected, count, found, captured.all()))


@dataclass(frozen=True)
class _Expected:
    topic: str
    value: Any
    key: Any
    headers: Headers

    def differences(self, message: CapturedMessage) -> list[str]:
        """In which of its parts a message is another one."""
        parts = {
            "topic": message.topic == self.topic,
            "key": self.key is ANYTHING or self._has_key(message),
            "value": self.value is ANYTHING or self._has_value(message),
            "headers": all(header in message.headers for header in self.headers),
        }
        return [name for name, is_same in parts.items() if not is_same]

    def json(self) -> Any:
        """The value as it comes out of JSON."""
        try:
            return decode_json(serialize_value(self.value) or b"")
        except (InvalidMessageError, ValueError):
            # It holds mock.ANY.
            return self.value

    def _has_key(self, message: CapturedMessage) -> bool:
        context = SerializationContext(self.topic, "key", [])
        return message.key_bytes == serialize_key(self.key, get_settings().producer.key_serializer, context)

    def _has_value(self, message: CapturedMessage) -> bool:
        serializer = get_settings().producer.value_serializer
        is_plain = self.value is None or isinstance(self.value, (str, bytes, bytearray, memoryview))
        if is_plain or knows_place(serializer):
            context = SerializationContext(self.topic, "value", [])
            return message.value_bytes == serialize_value(self.value, serializer, context)
        is_json, document = _document(message)
        return is_json and bool(self.json() == document)

    def __str__(self) -> str:
        parts = {"key": self.key, "value": self.value, "headers": self.headers or ANYTHING}
        given = [f"{name} {part!r}" for name, part in parts.items() if part is not ANYTHING]
        return f"to {self.topic}" + (f" with {', '.join(given)}" if given else "")


def _failure(expected: _Expected, count: int | None, found: int, sent: list[CapturedMessage]) -> str:
    wanted = "at least one message" if count is None else f"{count} message{'' if count == 1 else 's'}"
    if not sent:
        return f"{wanted} {expected} should have been sent: nothing was."
    # The nearest first: what was meant is hardly ever the one that differs in everything.
    ordered = sorted(sent, key=lambda message: (message.topic != expected.topic, len(expected.differences(message))))
    lines = [f"{wanted} {expected} should have been sent: {found} of {len(sent)} are. Sent, the nearest first:"]
    lines += [f"  {_described(expected, message)}" for message in ordered[:_MOST_SHOWN]]
    if len(ordered) > _MOST_SHOWN:
        lines.append(f"  and {len(ordered) - _MOST_SHOWN} more")
    return "\n".join(lines + ([] if found else _diff(expected, ordered[0])))


def _described(expected: _Expected, message: CapturedMessage) -> str:
    differences = expected.differences(message)
    verdict = f"another {' and '.join(differences)}" if differences else "is one"
    headers = f" headers={message.headers!r}" if "headers" in differences else ""
    return f"{message.topic} key={message.key!r} value={message.value!r}{headers} ({verdict})"


def _diff(expected: _Expected, nearest: CapturedMessage) -> list[str]:
    """Line by line what is another in a JSON value of the topic, - as expected and + as sent."""
    is_json, document = _document(nearest)
    if expected.differences(nearest)[:1] == ["topic"] or not is_json or not isinstance(expected.value, (dict, list)):
        return []
    wanted, sent = (pformat(each, width=60).splitlines() for each in (expected.json(), document))
    return [] if wanted == sent else ["The nearest one's value (- expected, + sent):", *ndiff(wanted, sent)]


def _document(message: CapturedMessage) -> tuple[bool, Any]:
    try:
        return message.value_bytes is not None, message.json()
    except ValueError:
        return False, None
