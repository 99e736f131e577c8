"""The operator's pages of topics: what there is, what is wrong, having it changed, and looking at messages."""

from __future__ import annotations

import re
import shlex
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from kafka_integration.client.metadata.topic_layouts import TopicLayouts
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.errors import BrokerUnavailableError
from tests.unit.test_operator_pages import sign_in
from tests.unit.topics import consumer_of, kafka_with

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

TOPICS = reverse("admin:kafka_integration_topics")
TOPIC = reverse("admin:kafka_integration_topic", args=["orders"])
MESSAGES = reverse("admin:kafka_integration_messages", args=["orders"])
APPLY = reverse("admin:kafka_integration_topics_apply")


def page_of(client: Client, url: str, **parameters: str) -> str:
    response = client.get(url, parameters)
    assert response.status_code == 200
    return unescape(response.content.decode())


def digest_in(page: str) -> str:
    return re.search(r'name="plan" value="(\w+)"', page)[1]


@pytest.mark.parametrize("url", [TOPICS, TOPIC, MESSAGES])
def test_the_pages_ask_for_their_permission(url: str, client: Client) -> None:
    sign_in(client, "manage_topics", "view_payloads")

    assert client.get(url).status_code == 403


def test_topics_are_listed_with_what_is_wrong_and_what_to_do(client: Client, settings: Any) -> None:
    memory_broker().create_topic("orders", 4)
    memory_broker().create_topic("foreign", 7)
    settings.KAFKA = kafka_with({"orders": {"partitions": 6}, "later": {"partitions": 2}})
    sign_in(client, "view_operations")

    page = page_of(client, TOPICS)

    assert f'href="{TOPIC}">orders</a>' in page
    assert f'href="{MESSAGES}">Look<' in page
    assert re.search(r'id="topic-foreign">.*?>7<.*?>1<.*?>no<', page, re.DOTALL)
    assert "later</strong>: <span" in page
    assert "orders: add partitions, from 4 to 6" in page
    assert "most keys move to another partition" in page
    assert 'name="plan"' not in page


@pytest.mark.parametrize(
    ("options", "said"),
    [({"partitions": 6}, "from 4 to 6"), ({"partitions": 3}, 'KAFKA["topics"] says 3'), ({"config": {}}, "")],
)
def test_what_differs_from_the_settings_is_said_once(
    options: dict[str, Any], said: str, client: Client, settings: Any
) -> None:
    memory_broker().create_topic("orders", 4)
    settings.KAFKA = kafka_with({"orders": options})
    sign_in(client, "view_operations")

    page = page_of(client, TOPICS)

    items = re.findall(r"<li>(?:<strong>)?orders\b.*?</li>|<li class=.kafka-quiet.>orders\b.*?</li>", page)
    assert len(items) == bool(said)
    assert said in "".join(items)


def test_whoever_may_manage_topics_has_the_plan_carried_out_and_it_is_logged(client: Client, settings: Any) -> None:
    settings.KAFKA = kafka_with({"orders": {"partitions": 6}})
    sign_in(client, "view_operations", "manage_topics")

    response = client.post(APPLY, {"plan": digest_in(page_of(client, TOPICS))}, follow=True)

    assert "1 change made." in response.content.decode()
    assert len(memory_broker().topics["orders"].partitions) == 6
    entry = LogEntry.objects.get()
    assert entry.object_repr == "topics"
    assert entry.change_message == "orders: make it, with 6 partitions and as many replicas as the cluster gives: done"


def test_a_plan_that_changed_since_it_was_seen_is_not_carried_out(client: Client, settings: Any) -> None:
    settings.KAFKA = kafka_with({"orders": {"partitions": 6}})
    sign_in(client, "view_operations", "manage_topics")
    seen = digest_in(page_of(client, TOPICS))
    settings.KAFKA = kafka_with({"orders": {"partitions": 600}})

    response = client.post(APPLY, {"plan": seen}, follow=True)

    assert "What there is to do has changed meanwhile" in response.content.decode()
    assert not memory_broker().topics
    assert not LogEntry.objects.exists()


