"""What visitors do becomes an event in the same transaction."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import Client

from activitylog.models import Banner, SearchQuery
from kafka_integration.testing import captured_messages, deliver
from tests.factories import BannerClickFactory, BannerFactory, SearchQueryFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_a_login_is_an_event_with_the_user_s_id_and_no_name(client: Client) -> None:
    user = UserFactory()

    with captured_messages() as messages:
        client.post("/accounts/login/", {"username": user.username, "password": "beetle-beetle"})

    (message,) = messages.all()
    assert (message.topic, message.key) == ("login", str(user.pk))
    assert message.json()["user"] == user.pk
    assert user.username not in str(message.value)


def test_a_failed_login_is_none(client: Client) -> None:
    user = UserFactory()

    with captured_messages() as messages:
        client.post("/accounts/login/", {"username": user.username, "password": "wrong"})

    assert messages.all() == []


def test_signing_up_is_a_login_too(client: Client) -> None:
    form = {"username": "gregor", "password1": "six-legs-and-a-back", "password2": "six-legs-and-a-back"}

    with captured_messages() as messages:
        client.post("/accounts/signup/", form)

    assert [message.topic for message in messages.all()] == ["login"]


def test_a_search_is_an_event(client: Client) -> None:
    user = UserFactory()
    client.force_login(user)

    with captured_messages() as messages:
        client.get("/search/", {"q": "snow"})

    (message,) = messages.all()
    query = SearchQuery.objects.get()
    assert (message.topic, message.key) == ("search_term", str(user.pk))
    assert message.json() == {
        "term": "snow",
        "user": user.pk,
        "at": query.at.isoformat().replace("+00:00", "Z")[:-4] + "Z",
    }
    assert message.header("ce_type") == b"activitylog.searchquery.created"


def test_a_click_is_an_event_and_a_guest_s_has_no_key(client: Client) -> None:
    banner = BannerFactory()

    with captured_messages() as messages:
        client.post(f"/banners/{banner.slug}/click/")

    (message,) = messages.all()
    assert (message.topic, message.key) == ("banner_click", None)
    assert (message.json()["banner"], message.json()["user"]) == (banner.pk, None)


def test_what_is_rolled_back_is_no_event() -> None:
    with captured_messages() as messages, transaction.atomic():
        SearchQueryFactory()
        transaction.set_rollback(True)

    assert messages.all() == []


def test_a_view_of_a_banner_and_a_change_of_a_row_are_no_events(client: Client) -> None:
    query, click = SearchQueryFactory(), BannerClickFactory()

    with captured_messages() as messages:
        client.get("/")
        query.save()
        click.delete()
        Banner.objects.all().delete()

    assert messages.all() == []


@pytest.mark.parametrize(
    ("factory", "consumers"),
    [
        (SearchQueryFactory, ["search-trends", "active-users"]),
        (BannerClickFactory, ["marketing", "active-users"]),
    ],
)
def test_the_services_understand_what_the_site_publishes(factory: type, consumers: list[str]) -> None:
    with captured_messages() as messages:
        factory()
    (message,) = messages.all()

    for consumer in consumers:
        outcome = deliver(consumer, message.value_bytes, key=message.key, headers=message.headers, topic=message.topic)

        assert outcome.status == "handled", outcome.exception


@pytest.mark.parametrize("factory", [SearchQueryFactory, BannerClickFactory])
def test_an_admin_publishes_chosen_rows_again(admin_client: Client, factory: type) -> None:
    chosen, _other = factory(), factory()
    url = f"/admin/activitylog/{chosen._meta.model_name}/"

    with captured_messages() as messages:
        response = admin_client.post(url, {"action": "publish_selected", "_selected_action": [chosen.pk]}, follow=True)

    assert response.status_code == 200
    (message,) = messages.all()
    assert message.key == str(chosen.user_id)


def test_every_table_is_in_the_admin(admin_client: Client) -> None:
    SearchQueryFactory()
    BannerClickFactory()
    page = admin_client.get("/admin/").text

    for path in (
        *("activitylog/article/", "activitylog/banner/", "activitylog/searchquery/", "activitylog/bannerclick/"),
        *("activitylog/bannertally/", "activitylog/lastact/", "activitylog/arrival/", "trends/termcount/"),
    ):
        assert f"/admin/{path}" in page
        assert admin_client.get(f"/admin/{path}").status_code == 200
