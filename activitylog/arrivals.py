"""Events as the services get them: what they say, and the row that shows on the live page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from kafka_integration import DecodeError, Message, Reject

from .models import Arrival

KEPT_ARRIVALS = 5_000
SWEEP_EVERY = 500


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a message of the site says."""

    user_id: int | None
    subject: str
    occurred_at: datetime


def read_event(message: Message, *, subject: str | None = None) -> Event:
    """Returns the event in the message; one that isn't the site's becomes a dead letter at once.

    ``subject`` names the field that says what it was about: the term, the banner.
    """
    try:
        value = message.json()
    except DecodeError as error:
        # No further attempt will read it better: don't hold up its partition.
        raise Reject(str(error)) from error
    if not isinstance(value, Mapping):
        raise Reject("the value is no JSON object")
    if subject and not isinstance(value.get(subject), (str, int)):
        raise Reject(f"the value has no {subject!r}")
    return Event(
        user_id=None if value.get("user") is None else read_id(value["user"], "user"),
        subject=str(value[subject])[:100] if subject else "",
        occurred_at=_occurred_at(message),
    )


def read_id(value: object, field: str) -> int:
    """Returns a row's id; anything that is none is rejected."""
    # A bool is an int to Python.
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        raise Reject(f"{field!r} is no id")
    return number


def record_arrival(service: str, message: Message, event: Event) -> bool:
    """Writes that the service got the event; False if it had it before, so that it counts once."""
    event_id = message.header("ce_id")
    arrival, is_new = Arrival.objects.get_or_create(
        service=service,
        event_id=event_id.decode("ascii", "replace")[:200] if event_id else f"{message!r} {message.ts}",
        defaults={
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
            "user_id": event.user_id,
            "subject": event.subject,
            "occurred_at": event.occurred_at,
        },
    )
    if arrival.pk % SWEEP_EVERY == 0:
        Arrival.objects.filter(pk__lt=arrival.pk - KEPT_ARRIVALS).delete()
    return is_new


def _occurred_at(message: Message) -> datetime:
    stated = message.header("ce_time")
    try:
        at = parse_datetime(stated.decode("ascii")) if stated else None
    except ValueError:
        at = None
    if at is None:
        return message.timestamp or timezone.now()
    return at if at.tzinfo else at.replace(tzinfo=UTC)
