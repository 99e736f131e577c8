"""What a log may say of an exception, and how text that others wrote is shown."""

from __future__ import annotations

import traceback

from .errors import KafkaIntegrationError


def summarize(error: BaseException) -> str:
    """What a log may say: our own errors whole, of others class and place."""
    if isinstance(error, KafkaIntegrationError):
        return text_of(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    # A handler may have made the class for what a message says.
    return f"{escaped(type(error).__qualname__)}{place}"


def escaped(text: str, *, keep: str = "") -> str:
    """Text in which nothing is left that a terminal obeys: control, direction and other invisible characters."""
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


def text_of(reason: object) -> str:
    """What it says of itself, if it can."""
    try:
        return str(reason)
    except Exception:  # noqa: BLE001 - user code; a message must not be kept from being parked by its reason
        return ""
