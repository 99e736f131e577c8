"""What an operator does with rows of the outbox: send a refused one again, or give one up."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from ..models import OutboxMessage
from .publish import announce


def retry(ids: Sequence[int], using: str) -> list[int]:
    """Let refused rows be sent again, before whatever their keys held back; the ids of those that were refused."""
    with transaction.atomic(using=using, savepoint=False):
        refused = OutboxMessage.objects.using(using).filter(pk__in=ids, refused_at__isnull=False)
        changed = list(refused.order_by("pk").values_list("pk", flat=True))
        OutboxMessage.objects.using(using).filter(pk__in=changed).update(refused_at=None, refusal="")
        announce(using)
    return changed


def discard(ids: Sequence[int], using: str) -> list[int]:
    """Give rows up: they never leave, unless the relay is sending them just now; the ids of those there were."""
    with transaction.atomic(using=using, savepoint=False):
        rows = OutboxMessage.objects.using(using).filter(pk__in=ids)
        changed = list(rows.order_by("pk").values_list("pk", flat=True))
        OutboxMessage.objects.using(using).filter(pk__in=changed).delete()
        announce(using)
    return changed
