"""The tables behind the guarantees: outbox, relay lease, stored offsets and what is finished beyond them, dead letters,
handled messages.

Lowest floor: this module imports nothing of the package. The rules that fill these tables live in
``producing`` and ``consuming``.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class OutboxMessage(models.Model):
    """A published message that the relay has not seen acknowledged yet.

    ``headers`` is what ``headers.dump_headers`` writes. A row with ``refused_at`` was refused by Kafka: it holds
    back the later rows of its topic and key until it is retried or discarded.
    """

    topic = models.CharField(_("topic"), max_length=249)
    key = models.BinaryField(_("key"), null=True)
    value = models.BinaryField(_("value"), null=True)
    headers = models.JSONField(_("headers"), default=list)
    partition = models.IntegerField(_("partition"), null=True)
    timestamp_ms = models.BigIntegerField(_("timestamp"), null=True)
    # The database's clock, as for the lease: the age of a row must not depend on who asks.
    created_at = models.DateTimeField(_("published at"), db_default=Now(), editable=False)
    refused_at = models.DateTimeField(_("refused at"), null=True)
    refusal = models.TextField(_("reason of the refusal"), blank=True)

    class Meta:
        verbose_name = _("outbox message")
        verbose_name_plural = _("outbox messages")
        ordering = ("id",)
        # Few rows are ever refused, and each look for work asks for them.
        indexes = (
            models.Index(
                fields=("refused_at",), condition=models.Q(refused_at__isnull=False), name="kafka_integration_refusals"
            ),
        )
        permissions = (
            ("retry_outboxmessage", _("Can retry refused outbox messages")),
            ("discard_outboxmessage", _("Can discard outbox messages")),
            ("view_payload_outboxmessage", _("Can see keys, values and headers of outbox messages")),
        )

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"


class RelayLease(models.Model):
    """Which relay is the active one of this database, and until when (by the database's clock)."""

    name = models.CharField(primary_key=True, max_length=64)
    holder = models.CharField(max_length=200, blank=True)
    epoch = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("relay lease")
        verbose_name_plural = _("relay leases")

    def __str__(self) -> str:
        return f"{self.name} held by {self.holder or 'nobody'}"


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

    # Two numbers a row and one index, because there is a row for each message. No constraint: each row would lock the
    # partition's, and one that outlives it says nothing, as ids are not given out again.
    pk = models.CompositePrimaryKey("stored_id", "offset")
    stored = models.ForeignKey(StoredOffset, models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    offset = models.BigIntegerField(_("offset"))

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


class DeadLetter(models.Model):
    """A message whose handling failed for good, kept whole, so that it can be seen and replayed.

    ``headers`` is what ``headers.dump_headers`` writes. All times are the database's clock's.
    """

    class State(models.TextChoices):
        PARKED = "parked", _("parked")
        REPLAY = "replay", _("replay requested")
        HANDLED = "handled", _("handled by a replay")
        DISCARDED = "discarded", _("discarded")

    consumer = models.CharField(_("consumer"), max_length=200)
    group = models.CharField(_("consumer group"), max_length=249)
    topic = models.CharField(_("topic"), max_length=249)
    topic_id = models.CharField(_("topic id"), max_length=36, blank=True)
    partition = models.IntegerField(_("partition"))
    offset = models.BigIntegerField(_("offset"))
    key = models.BinaryField(_("key"), null=True)
    value = models.BinaryField(_("value"), null=True)
    headers = models.JSONField(_("headers"), default=list)
    timestamp_ms = models.BigIntegerField(_("timestamp"), null=True)
    timestamp_type = models.CharField(_("timestamp type"), max_length=6, null=True)  # noqa: DJ001 - None is Kafka's
    attempts = models.PositiveIntegerField(_("attempts"), default=1)
    exception = models.CharField(_("exception"), max_length=255)
    reason = models.TextField(_("reason"), blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PARKED)
    failed_at = models.DateTimeField(_("failed at"), db_index=True)
    replayed_at = models.DateTimeField(_("last replayed at"), null=True)
    settled_at = models.DateTimeField(_("settled at"), null=True)
    leased_until = models.DateTimeField(_("being replayed until"), null=True)
    lease_holder = models.CharField(_("being replayed by"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("group", "topic", "topic_id", "partition", "offset"), name="kafka_integration_one_dead_letter"
            ),
        )
        indexes = (
            models.Index(fields=("group", "failed_at"), name="kafka_integration_dead_rate"),
            # What waits for somebody, in the order of the lists. An index of all states would be taken for any of the
            # others by a planner that knows nothing of the table.
            models.Index(
                fields=("id",), condition=models.Q(state__in=("parked", "replay")), name="kafka_integration_unsettled"
            ),
            # Consumers look for requested replays every second, and there are hardly ever any.
            models.Index(
                fields=("group", "topic", "partition", "id"),
                condition=models.Q(state="replay"),
                name="kafka_integration_replays",
            ),
            models.Index(
                fields=("settled_at",), condition=models.Q(settled_at__isnull=False), name="kafka_integration_settled"
            ),
        )
        permissions = (
            ("replay_deadletter", _("Can replay dead letters")),
            ("discard_deadletter", _("Can discard dead letters")),
            ("purge_deadletter", _("Can purge settled dead letters")),
            ("view_payload_deadletter", _("Can see keys, values and headers of dead letters")),
        )

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset} of {self.group}"


class HandledMessage(models.Model):
    """A message that took effect, remembered so that its repeat is recognised."""

    group = models.CharField(max_length=249)
    topic_id = models.CharField(max_length=249)
    identity = models.CharField(max_length=500)
    handled_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("handled message")
        verbose_name_plural = _("handled messages")
        constraints = (
            models.UniqueConstraint(fields=("group", "topic_id", "identity"), name="kafka_integration_handled_once"),
        )

    def __str__(self) -> str:
        return f"{self.group}: {self.identity}"
