"""Which databases have an outbox."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.db import DatabaseError, connections, router

from ..conf.backends import VENDORS, vendor_of
from ..conf.settings import Settings
from ..models import OutboxMessage

# A service, a search path in OPTIONS, or the user's own schema may lead to other tables. Two relays of one outbox do no
# harm, as one of them stands by; none would.
_PLACE = ("ENGINE", "HOST", "PORT", "NAME", "USER", "OPTIONS")


def is_read_only(alias: str, error: DatabaseError) -> bool:
    """Whether a database refused a write with ``error`` because it takes none, as a replica does."""
    connection = connections[alias]
    if connection.vendor != "postgresql":
        return "readonly database" in str(error)
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return bool(cursor.fetchone()[0] == "on")


def find_outboxes(settings: Settings) -> list[str]:
    """The databases in which something may be published: each once, under its first alias."""
    roundabout = set(settings.outbox.direct_aliases.values())
    found: dict[tuple[str, ...], str] = {}
    for alias in django_settings.DATABASES:
        is_wanted = vendor_of(alias) in VENDORS and router.allow_migrate_model(alias, OutboxMessage)
        if is_wanted and alias not in roundabout:
            place = tuple(str(connections[alias].settings_dict.get(name, "")) for name in _PLACE)
            found.setdefault(place, alias)
    return list(found.values())
