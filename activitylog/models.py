"""What the site keeps, and what the marketing and active-users services make of its events.

The site writes the first four tables, the services the last three; search trends has tables of its own in
``activitylog.trends``.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from kafka_integration import publishes


class Article(models.Model):
    """Something to read and to search for."""

    title = models.CharField(max_length=120)
    slug = models.SlugField(unique=True)
    summary = models.CharField(max_length=240)
    body = models.TextField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("article", args=[self.slug])


class Banner(models.Model):
    """An advertisement. Its views are counted here, by the web, for click-through; they are no events."""

    class Art(models.TextChoices):
        BED = "bed", "a bed"
        CASTLE = "castle", "a castle"
        LETTER = "letter", "a letter"
        TRAIN = "train", "a night train"

    title = models.CharField(max_length=60)
    slug = models.SlugField(unique=True)
    tagline = models.CharField(max_length=120)
    offer = models.TextField()
    art = models.CharField(max_length=12, choices=Art)
    views = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("banner", args=[self.slug])

    @property
    def artwork(self) -> str:
        """The template with the banner's picture."""
        return f"activitylog/art/{self.art}.svg"


@publishes("search_term", fields=("term", "user", "at"), on=("created",), key="user")
class SearchQuery(models.Model):
    """What somebody searched for; saving one publishes it in the same transaction."""

    term = models.CharField(max_length=100)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "search queries"
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.term


@publishes("banner_click", fields=("banner", "user", "at"), on=("created",), key="user")
class BannerClick(models.Model):
    """Somebody's click on a banner; saving one publishes it in the same transaction."""

    banner = models.ForeignKey(Banner, models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.banner} #{self.pk}"


class BannerTally(models.Model):
    """Marketing's own count of a banner's clicks. It knows the banner by the id in the event, nothing else."""

    banner_id = models.BigIntegerField(unique=True)
    clicks = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = "banner tally (marketing)"
        verbose_name_plural = "banner tallies (marketing)"

    def __str__(self) -> str:
        return f"banner {self.banner_id}: {self.clicks}"


class LastAct(models.Model):
    """Active-users' own record of when a user last did something, and how often in all."""

    user_id = models.BigIntegerField(unique=True)
    at = models.DateTimeField(db_index=True)
    topic = models.CharField(max_length=249)
    acts = models.PositiveBigIntegerField(default=1)

    class Meta:
        verbose_name = "last act (active users)"
        verbose_name_plural = "last acts (active users)"

    def __str__(self) -> str:
        return f"user {self.user_id}: {self.topic}"


class Arrival(models.Model):
    """An event as one service got it, written in the transaction of what the service made of it.

    The live page shows these rows alone, so what it shows has been through Kafka. ``event_id`` is the
    CloudEvents id, or the coordinates of a message without one: an event that the relay sent twice arrives
    twice under one id, and counts once.
    """

    service = models.CharField(max_length=40)
    event_id = models.CharField(max_length=200)
    topic = models.CharField(max_length=249)
    partition = models.PositiveIntegerField()
    offset = models.PositiveBigIntegerField()
    user_id = models.BigIntegerField(null=True)
    subject = models.CharField(max_length=100)
    occurred_at = models.DateTimeField()
    arrived_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("service", "event_id"), name="activitylog_arrives_once"),)

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset} at {self.service}"
