"""The magazine: what visitors see, and what the site saves of it."""

from __future__ import annotations

from html import escape
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from activitylog.models import Article, Banner, BannerClick, SearchQuery
from tests.factories import ArticleFactory, BannerFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def seeds() -> None:
    """What the migration brings, whatever tests before have flushed."""
    for model in (Article, Banner):
        model.objects.all().delete()
    seeding = import_module("activitylog.migrations.0002_first_articles_and_banners")
    seeding.add(apps, SimpleNamespace(connection=connection))


@pytest.mark.usefixtures("seeds")
def test_a_fresh_site_has_articles_and_banners_with_pictures(client: Client) -> None:
    page = client.get("/")

    assert Article.objects.count() >= 4
    assert Banner.objects.count() >= 3
    for article in Article.objects.all():
        assert client.get(article.get_absolute_url()).status_code == 200
        assert article.title in page.text
    for banner in Banner.objects.all():
        assert escape(banner.title) in page.text
        assert "<svg" in client.get(banner.get_absolute_url()).text


def test_a_page_that_names_no_icon_has_the_sites(client: Client) -> None:
    assert client.get("/favicon.ico").headers["Location"].endswith(".svg")


def test_a_search_finds_articles_and_is_saved_with_its_user(client: Client) -> None:
    ArticleFactory(title="Of beetles", slug="of-beetles")
    user = UserFactory()
    client.force_login(user)

    page = client.get("/search/", {"q": "BEETLES"})

    assert "Of beetles" in page.text
    assert [(query.term, query.user) for query in SearchQuery.objects.all()] == [("BEETLES", user)]


def test_a_guest_searches_as_nobody(client: Client) -> None:
    client.get("/search/", {"q": "castle"})

    assert SearchQuery.objects.get().user is None


@pytest.mark.parametrize("term", ["", "   ", "x" * 101, "a\0b"])
def test_a_search_for_nothing_or_too_much_is_refused_and_not_saved(client: Client, term: str) -> None:
    response = client.get("/search/", {"q": term})

    assert response.status_code == 400
    assert 'class="error"' in response.text
    assert not SearchQuery.objects.exists()


def test_what_a_browser_fetches_ahead_of_time_is_no_search(client: Client) -> None:
    client.get("/search/", {"q": "castle"}, headers={"Sec-Purpose": "prefetch;prerender"})
    client.head("/search/", {"q": "castle"})

    assert not SearchQuery.objects.exists()


def test_what_was_searched_for_is_shown_escaped(client: Client) -> None:
    page = client.get("/search/", {"q": "<script>alert(1)</script>"})

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


def test_a_click_on_a_banner_is_saved_and_leads_to_its_offer(client: Client) -> None:
    banner = BannerFactory(slug="beds")
    user = UserFactory()
    client.force_login(user)

    response = client.post("/banners/beds/click/")

    assert response.headers["Location"] == "/banners/beds/"
    assert [(click.banner, click.user) for click in BannerClick.objects.all()] == [(banner, user)]


def test_only_a_post_is_a_click(client: Client) -> None:
    BannerFactory(slug="beds")

    assert client.get("/banners/beds/click/").status_code == 405
    assert client.post("/banners/unknown/click/").status_code == 404
    assert Client(enforce_csrf_checks=True).post("/banners/beds/click/").status_code == 403
    assert not BannerClick.objects.exists()


def test_each_banner_on_a_page_is_a_view_and_its_offer_is_none(client: Client) -> None:
    Banner.objects.all().delete()
    banner = BannerFactory(slug="beds")

    client.get("/")
    client.get("/search/")
    client.get("/banners/beds/")

    banner.refresh_from_db()
    assert banner.views == 2


def test_signing_up_makes_an_account_and_logs_it_in(client: Client) -> None:
    form = {"username": "gregor", "password1": "six-legs-and-a-back", "password2": "six-legs-and-a-back"}

    response = client.post("/accounts/signup/", form)

    assert response.headers["Location"] == "/"
    assert client.session["_auth_user_id"] == str(get_user_model().objects.get(username="gregor").pk)


def test_a_weak_password_makes_no_account(client: Client) -> None:
    response = client.post("/accounts/signup/", {"username": "gregor", "password1": "1234", "password2": "1234"})

    assert "too short" in response.text
    assert not get_user_model().objects.exists()


def test_logging_in_and_out(client: Client) -> None:
    user = UserFactory()

    client.post("/accounts/login/", {"username": user.username, "password": "beetle-beetle"})
    assert f'Log out <span class="who">{user.username}</span>' in client.get("/").text
    client.post("/accounts/logout/")

    assert "Log in" in client.get("/").text


def test_an_unknown_page_looks_like_the_site(client: Client) -> None:
    response = client.get("/articles/nothing/")

    assert response.status_code == 404
    assert "No such page" in response.text
