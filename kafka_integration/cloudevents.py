"""CloudEvents 1.0 in the binary mode of its Kafka binding: the headers of an event, and what tells a repeat."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.conf import settings as django_settings

from .conf.settings import Settings
from .errors import InvalidMessageError
from .headers import Headers
from .message import Message
from .serialization import as_text

SPEC_VERSION = b"1.0"
CONTENT_TYPE = "content-type"


def with_event_headers(given: Headers, event_type: str, settings: Settings, value: Any) -> Headers:
    """The headers that make a message an event, before those that were given, of which any wins."""
    ours = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": str(uuid4()).encode(),
        "ce_type": event_type.encode(),
        "ce_source": (settings.outbox.source or _default_source()).encode(),
        "ce_time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode(),
    }
    if content_type := _content_type(as_text(value), settings.producer.value_serializer):
        ours[CONTENT_TYPE] = content_type
    for name, value in given:
        # What consumers tell repeats by; with an empty one they would take all events for one.
        if name == "ce_id" and not value:
            raise InvalidMessageError("The header ce_id is empty: leave it out, or give each event an id of its own.")
        ours.pop(CONTENT_TYPE if name.lower() == CONTENT_TYPE else name, None)
    return [*ours.items(), *given]


def _content_type(value: Any, serializer: str | None) -> bytes | None:
    """CloudEvents' ``datacontenttype``: none of a tombstone, and none where a function of the project writes it."""
    if value is None or serializer not in (None, "json", "text", "bytes"):
        return None
    if serializer == "json" or not isinstance(value, str | bytes | bytearray | memoryview):
        return b"application/json"
    return b"text/plain; charset=utf-8" if isinstance(value, str) else b"application/octet-stream"


def _default_source() -> str:
    """The project: the package of its root urlconf."""
    return f"/{getattr(django_settings, 'ROOT_URLCONF', '').partition('.')[0] or 'django'}"


def identity_of(message: Message) -> str:
    """What two appearances of one event share: the CloudEvents source and id, else the place in the topic."""
    source, event_id = message.header("ce_source"), message.header("ce_id")
    if source and event_id:
        # Hashed: the headers are whatever someone sent, of any length and any bytes.
        return "ce:" + hashlib.sha256(source + b"\0" + event_id).hexdigest()
    return f"{message.partition}:{message.offset}"
