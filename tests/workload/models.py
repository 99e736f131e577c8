"""What handlers leave behind."""

from __future__ import annotations

from django.db import models


class Effect(models.Model):
    """One handling that took effect. No unique constraint: a message handled twice leaves two rows."""

    topic = models.TextField()
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    key = models.TextField(null=True)  # noqa: DJ001 - a null key is not an empty one
    seq = models.IntegerField()
    attempt = models.IntegerField()
    worker = models.IntegerField()
    # Nanoseconds of the machine's monotonic clock, the same for all processes.
    began = models.BigIntegerField()
    ended = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"
