"""What every page of the operator has from the base: who may see it, what may be done on it, what a browser may run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.exceptions import BadRequest
from django.core.management import call_command
from django.test import Client
from django.urls import include, path, reverse
from django.utils import translation
from django.utils.formats import number_format

import kafka_integration
from kafka_integration.admin.pages.operation import Done, Operation
from kafka_integration.admin.pages.page import FRAGMENT_HEADER, Page
from kafka_integration.admin.pages.registration import register_pages
from kafka_integration.errors import KafkaIntegrationError
from kafka_integration.models import OutboxMessage
from kafka_integration.templatetags.kafka_pages import known, moment, offset
from tests.dead_letters import make_letter

pytestmark = pytest.mark.django_db

TEMPLATES = Path(kafka_integration.__file__).parent / "templates"

OVERVIEW = reverse("admin:kafka_integration_overview")


class ShelfPage(Page):
    """A page that somebody else wrote: of one shelf, on which books can be put."""

    name = "shelf"
    title = "Shelf"
    route = "<kafka_name:shelf>/"
    live_template = "admin/kafka_integration/pages/overview.html"
    operations = {"put": Operation(label="Put", permission="control_processes")}

    def context(self) -> dict[str, Any]:
        if self.kwargs["shelf"] == "broken":
            raise KafkaIntegrationError("the shelf <broken> has no boards: buy some")
        self.parameter("order", "title", known=("title", "author"))
        return {}

    def put(self) -> Done:
        book = self.parameter("book")
        if book == "heavy":
            raise KafkaIntegrationError("the book is too heavy: take the other shelf")
        return Done(text=f"{book} was put there.", subject=f"shelf {self.kwargs['shelf']}", logged=f"{book} put")


class ShelvesPage(Page):
    name = "shelves"
    title = "All shelves"
    live_template = "admin/kafka_integration/pages/overview.html"


ShelfPage.parent = ShelvesPage

own_site = AdminSite(name="library")
register_pages(own_site, (ShelvesPage, ShelfPage))
urlpatterns = [path("library/", own_site.urls), path("", include("activitylog.urls"))]


@pytest.fixture
def library(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    return


def sign_in(client: Client, *codenames: str) -> User:
    user = User.objects.create_user("operator", password="x", is_staff=True)
    permissions = Permission.objects.filter(content_type__app_label="kafka_integration", codename__in=codenames)
    assert permissions.count() == len(codenames)
    user.user_permissions.set(permissions)
    client.force_login(user)
    return user


def shelf(name: str = "novels", operation: str = "") -> str:
    url = f"admin:kafka_integration_shelf{'_' if operation else ''}{operation}"
    return reverse(url, args=[name], current_app="library")


def test_a_page_asks_for_its_permission(client: Client) -> None:
    sign_in(client)
    without = client.get(OVERVIEW).status_code
    client.logout()
    user = User.objects.get()
    user.user_permissions.add(Permission.objects.get(codename="view_operations"))
    client.force_login(user)

    allowed = client.get(OVERVIEW).status_code

    assert (without, allowed) == (403, 200)


def test_who_is_not_signed_in_is_led_to_the_sign_in_page(client: Client) -> None:
    response = client.get(OVERVIEW)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")


def test_a_page_stands_among_the_links_of_the_index_for_those_who_may_see_it(client: Client) -> None:
    sign_in(client, "view_deadletter")
    without = client.get(reverse("admin:index")).content.decode()
    User.objects.get().user_permissions.add(Permission.objects.get(codename="view_operations"))

    allowed = client.get(reverse("admin:index")).content.decode()
    of_the_app = client.get(reverse("admin:app_list", args=["kafka_integration"])).content.decode()

    assert OVERVIEW not in without
    assert f'href="{OVERVIEW}"' in allowed
    assert f'href="{OVERVIEW}"' in of_the_app


def test_a_page_links_to_the_others_that_its_user_may_see(client: Client) -> None:
    sign_in(client, "view_operations", "view_deadletter")

    page = client.get(OVERVIEW).content.decode()

    links = links_in(page)
    assert f'href="{OVERVIEW}" aria-current="page"' in links
    assert reverse("admin:kafka_integration_deadletter_changelist") in links
    assert reverse("admin:kafka_integration_outboxmessage_changelist") not in links


def links_in(page: str) -> str:
    return page[page.index('class="kafka-links"') :].partition("</nav>")[0]


@pytest.mark.parametrize("model_name", ["deadletter", "outboxmessage"])
def test_lists_of_rows_and_rows_have_the_same_links_as_pages(client: Client, model_name: str) -> None:
    sign_in(client, "view_operations", f"view_{model_name}")
    list_url = reverse(f"admin:kafka_integration_{model_name}_changelist")
    row = make_letter() if model_name == "deadletter" else OutboxMessage.objects.create(topic="t", headers=[])

    of_a_page, of_the_list, of_a_row = (
        links_in(client.get(url).content.decode())
        for url in (OVERVIEW, list_url, reverse(f"admin:kafka_integration_{model_name}_change", args=[row.pk]))
    )

    plain = re.sub(' aria-current="[a-z]+"', "", of_a_page)
    assert f'href="{OVERVIEW}"' in plain
    assert of_the_list == plain.replace(f'"{list_url}"', f'"{list_url}" aria-current="page"')
    assert of_a_row == plain.replace(f'"{list_url}"', f'"{list_url}" aria-current="true"')


def test_a_page_below_another_marks_that_one_among_its_links(client: Client) -> None:
    sign_in(client, "view_operations")

    page = client.get(reverse("admin:kafka_integration_topic", args=["orders"])).content.decode()

    assert f'href="{reverse("admin:kafka_integration_topics")}" aria-current="true"' in links_in(page)


@pytest.mark.parametrize("url", [OVERVIEW, f"{OVERVIEW}?database=nowhere&page=%00&x[]=1", f"{OVERVIEW}?_popup=1"])
def test_a_page_has_a_policy_that_forbids_scripts_and_styles_of_its_own(client: Client, url: str) -> None:
    sign_in(client, "view_operations")

    response = client.get(url)

    policy = response.headers["Content-Security-Policy"]
    assert response.status_code == 200
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert all(" src=" in tag for tag in page.split("<script")[1:])


@pytest.mark.parametrize("name", ["deadletter", "outboxmessage"])
def test_lists_and_rows_have_the_same_policy(client: Client, name: str) -> None:
    sign_in(client, f"view_{name}")

    response = client.get(reverse(f"admin:kafka_integration_{name}_changelist"))

    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_static_files_of_another_host_are_allowed_by_the_policy(client: Client, settings: Any) -> None:
    sign_in(client, "view_operations")
    settings.STATIC_URL = "https://files.example:8443/static/"

    policy = client.get(OVERVIEW).headers["Content-Security-Policy"]

    assert "script-src 'self' https://files.example:8443;" in policy


def test_what_changes_by_itself_can_be_fetched_alone(client: Client) -> None:
    sign_in(client, "view_operations")

    fragment = client.get(OVERVIEW, headers={FRAGMENT_HEADER: "1"}).content.decode()

    assert 'id="consumers"' in fragment
    assert "<html" not in fragment


@pytest.mark.usefixtures("library")
def test_a_page_works_in_an_admin_of_the_projects_own(client: Client) -> None:
    sign_in(client, "view_operations")

    page = client.get(shelf("novels")).content.decode()

    assert shelf("novels").startswith("/library/kafka_integration/shelf/")
    assert 'href="/library/kafka_integration/shelves/">All shelves</a>' in page
    assert 'href="/admin/' not in page


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", ["novels", "a/b", "ä ö?#%", "two\nlines", "..", "put"])
def test_a_page_may_be_about_anything_that_has_a_name(client: Client, name: str) -> None:
    sign_in(client, "view_operations")

    assert client.get(shelf(name)).status_code == 200


@pytest.mark.usefixtures("library")
def test_a_name_that_nothing_can_have_is_not_found(client: Client) -> None:
    sign_in(client, "view_operations")

    assert client.get("/library/kafka_integration/shelf/a%00b/").status_code == 404


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("query", ["order=size", "order=title&order=author", "order=%00", f"order={'x' * 2000}"])
def test_a_parameter_that_no_link_has_is_a_bad_request(client: Client, query: str) -> None:
    sign_in(client, "view_operations")

    response = client.get(f"{shelf()}?{query}")

    assert response.status_code == 400
    assert isinstance(response.context.get("exception") if response.context else BadRequest(), BadRequest)


@pytest.mark.usefixtures("library")
def test_an_error_of_ours_is_shown_in_place_of_what_it_keeps_from_being_shown(client: Client) -> None:
    sign_in(client, "view_operations")

    response = client.get(shelf("broken"))

    assert response.status_code == 200
    assert "the shelf &lt;broken&gt; has no boards: buy some" in response.content.decode()


@pytest.mark.usefixtures("library")
class TestOperations:
    def test_one_is_carried_out_by_post_and_leaves_a_trace(self, client: Client) -> None:
        user = sign_in(client, "view_operations", "control_processes")

        response = client.post(shelf("novels", "put"), {"book": "The Castle"}, follow=True)

        entry = LogEntry.objects.get()
        assert response.redirect_chain == [(shelf("novels"), 302)]
        assert "The Castle was put there." in response.content.decode()
        assert (entry.user, entry.object_repr, entry.change_message) == (user, "shelf novels", "The Castle put")

    def test_one_that_is_refused_says_why_and_leaves_no_trace(self, client: Client) -> None:
        sign_in(client, "view_operations", "control_processes")

        response = client.post(shelf("novels", "put"), {"book": "heavy"}, follow=True)

        assert "The book is too heavy: take the other shelf" in response.content.decode()
        assert not LogEntry.objects.exists()

    @pytest.mark.parametrize("held", [["view_operations"], ["control_processes"]])
    def test_one_asks_for_its_permission_and_for_that_of_its_page(self, client: Client, held: list[str]) -> None:
        sign_in(client, *held)

        response = client.post(shelf("novels", "put"), {"book": "The Castle"})

        assert response.status_code == 403
        assert not LogEntry.objects.exists()

    def test_one_asks_for_the_token_of_its_form(self) -> None:
        client = Client(enforce_csrf_checks=True)
        sign_in(client, "view_operations", "control_processes")

        assert client.post(shelf("novels", "put"), {"book": "The Castle"}).status_code == 403
        assert not LogEntry.objects.exists()

    def test_one_is_not_carried_out_by_get(self, client: Client) -> None:
        sign_in(client, "view_operations", "control_processes")

        response = client.get(shelf("novels", "put"), {"book": "The Castle"})

        assert (response.status_code, response.headers["Allow"]) == (405, "POST")
        assert not LogEntry.objects.exists()

    def test_a_page_itself_takes_no_post(self, client: Client) -> None:
        sign_in(client, "view_operations", "control_processes")

        assert client.post(shelf("novels")).status_code == 405


def test_no_page_has_another_sign_than_a_hyphen_for_what_there_is_none_of() -> None:
    dashes = {page: re.findall("[\N{EN DASH}\N{EM DASH}]", page.read_text()) for page in TEMPLATES.rglob("*.html")}

    assert len(dashes) > 20
    assert not any(dashes.values())


@pytest.mark.parametrize(("value", "shown"), [(None, "unknown"), (0, "0"), (1234567, "1234567")])
def test_an_offset_is_shown_as_it_is_typed(value: int | None, shown: str) -> None:
    assert re.sub("<[^>]*>", "", offset(value)) == shown


def test_a_moment_has_its_zone_also_where_the_project_has_no_zones(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"

    aware = moment(datetime(2026, 3, 1, 9, 12, 44, tzinfo=UTC))
    naive = moment(datetime(2026, 3, 1, 18, 12, 44))  # noqa: DTZ001 - as without USE_TZ

    assert aware == naive == '<time datetime="2026-03-01T18:12:44+09:00">2026-03-01 18:12:44 JST</time>'


def test_what_stands_in_each_row_of_a_table_is_translated_once() -> None:
    """A table may have a row for each of 500 partitions."""
    pages = TEMPLATES.rglob("*.html")
    found = {page.name: re.findall(r'data-label="{% translate[^%]*%}"', page.read_text()) for page in pages}

    assert {name: labels for name, labels in found.items() if labels} == {}


@pytest.mark.parametrize("number", [0, 7, 999, 1000, 1234567, -1, True])
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_numbers_are_shown_as_django_shows_them(number: int, language: str) -> None:
    with translation.override(language):
        assert known(number) == number_format(int(number), 0, force_grouping=True)


def test_pages_make_no_migration_permission_or_content_type() -> None:
    call_command("makemigrations", "kafka_integration", check=True, dry_run=True, verbosity=0)

    assert not Permission.objects.filter(codename__contains="overview").exists()
    assert not Permission.objects.filter(content_type__model="overview").exists()
