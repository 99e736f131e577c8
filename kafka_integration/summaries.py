"""What a log may say of an exception, how text that others wrote is shown, and many partitions in few words."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from .errors import KafkaIntegrationError

MOST_LOGGED = 1000


def summarize(error: BaseException) -> str:
    """What a log may say: our own errors whole, of others class and place."""
    if isinstance(error, KafkaIntegrationError):
        return shortened(text_of(error))
    frames = traceback.extract_tb(attribute_of(error, "__traceback__"))
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    # A handler may have made the class for what a message says.
    return f"{escaped(type(error).__qualname__)}{place}"


def escaped(text: str, *, keep: str = "") -> str:
    """Text in which nothing is left that a terminal obeys: control, direction and other invisible characters."""
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


def shortened(text: str) -> str:
    """As much of a text as a line of a log has room for."""
    return text if len(text) <= MOST_LOGGED else f"{text[:MOST_LOGGED]}… ({len(text)} characters in all)"


def attribute_of(error: BaseException, name: str) -> Any:
    """What it has under this name; None where it has nothing, or can't say it."""
    try:
        return getattr(error, name, None)
    except Exception:  # noqa: BLE001 - user code; that a message failed must not be kept from being dealt with by it
        return None


def members_of(error: BaseException) -> list[BaseException]:
    """The exceptions of a group; none of any other."""
    members = attribute_of(error, "exceptions") if isinstance(error, BaseExceptionGroup) else None
    return [member for member in members or () if isinstance(member, BaseException)]


def reason_of(decision: BaseException) -> str:
    """The reason that a ``Skip`` or ``Reject`` gives, if it can."""
    try:
        return str(getattr(decision, "reason", ""))
    except Exception:  # noqa: BLE001 - user code; a message must not be kept from being parked by its reason
        return ""


def text_of(error: BaseException) -> str:
    """What it says of itself, if it can."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - user code; a message must not be kept from being parked by its reason
        return ""


def names_of_partitions(places: Iterable[tuple[str, int]]) -> str:
    """``login[0-3], search_term[1]``: short, however many there are."""
    numbers: dict[str, list[int]] = {}
    for topic, number in places:
        numbers.setdefault(topic, []).append(number)
    return ", ".join(f"{topic}[{ranges(sorted(found))}]" for topic, found in sorted(numbers.items()))


def ranges(numbers: Sequence[int]) -> str:
    """``0-3,5``, of numbers in their order."""
    runs = groupby(enumerate(numbers), lambda place: place[1] - place[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(run) for _, run in runs)]
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)
