"""Dead letters as people and programs read them: nothing in a payload can steer a terminal or a page."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.utils.translation import gettext

from ..cells import NONE
from ..headers import read_headers
from ..local_times import aware, local, spoken_moment
from ..models import DeadLetter
from ..summaries import escaped
from .standings import NO_REPLAY, Standing, has_failed_again, standing_of

SHOWN_BYTES = 10_000
BRIEF = 100


def as_json(letter: DeadLetter) -> dict[str, Any]:
    """What ``list --json`` prints: text where it is UTF-8, ``{"base64": …}`` where it is not."""
    return {
        "id": letter.pk,
        "consumer": letter.consumer,
        "group": letter.group,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": text_or_base64(letter.key),
        "value": text_or_base64(letter.value),
        "headers": _headers_as_json(letter.headers),
        "attempts": letter.attempts,
        "exception": letter.exception,
        "at": _moment(letter, letter.failed_at),
    }


def as_full_json(letter: DeadLetter) -> dict[str, Any]:
    """What ``show --json`` prints: all there is."""
    return {
        **as_json(letter),
        "state": letter.state,
        "topic_id": letter.topic_id,
        "timestamp_ms": letter.timestamp_ms,
        "timestamp_type": letter.timestamp_type,
        "reason": letter.reason,
        "traceback": letter.traceback,
        "replayed_at": _moment(letter, letter.replayed_at),
        "settled_at": _moment(letter, letter.settled_at),
        "standing": str(standing_of(letter)),
    }


def _moment(letter: DeadLetter, value: datetime | None) -> str | None:
    return None if value is None else aware(value, letter._state.db or DEFAULT_DB_ALIAS).isoformat()


def as_line(letter: DeadLetter, *, names_database: bool) -> str:
    """One line of ``list``, without the payload."""
    reason = f": {start}" if (start := beginning_of_reason(letter)) else ""
    standing = Standing.FAILED_AGAIN.label if has_failed_again(letter) else letter.get_state_display()
    state = "" if standing == DeadLetter.State.PARKED.label else f" ({standing})"
    return escaped(
        f"{letter.pk}  {_here(letter, letter.failed_at)}  {letter.consumer}  "
        f"{letter.topic}[{letter.partition}]@{letter.offset}  {letter.attempts}x  {letter.exception}{reason}{state}"
        + (f"  --database {letter._state.db}" if names_database else "")
    )


def as_page(letter: DeadLetter) -> Iterator[str]:
    """The lines of ``show``."""
    standing = standing_of(letter)
    facts = {
        "dead letter": f"{letter.pk}, {letter.get_state_display()}",
        "consumer": f"{letter.consumer}, group {letter.group}",
        "message": f"{letter.topic}[{letter.partition}]@{letter.offset}",
        "failed at": f"{_here(letter, letter.failed_at)}, attempts: {letter.attempts}",
        "replayed at": NONE if letter.replayed_at is None else _here(letter, letter.replayed_at),
        **({} if standing in NO_REPLAY else {"outcome": str(standing.label)}),
        "exception": letter.exception,
        "reason": letter.reason or "not kept",
        "key": legible(letter.key),
        **_headers_as_facts(letter.headers),
        "value": legible(letter.value),
    }
    for name, fact in facts.items():
        yield escaped(f"{name}: {fact}")
    yield from map(escaped, letter.traceback.splitlines())


def _here(letter: DeadLetter, moment: datetime) -> str:
    return spoken_moment(local(moment, letter))


def brief(text: str) -> str:
    """As much of a text as a list has room for, in one line."""
    return escaped(text if len(text) <= BRIEF else f"{text[:BRIEF]}…")


def with_beginning_of_reason(letters: QuerySet[Any]) -> QuerySet[Any]:
    """As much of each reason as ``beginning_of_reason`` needs, which may have to do without the whole."""
    beginning: QuerySet[Any] = letters.annotate(reason_start=Left("reason", BRIEF + 1))
    return beginning


def beginning_of_reason(letter: DeadLetter) -> str:
    """What a list shows of why it failed."""
    return brief(letter.reason_start if hasattr(letter, "reason_start") else letter.reason)


def legible(data: bytes | memoryview | None, *, keep: str = "") -> str:
    """Bytes as text without control characters (but those to ``keep``), in hexadecimal where they are not UTF-8."""
    if data is None:
        return gettext("(null)")
    whole = bytes(data)
    shown = whole[:SHOWN_BYTES]
    text = _decoded(shown, is_whole=len(shown) == len(whole))
    rest = " … " + gettext("(%d bytes in all)") % len(whole) if len(whole) > len(shown) else ""
    if text is None:
        return f"{shown.hex(' ')}{rest} {gettext('(hexadecimal: not UTF-8)')}"
    return f"{escaped(text, keep=keep)}{rest}" if text else gettext("(empty)")


def _decoded(data: bytes, *, is_whole: bool) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # Cut off within a character, which is no fault of the text.
        if not is_whole and error.start > len(data) - 4:
            return data[: error.start].decode()
        return None


def _headers_as_json(dumped: Any) -> Any:
    headers = read_headers(dumped)
    # What others wrote is shown as it is.
    return dumped if headers is None else [[name, text_or_base64(value)] for name, value in headers]


def _headers_as_facts(dumped: Any) -> dict[str, str]:
    headers = read_headers(dumped)
    if headers is None:
        return {"headers": legible(json.dumps(dumped).encode())}
    return {f"header {name}": legible(value) for name, value in headers}


def text_or_base64(data: bytes | memoryview | None) -> str | dict[str, str] | None:
    """Text where it is UTF-8, ``{"base64": …}`` where it is not."""
    if data is None:
        return None
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}
