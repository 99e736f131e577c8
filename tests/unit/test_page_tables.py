"""Tables of hundreds of rows, which pages make without a template: escaped, named and labelled like the others."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin import AdminSite, site
from django.template import Context, RequestContext, Template
from django.test import RequestFactory
from django.urls import path
from django.utils.html import escape
from django.utils.safestring import mark_safe
from django.utils.translation import override

from kafka_integration.admin.lists import listed
from kafka_integration.admin.pages import PAGES
from kafka_integration.admin.pages.registration import register_pages
from kafka_integration.admin.pages.tables import NUMBER, Column, Row, table

MARKUP = "<script>alert('x')</script>"
PARTITION = {"topic": MARKUP, "partition": 3, "position": 1234, "lag": None, "reason": None}

own_site = AdminSite(name="library")
register_pages(own_site, PAGES)
urlpatterns = [path("admin/", site.urls), path("library/", own_site.urls)]


def owned(**partition) -> str:
    template = Template('{% load kafka_tables %}{% owned_partitions partitions 7 "mails" %}')
    return template.render(Context({"partitions": [{**PARTITION, **partition}], "processes_url": "/processes/"}))


def test_cells_labels_and_names_are_escaped_unless_they_are_markup():
    shown = table(
        [Column(label=MARKUP), Column(label=MARKUP, look=NUMBER)],
        [Row(id='"' + MARKUP, cells=(MARKUP, mark_safe("<b>1</b>")))],
    )

    assert "<script" not in shown
    assert '<td data-label="&lt;script' in shown
    assert '<tr id="&quot;&lt;script' in shown
    assert "<b>1</b>" in shown


def test_a_row_without_a_cell_for_a_column_is_a_mistake():
    with pytest.raises(ValueError, match="shorter"):
        table([Column(label="a"), Column(label="b")], [Row(cells=("a",))])


def test_a_name_that_a_process_gives_is_harmless_and_what_it_does_not_know_is_unknown():
    page = owned(state=None)

    assert "<script" not in page
    assert re.findall(r">([^<>\n]+)</", page)[-4:] == [f"{escape(MARKUP)}[3]", "1234", "unknown", "unknown"]


def test_a_stuck_partition_has_the_way_to_its_message_beside_its_state():
    page = owned(topic="orders", state="stuck", stuck_offset=17, busy_seconds=90.0)

    assert "stuck at offset 17" in page
    assert re.search(r'href="[^"]*messages/orders/\?partition=3&amp;start=17"', page)


@pytest.mark.urls(__name__)
def test_in_an_admin_of_the_projects_own_that_way_stays_there():
    request = RequestFactory().get("/library/")
    request.current_app = "library"
    template = Template("{% load kafka_tables %}{% owned_partitions partitions 7 'c' %}")
    stuck = {**PARTITION, "topic": "orders", "state": "stuck", "stuck_offset": 17}

    page = template.render(RequestContext(request, {"partitions": [stuck]}))

    assert 'href="/library/kafka_integration/messages/orders/?partition=3&amp;start=17"' in page


def test_a_worker_of_another_version_that_says_less_is_shown_as_far_as_it_says():
    template = Template("{% load kafka_tables %}{% owned_partitions partitions 7 'c' %}")

    assert "unknown" in template.render(Context({"partitions": [{"topic": "orders", "partition": 1}]}))


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "a, b, +3"), ("de", "a, b, +3"), ("ja", "a、b、+3"), ("zh-hans", "a、b、+3")]
)
def test_names_stand_beside_each_other_as_the_language_writes_them(language, shown):
    with override(language):
        assert listed(["a", "b", "+3"]) == shown
