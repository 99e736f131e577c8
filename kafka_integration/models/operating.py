"""The tables of operating: which processes run, what was asked of them, and how far groups were behind."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..summaries import escaped


class Process(models.Model):
    """A process of consumers or relays, as it says itself every few seconds; it removes its row when it ends.

    All times are the database's clock's. ``consumers`` is what ``kafkaprocesses list --json`` shows of each.
    """

    class Kind(models.TextChoices):
        CONSUMER = "consumer", _("consumer")
        RELAY = "relay", _("relay")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    host = models.CharField(_("host"), max_length=255)
    pid = models.BigIntegerField(_("process id"))
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    seen_at = models.DateTimeField(_("last seen at"), db_default=Now())
    state = models.CharField(_("state"), max_length=20)
    version = models.CharField(_("version"), max_length=64, db_default="")
    consumers = models.JSONField(_("consumers"), default=list)
    memory_bytes = models.BigIntegerField(_("memory in bytes"), null=True)

    class Meta:
        verbose_name = _("process")
        verbose_name_plural = _("processes")
        ordering = ("id",)
        default_permissions = ()
        permissions = (
            ("view_operations", _("Can see processes, groups, topics and lag")),
            ("view_payloads", _("Can see keys, values and headers of messages")),
            ("control_processes", _("Can pause, quiet, stop and trace processes")),
            ("reset_offsets", _("Can reset the offsets of groups")),
            ("manage_topics", _("Can create and change topics")),
        )

    def __str__(self) -> str:
        return escaped(f"{self.kind} process {self.pid} on {self.host}")


class ProcessCommand(models.Model):
    """Something that was asked of a process, and what came of it: requested → taken → done or failed.

    One that isn't taken in time has failed, and is not carried out later. Where its process was lost, nobody waited
    for it: it stays requested.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", _("requested")
        TAKEN = "taken", _("taken")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    # No constraint: what was asked is kept longer than the row of a process that has ended.
    process = models.ForeignKey(Process, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    name = models.CharField(_("command"), max_length=20)
    arguments = models.JSONField(_("arguments"), default=dict)
    requested_by = models.CharField(_("requested by"), max_length=255, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED)
    answer = models.TextField(_("answer"), blank=True)
    requested_at = models.DateTimeField(_("requested at"), db_default=Now(), db_index=True)
    taken_at = models.DateTimeField(_("taken at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        verbose_name = _("command to a process")
        verbose_name_plural = _("commands to processes")
        ordering = ("id",)
        default_permissions = ()
        # Processes look for them every second, and there are hardly ever any.
        indexes = (
            models.Index(
                fields=("process", "id"),
                condition=models.Q(state="requested"),
                name="kafka_integration_commands",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} to process #{self.process_id}: {self.state}"


class LagSample(models.Model):
    """How far a group was behind at a moment, by the clock of who looked; the older, the fewer of them are kept.

    The group ``""`` is none: its ``positions`` have for each database where its outbox was.

    ``positions`` has for each topic and partition the first offset, where the group was, and the end; it was before the
    first where messages were deleted that it hadn't handled. It is null where nothing was known, and in what is kept
    for longer than an hour.

    ``loss_in_seconds`` was left until retention would take the first message that wasn't handled, where that was soon.
    """

    group = models.CharField(_("consumer group"), max_length=249)
    at = models.DateTimeField(_("at"))
    lag = models.BigIntegerField(_("lag"), null=True)
    time_lag_seconds = models.FloatField(_("time lag in seconds"), null=True)
    positions = models.JSONField(_("positions"), null=True)
    loss_in_seconds = models.FloatField(_("time to the first loss in seconds"), null=True)

    class Meta:
        verbose_name = _("lag of a group")
        verbose_name_plural = _("lags of groups")
        default_permissions = ()
        # Who inserts the row of a moment is the one who looks.
        constraints = (models.UniqueConstraint(fields=("group", "at"), name="kafka_integration_one_lag_sample"),)

    def __str__(self) -> str:
        return f"{self.group} at {self.at:%Y-%m-%d %H:%M:%S}"
