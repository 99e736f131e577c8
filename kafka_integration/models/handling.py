"""The tables of what became of messages: dead letters, and messages that took effect."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..summaries import escaped


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
    # None where a worker of an earlier version wrote the row; "" for a message that is no event.
    # Texts without a length: PostgreSQL takes rows for as wide as those could be, and so for few, until it has counted.
    event_id = models.TextField(_("event id"), null=True, editable=False)  # noqa: DJ001 - see above
    attempts = models.PositiveIntegerField(_("attempts"), default=1)
    exception = models.CharField(_("exception"), max_length=255)
    reason = models.TextField(_("reason"), blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    # None in rows of earlier versions, until somebody asks for kinds (`dead_letters/kinds.py`).
    location = models.TextField(_("place in the code"), null=True, editable=False)  # noqa: DJ001 - see above
    kind = models.CharField(_("kind"), max_length=12, null=True, editable=False)  # noqa: DJ001 - see above
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
            # How many of each kind wait for somebody, from the index alone, and one kind's in the order of pages. By a
            # column that is null until it is settled: SQLite can't see that a state it is given is one of an index's.
            models.Index(
                fields=("kind", "id", "failed_at", "settled_at"),
                condition=models.Q(settled_at__isnull=True),
                name="kafka_integration_kinds",
            ),
            models.Index(fields=("event_id",), name="kafka_integration_dead_events"),
            # What the lists are filtered by, in their order: also where few of a million are meant, or none.
            models.Index(fields=("consumer", "id"), name="kafka_integration_dead_of"),
            models.Index(fields=("group", "id"), name="kafka_integration_dead_in"),
            models.Index(fields=("topic", "id"), name="kafka_integration_dead_topics"),
            models.Index(fields=("exception", "id"), name="kafka_integration_dead_errors"),
            # By what is null, as no query but the lists' says it so, and none of the others is led here.
            models.Index(
                fields=("state", "id"), condition=models.Q(settled_at__isnull=True), name="kafka_integration_open"
            ),
            models.Index(
                fields=("state", "id"), condition=models.Q(settled_at__isnull=False), name="kafka_integration_ended"
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
        return escaped(f"{self.group}: {self.topic}[{self.partition}]@{self.offset}")


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
