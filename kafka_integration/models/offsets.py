"""The tables behind exactly-once effects: offsets that a database keeps, what is finished beyond them, their fences."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class StoredOffset(models.Model):
    """The next offset of a group's partition, saved in the transaction of the handler's writes."""

    group = models.CharField(_("consumer group"), max_length=249)
    topic = models.CharField(_("topic"), max_length=249)
    topic_id = models.CharField(_("topic id"), max_length=36, blank=True)
    partition = models.IntegerField(_("partition"))
    next_offset = models.BigIntegerField(_("next offset"))
    epoch = models.BigIntegerField(_("epoch"), default=0)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("stored offset")
        verbose_name_plural = _("stored offsets")
        constraints = (
            models.UniqueConstraint(
                fields=("group", "topic", "topic_id", "partition"), name="kafka_integration_one_offset"
            ),
        )

    def __str__(self) -> str:
        return f"{self.group}: {self.topic}[{self.partition}] next {self.next_offset}"


class FinishedOffset(models.Model):
    """A message that is finished above its partition's stored offset, saved in the transaction of its effects.

    Rows at or above the stored offset are what a claim leaves out; those below it may be deleted at any time.
    """

    # Three numbers a row and one index, because there is a row for each message. No constraint: each row would lock the
    # partition's, and one that outlives it says nothing, as ids are not given out again.
    pk = models.CompositePrimaryKey("stored_id", "offset")
    stored = models.ForeignKey(StoredOffset, models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    offset = models.BigIntegerField(_("offset"))
    leader_epoch = models.IntegerField(_("leader epoch"), null=True)
    """Which leader of the partition wrote it: what a later one wrote at this offset is another message."""

    class Meta:
        verbose_name = _("finished offset")
        verbose_name_plural = _("finished offsets")

    def __str__(self) -> str:
        return f"{self.offset} beyond stored offset #{self.stored_id}"


class OffsetFence(models.Model):
    """One of the rows that lanes lock from saving to COMMIT, and that a claim raises: so it waits for them.

    Several, so that lanes don't wait for each other; with the epoch of the partition's row.
    """

    pk = models.CompositePrimaryKey("stored_id", "slot")
    stored = models.ForeignKey(StoredOffset, models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    slot = models.SmallIntegerField(_("slot"))
    epoch = models.BigIntegerField(_("epoch"))

    class Meta:
        verbose_name = _("fence of an offset")
        verbose_name_plural = _("fences of offsets")

    def __str__(self) -> str:
        return f"fence {self.slot} of stored offset #{self.stored_id}"
