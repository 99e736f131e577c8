from __future__ import annotations

from django.db import transaction

from activitylog.arrivals import read_event, record_arrival
from kafka_integration import Message

from .models import count_search


@transaction.atomic
def search_trends(message: Message) -> None:
    """Counts a search."""
    event = read_event(message, subject="term")
    if record_arrival("search-trends", message, event):
        count_search(event.subject, event.occurred_at)