def test_a_group_that_goes_on_meanwhile_does_not_change_the_plan(client: Client, settings: Any) -> None:
    for _ in range(3):
        memory_broker().produce("orders", "old", partition=0, timestamp_ms=1000)
    settings.KAFKA = kafka_with({"orders": {"config": {"retention.ms": 1000}}}, consumers={"c": consumer_of("orders")})
    sign_in(client, "view_operations", "manage_topics")
    page = page_of(client, TOPICS)
    memory_broker().commit("group", "orders", 0, 2)

    client.post(APPLY, {"plan": digest_in(page)})

    assert "group group has not handled 3 of them" in page
    assert memory_broker().topics["orders"].config == {"retention.ms": "1000"}


def test_changes_that_fail_are_said_and_logged_with_those_that_were_made(client: Client, settings: Any) -> None:
    settings.KAFKA = kafka_with({"orders": {"replication_factor": 3}, "other": {"partitions": 1}})
    sign_in(client, "view_operations", "manage_topics")

    response = client.post(APPLY, {"plan": digest_in(page_of(client, TOPICS))}, follow=True)

    said = response.content.decode()
    assert "1 change made. orders: make it" in said
    assert "failed: topic orders: there are fewer brokers" in said
    assert set(memory_broker().topics) == {"other"}
    assert "other: make it" in LogEntry.objects.get().change_message


def test_nobody_else_has_it_carried_out(client: Client, settings: Any) -> None:
    settings.KAFKA = kafka_with({"orders": {}})
    sign_in(client, "view_operations")

    assert client.post(APPLY, {"plan": "x"}).status_code == 403
    assert not memory_broker().topics


def test_a_topic_has_its_partitions_readers_and_settings(client: Client, settings: Any) -> None:
    memory_broker().create_topic("orders", 2).config["retention.ms"] = "1000"
    for _ in range(3):
        memory_broker().produce("orders", "x", partition=1)
    sign_in(client, "view_operations")
    settings.KAFKA = kafka_with(producer={"topics": ["orders"]}, consumers={"c": consumer_of("orders")})

    page = page_of(client, TOPIC)

    assert re.search("consumer c, group (<a [^>]*>)?group<", page)
    assert "The project writes to it." in page
    assert re.search(r'id="partition-1">.*?>1<.*?>0<.*?>3<', page, re.DOTALL)
    assert re.search(r'id="setting-retention.ms">.*?1000.*?the topic itself', page, re.DOTALL)
    assert page.index("setting-retention.ms") < page.index("setting-cleanup.policy")
    assert f'href="{MESSAGES}"' in page


@pytest.mark.parametrize("url", [TOPIC, MESSAGES])
def test_a_topic_that_is_not_there_is_said_and_not_made(url: str, client: Client) -> None:
    sign_in(client, "view_operations")

    assert "topic orders: there is no such topic" in page_of(client, url)
    assert not memory_broker().topics


def test_a_cluster_that_is_away_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def be_away(asker: TopicLayouts) -> Any:
        raise BrokerUnavailableError("topics of the cluster: no broker can be reached")

    monkeypatch.setattr(TopicLayouts, "ask", be_away)
    sign_in(client, "view_operations")

    for url in (TOPICS, TOPIC, MESSAGES):
        assert "no broker can be reached" in page_of(client, url)


def test_without_the_permission_messages_have_no_payload(client: Client) -> None:
    memory_broker().produce("orders", "secret value", key="secret key", headers=[("secret", "header")], partition=0)
    sign_in(client, "view_operations")

    page = page_of(client, MESSAGES)

    assert 'id="message-0-0"' in page
    assert ">12<" in page
    assert "secret" not in page
    assert client.get(MESSAGES, {"text": "secret"}).status_code == 403
    assert client.get(MESSAGES, {"key": "secret key"}).status_code == 403


def test_with_the_permission_they_have_and_nothing_in_them_is_markup(client: Client) -> None:
    memory_broker().produce("orders", "<script>value</script>\x1b", key="k", headers=[("h", "<b>")], partition=0)
    sign_in(client, "view_operations", "view_payloads")

    page = client.get(MESSAGES).content.decode()

    assert "&lt;script&gt;value&lt;/script&gt;\\x1b" in page
    assert "&lt;b&gt;" in page
    assert "Everything that is there." in page


