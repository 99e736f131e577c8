"""What may be kept of an exception: classes, places and code, never values.

A message of somebody else's exception often quotes what it was about ("invalid literal for int(): '4111…'"), so it
is left out; so are local variables. Kept are our own texts, which name places and settings, the reason that a handler
gave with ``Reject``, and a database's error code.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import indent
from types import TracebackType

from ..errors import KafkaIntegrationError
from ..exception_chains import links, sqlstate_of
from ..outcomes import Decision, Reject, Skip
from ..summaries import attribute_of, members_of, reason_of, text_of
from .locations import MAX_LOCATION, location_of
from .source_lines import source_line

FRAMES_AT_EITHER_END = 20
MAX_LINKS = 10
MAX_MEMBERS = 5
MAX_DEPTH = 2
MAX_TEXT = 20_000
KIND_LENGTH = 12

_CAUSE = "\nThe above exception was the direct cause of the following one:\n\n"
_CONTEXT = "\nWhile handling the above exception, another one occurred:\n\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """An exception as it may be stored and shown."""

    exception: str
    """The dotted path of its class, as ``failure_rules`` takes it."""
    reason: str
    traceback: str
    location: str
    """The line of the project's that it came from; empty where none did."""

    def columns(self, consumer: str) -> dict[str, str]:
        """A dead letter's columns about it."""
        return {
            "exception": self.exception,
            "reason": self.reason,
            "traceback": self.traceback,
            "location": self.location,
            "kind": kind_of(consumer, self.exception, self.location),
        }


def describe(error: BaseException) -> Description:
    """What is kept of ``error``, in text that every database takes."""
    return Description(
        exception=storable(f"{type(error).__module__}.{type(error).__qualname__}")[:255],
        reason=storable(_reason(error))[:MAX_TEXT],
        traceback=storable(_shortened("".join(_parts(error)))),
        location=storable(location_of(error))[:MAX_LOCATION],
    )


def kind_of(consumer: str, exception: str, location: str) -> str:
    """A short name for all failures of a consumer with this exception, at this line of the project's."""
    return hashlib.sha256("\0".join((consumer, exception, location)).encode()).hexdigest()[:KIND_LENGTH]


def storable(text: str) -> str:
    """The text without what PostgreSQL or UTF-8 refuse: U+0000 and lone surrogates are written out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _reason(error: BaseException) -> str:
    if isinstance(error, Reject | Skip):
        return reason_of(error)
    if isinstance(error, Decision):
        return "The handler asked for another attempt, and there were none left."
    if isinstance(error, KafkaIntegrationError):
        return text_of(error)
    state = next(filter(None, map(sqlstate_of, links(error))), "")
    return f"SQLSTATE {state}" if state else ""


def _parts(error: BaseException, depth: int = 0) -> Iterator[str]:
    """The chain of exceptions, the oldest first, as Python prints it; of groups their members too."""
    for link, introduction in reversed(_chain(error)):
        yield introduction
        if (tb := attribute_of(link, "__traceback__")) is not None:
            yield "Traceback (most recent call last):\n"
            yield from _frames(tb)
        yield f"{_name(link)}\n"
        for member in members_of(link)[:MAX_MEMBERS]:
            yield f"  of the group: {_name(member)}\n"
            if depth < MAX_DEPTH:
                yield from (indent(part, "    ") for part in _parts(member, depth + 1))


def _chain(error: BaseException) -> list[tuple[BaseException, str]]:
    """The exception and what led to it, each with the words that connect it to the one before."""
    found: list[BaseException] = []
    words: list[str] = []
    link: BaseException | None = error
    while link is not None and len(found) < MAX_LINKS and not any(link is seen for seen in found):
        found.append(link)
        cause = attribute_of(link, "__cause__")
        words.append(_CONTEXT if cause is None else _CAUSE)
        is_hidden = cause is None and attribute_of(link, "__suppress_context__")
        link = cause if cause is not None or is_hidden else attribute_of(link, "__context__")
    words[-1] = ""
    return list(zip(found, words, strict=True))


def _frames(tb: TracebackType) -> Iterator[str]:
    places = [(frame.f_code, number) for frame, number in traceback.walk_tb(tb)]
    left_out = len(places) - 2 * FRAMES_AT_EITHER_END
    for index, (code, number) in enumerate(places):
        if left_out > 0 and index == FRAMES_AT_EITHER_END:
            yield f"  … {left_out} more\n"
        if left_out <= 0 or not FRAMES_AT_EITHER_END <= index < FRAMES_AT_EITHER_END + left_out:
            yield f'  File "{code.co_filename}", line {number}, in {code.co_name}\n'
            line = source_line(code.co_filename, number)
            yield f"    {line}\n" if line else ""


def _name(error: BaseException) -> str:
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _shortened(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters more …\n{text[-half:]}"
