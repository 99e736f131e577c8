"""The tables of what is published in transactions: the outbox, and the lease of its relay."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..summaries import escaped


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
        return escaped(f"{self.topic} #{self.pk}")


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
