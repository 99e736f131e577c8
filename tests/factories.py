"""Rows of the reference project, made with factory-boy."""

from __future__ import annotations

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone
from factory.django import DjangoModelFactory, Password

from activitylog import models
from activitylog.trends.models import TermCount


class UserFactory(DjangoModelFactory):
    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"visitor-{n}")
    password = Password("beetle-beetle")


class ArticleFactory(DjangoModelFactory):
    class Meta:
        model = models.Article

    title = factory.Sequence(lambda n: f"Article {n}")
    slug = factory.Sequence(lambda n: f"article-{n}")
    summary = "What it is about."
    body = "What it says."


class BannerFactory(DjangoModelFactory):
    class Meta:
        model = models.Banner

    title = factory.Sequence(lambda n: f"Banner {n}")
    slug = factory.Sequence(lambda n: f"banner-{n}")
    tagline = "Buy this."
    offer = "It is good."
    art = models.Banner.Art.CASTLE


class SearchQueryFactory(DjangoModelFactory):
    class Meta:
        model = models.SearchQuery

    term = factory.Sequence(lambda n: f"term {n}")
    user = factory.SubFactory(UserFactory)


class BannerClickFactory(DjangoModelFactory):
    class Meta:
        model = models.BannerClick

    banner = factory.SubFactory(BannerFactory)
    user = factory.SubFactory(UserFactory)


class ArrivalFactory(DjangoModelFactory):
    class Meta:
        model = models.Arrival

    service = "active-users"
    event_id = factory.Sequence(lambda n: f"event-{n}")
    topic = "search_term"
    partition = 0
    offset = factory.Sequence(lambda n: n)
    user_id = 1
    subject = "castle"
    occurred_at = factory.LazyFunction(timezone.now)


class LastActFactory(DjangoModelFactory):
    class Meta:
        model = models.LastAct

    user_id = factory.Sequence(lambda n: n + 1)
    at = factory.LazyFunction(timezone.now)
    topic = "search_term"


class TermCountFactory(DjangoModelFactory):
    class Meta:
        model = TermCount

    term = factory.Sequence(lambda n: f"term {n}")
    minute = factory.LazyFunction(lambda: timezone.now().replace(second=0, microsecond=0))
    searches = 1