def test_values_are_shown_as_their_consumer_reads_them(client: Client, settings: Any) -> None:
    memory_broker().produce("orders", '{"id":1,"name":"é"}', partition=0)
    memory_broker().produce("orders", "no json", partition=0)
    settings.KAFKA = kafka_with(consumers={"c": consumer_of("orders", value_deserializer="json")})
    sign_in(client, "view_operations", "view_payloads")

    page = page_of(client, MESSAGES)

    assert '{\n  "id": 1,\n  "name": "é"\n}' in page
    assert re.search("Its consumer can.t decode it: .*no json", page, re.DOTALL)


def test_a_message_has_the_line_that_sends_it_again(client: Client) -> None:
    memory_broker().produce("orders", "it's -- $HOME\n2", key="-k", headers=[("a", "x y")], partition=0)
    sign_in(client, "view_operations", "view_payloads")
    page = page_of(client, MESSAGES)
    line = page[page.index("python manage.py kafkaproduce") : page.index("</pre>", page.index("kafkaproduce"))]

    call_command(*shlex.split(line)[2:])

    first, second = memory_broker().records("orders")
    assert (second.key, second.value, second.headers) == (first.key, first.value, first.headers)


@pytest.mark.parametrize("value", [None, b"\xff", "\x07"])
def test_what_no_line_can_say_has_none(value: Any, client: Client) -> None:
    memory_broker().produce("orders", value, partition=0)
    sign_in(client, "view_operations", "view_payloads")

    page = page_of(client, MESSAGES)

    assert "No line of a shell can send it again" in page
    assert "kafkaproduce" not in page


def test_messages_are_searched_and_what_was_not_looked_at_is_said(client: Client) -> None:
    for number in range(200):
        memory_broker().produce("orders", f"value {number}", key=str(number), partition=0)
    sign_in(client, "view_operations", "view_payloads")

    by_text = page_of(client, MESSAGES, text="value 17", start="earliest")
    by_key = page_of(client, MESSAGES, key="17")
    some = page_of(client, MESSAGES, start="10", partition="0")

    assert by_text.count('id="message-0-') == 11
    assert re.findall(r'id="message-0-(\d+)"', by_key) == ["17"]
    assert re.findall(r'id="message-0-(\d+)"', some) == [str(number) for number in range(10, 60)]
    assert "Partition 0: from offset 10 to before 60, of 0 to 200" in some
    assert 'href="?partition=0&start=60"' in some


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"partition": "x"}, "is a number"),
        ({"partition": "77"}, "there is no partition 77"),
        ({"start": "yesterday"}, "One begins at"),
        ({"start": "2026-13-01T00:00"}, "One begins at"),
        ({"start": "9" * 30}, "is a number"),
    ],
)
def test_what_makes_no_sense_is_said(parameters: dict[str, str], said: str, client: Client) -> None:
    memory_broker().create_topic("orders")
    sign_in(client, "view_operations")

    page = page_of(client, MESSAGES, **parameters)

    assert said in page
    assert next(iter(parameters.values())) in page


def test_of_an_offset_that_was_deleted_it_is_said_that_it_is_no_longer_there(client: Client) -> None:
    sign_in(client, "view_operations")
    for number in range(6):
        memory_broker().produce("orders", f"value {number}", partition=0)
    memory_broker().delete_records("orders", 0, 4)

    gone, there = (page_of(client, MESSAGES, partition="0", start=start) for start in ("3", "4"))

    assert "Offset 3 of partition 0 is no longer there: what is left begins at 4." in gone
    assert "message-0-4" in gone
    assert "no longer there" not in there


def test_a_time_is_one_of_the_projects_zone(client: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    memory_broker().produce("orders", "before", partition=0, timestamp_ms=1_767_221_999_000)
    memory_broker().produce("orders", "after", partition=0, timestamp_ms=1_767_222_000_000)
    sign_in(client, "view_operations", "view_payloads")

    page = page_of(client, MESSAGES, start="2026-01-01")

    assert re.findall(r'id="message-0-(\d+)"', page) == ["1"]
