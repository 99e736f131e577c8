"""The services marketing and active-users: what each makes of the events it reads.

Their consumers store the offset in the handler's transaction (``"offset_storage": "database"``), so each message
counts exactly once; ``record_arrival`` recognises an event that the relay published twice.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from kafka_integration import Message

from .arrivals import read_event, read_id, record_arrival
from .models import BannerTally, LastAct

SUBJECTS = {"search_term": "term", "banner_click": "banner"}


@transaction.atomic
def marketing(message: Message) -> None:
    """Counts a click on a banner."""
    event = read_event(message, subject="banner")
    banner_id = read_id(event.subject, "banner")
    if record_arrival("marketing", message, event):
        BannerTally.objects.update_or_create(
            banner_id=banner_id, defaults={"clicks": F("clicks") + 1}, create_defaults={"clicks": 1}
        )


@transaction.atomic
def active_users(message: Message) -> None:
    """Notes that a user did something, whatever it was; a guest is nobody in particular."""
    event = read_event(message, subject=SUBJECTS.get(message.topic))
    if not record_arrival("active-users", message, event) or event.user_id is None:
        return
    # Three topics have no order among them: a later act may already be noted.
    LastAct.objects.update_or_create(
        user_id=event.user_id,
        defaults={"at": Greatest("at", event.occurred_at), "topic": message.topic, "acts": F("acts") + 1},
        create_defaults={"at": event.occurred_at, "topic": message.topic, "acts": 1},
    )
