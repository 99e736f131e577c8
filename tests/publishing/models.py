"""The truth that the outbox is measured by."""

from __future__ import annotations

from django.db import models


class Account(models.Model):
    """What writers lock before they publish, as whoever needs order between overlapping transactions has to."""

    name = models.CharField(max_length=20, unique=True)
    seq = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Published(models.Model):
    """One message that was published by a transaction that committed: written by that transaction."""

    key = models.CharField(max_length=20)
    seq = models.IntegerField()
    event_id = models.CharField(max_length=40)

    def __str__(self) -> str:
        return f"{self.key} #{self.seq}"
