"""How far events have got, in the words of people."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

STATES: dict[str, Promise] = {
    "in_outbox": _("in the outbox"),
    "refused": _("refused by Kafka"),
    "relayed": _("relayed"),
    "handled": _("handled"),
    "dead_letter": _("dead letter"),
    "replayed": _("handled by a replay"),
    "discarded": _("discarded"),
    "not_reached": _("not reached yet"),
    "in_hand": _("a handler has it in hand"),
    "unknown": _("unknown"),
}
"""Of an event, and of each group that reads its topic."""
