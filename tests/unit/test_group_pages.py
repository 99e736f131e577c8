"""The pages of groups: what they show, and moving offsets after a look at the plan."""

from __future__ import annotations

import re
from datetime import timedelta
from time import time
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from kafka_integration.admin.pages import groups as pages
from kafka_integration.admin.pages.standings import standing_text
from kafka_integration.client.metadata.topic_configs import ConfigValue, TopicConfigs
from kafka_integration.client.transports.memory import MemoryAdmin, memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.errors import BrokerUnavailableError
from kafka_integration.models import LagSample
from kafka_integration.operating.groups.planning import plan_reset
from kafka_integration.operating.groups.targets import read_target
from tests.unit.consumers import TOPIC, calls_of, committed, consumer_settings, write
from tests.unit.live import make_row
from tests.unit.test_operating_group_states import say
from tests.unit.test_operator_pages import sign_in

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]

GROUPS = reverse("admin:kafka_integration_groups")
GROUP = reverse("admin:kafka_integration_group", kwargs={"group": "group"})
RESET = reverse("admin:kafka_integration_group_reset", kwargs={"group": "group"})


@pytest.fixture
def operator(client: Client) -> Client:
    """Somebody who may see and move."""
    sign_in(client, "view_operations", "reset_offsets")
    return client


def text_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def digest_of(response) -> str:
    return re.search(r'name="plan" value="(\w+)"', text_of(response))[1]


def test_each_group_has_a_line_with_its_lag_state_and_the_way_to_its_page(operator):
    write("a", "b")

    page = text_of(operator.get(GROUPS))

    assert f'<a href="{GROUP}">group</a>' in page
    assert str(standing_text("unowned", None, None)) in page
    assert 'class="kafka-number">2<' in page


def test_a_group_shows_its_partitions_and_what_it_was_like(operator):
    write("a", "b", "c")
    memory_broker().commit("group", TOPIC, 0, 1)
    for ago in (120, 600):
        LagSample.objects.create(group="group", at=timezone.now() - timedelta(seconds=ago), lag=ago)

    page = text_of(operator.get(GROUP))

    assert f"{TOPIC}[0]" in page
    assert '<figure class="kafka-chart">' in page
    assert text_of(operator.get(GROUP, {"span": "month"}))
    assert operator.get(GROUP, {"span": "year"}).status_code == 400


def test_a_stuck_partition_leads_to_its_message_and_to_what_its_process_does(operator):
    write("a", "b")
    stuck = {"topic": TOPIC, "partition": 0, "state": "stuck", "stuck_offset": 1, "busy_seconds": 723.4}
    row = make_row(consumers=[{"name": "c", "group": "group", "partitions": [stuck]}])

    page = text_of(operator.get(GROUP))

    assert "its handler has been at work for 12 min" in page
    messages = reverse("admin:kafka_integration_messages", kwargs={"topic": TOPIC})
    assert f'<a href="{messages}?partition=0&amp;start=1">Message {TOPIC}[0]@1</a>' in page
    assert f'<a href="{reverse("admin:kafka_integration_processes")}#process-{row.pk}">' in page


def test_what_is_deleted_of_what_a_process_goes_on_with_is_said(operator, capsys):
    write(*"abcdefgh")
    memory_broker().commit("group", TOPIC, 0, 1)
    memory_broker().delete_records(TOPIC, 0, 6)
    say({"partition": 0, "state": "catching_up"})

    page = text_of(operator.get(GROUP))
    call_command("kafkagroups", "lag", "group")

    assert (
        "Up to 5 messages that it has yet to handle are deleted: only what its processes fetched is handled."
    ) in page
    assert (
        f"{TOPIC}[0]: up to 5 message(s) that the group has yet to handle are deleted, and handled only if its process "
        "has fetched them (committed 1, the partition begins at 6)"
    ) in capsys.readouterr().out.splitlines()


def test_what_was_deleted_before_the_group_handled_it_is_said(operator):
    write(*"abcdefgh")
    memory_broker().commit("group", TOPIC, 0, 1)
    before = text_of(operator.get(GROUP))
    memory_broker().delete_records(TOPIC, 0, 6)

    page = text_of(operator.get(GROUP))

    assert f"Up to 5 messages were deleted before group group handled them: {TOPIC}[0] 1\N{EN DASH}5." in page
    assert "begins at 6" in page
    assert "deleted" not in before


def test_the_list_asks_the_database_as_often_for_many_groups_as_for_one(operator, settings):
    def queries_of(*groups):
        kafka = consumer_settings()
        consumer = kafka["consumers"]["c"]
        settings.KAFKA = kafka | {"consumers": {name: consumer | {"consumer_group": name} for name in groups}}
        with CaptureQueriesContext(connection) as queries:
            page = text_of(operator.get(GROUPS))
        assert all(name in page for name in groups)
        return len(queries)

    queries_of("group-0")  # a process looks once which tables there are

    assert queries_of(*(f"group-{number}" for number in range(12))) == queries_of("group-0") <= 15


def test_that_nobody_knows_when_messages_are_lost_is_said(operator, monkeypatch):
    write("a")
    known = text_of(operator.get(GROUP))
    monkeypatch.setattr(TopicConfigs, "ask", Mock(side_effect=BrokerUnavailableError("the controller is away")))

    page = text_of(operator.get(GROUP))

    said = (
        f"When retention takes messages isn\N{RIGHT SINGLE QUOTATION MARK}t known for {TOPIC}: the controller is away"
    )
    assert (said in page, said in known) == (True, False)


def test_what_retention_has_reached_may_be_lost_at_any_moment(operator, monkeypatch):
    kept = {"cleanup.policy": "delete", "retention.ms": "1000"}
    config = {name: ConfigValue(value=value, is_own=True) for name, value in kept.items()}
    monkeypatch.setattr(TopicConfigs, "ask", lambda configs, topics: dict.fromkeys(topics, config))
    memory_broker().produce(TOPIC, "v", partition=0, timestamp_ms=int((time() - 600) * 1000))

    assert ">retention may take the first at any moment<" in text_of(operator.get(GROUP))


def test_what_is_unknown_is_said_and_is_no_zero(operator, monkeypatch):
    write("a")
    monkeypatch.setattr(pages, "compute_lag", Mock(side_effect=BrokerUnavailableError("the broker is away")))

    assert "the broker is away" in text_of(operator.get(GROUP))


def test_a_group_of_no_consumer_is_said_to_be_unknown(operator):
    page = text_of(operator.get(reverse("admin:kafka_integration_group", kwargs={"group": "no<body>"})))

    assert "no consumer has the consumer_group" in page
    assert "no<body>" not in page


def test_the_plan_is_shown_and_moves_nothing(operator):
    write(*"abcd")
    memory_broker().commit("group", TOPIC, 0, 4)

    page = text_of(operator.get(GROUP, {"to": "1", "topic": f"{TOPIC}:0"}))

    assert "Handled again" in page
    assert "Group group goes on at 1: up to 3 message(s) are handled again, 0 skipped<" in page
    assert committed() == 4
    assert "neither" in text_of(operator.get(GROUP, {"to": "soon"}))


@pytest.mark.parametrize("to", ["earliest", "latest", "+1"])
def test_a_plan_is_made_of_what_the_page_shows_without_asking_again(operator, monkeypatch, to):
    write(*"abc")
    memory_broker().commit("group", TOPIC, 0, 1)
    asked = calls_of(monkeypatch, MemoryAdmin, "list_topics")

    page = operator.get(GROUP, {"to": to})

    assert len(asked) == 1
    assert page.context["plan"] == plan_reset(get_settings(), "group", read_target(to))


def test_the_plan_says_where_a_partition_has_nothing_from_before_the_moment(operator):
    write(*"abcd")

    page = text_of(operator.get(GROUP, {"to": "2020-01-01T12:00"}))

    assert "the first message that is there, 0, is from then or later" in page


def test_who_confirms_the_plan_moves_the_group_and_it_is_logged(operator):
    write(*"abcd")
    memory_broker().commit("group", TOPIC, 0, 4)
    asked = {"to": "1", "topic": f"{TOPIC}:0"}
    digest = digest_of(operator.get(GROUP, asked))

    response = operator.post(RESET, {**asked, "plan": digest}, follow=True)

    assert "1 partition was moved." in text_of(response)
    assert committed() == 1
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.change_message) == ("group group", f"offsets moved to 1: {TOPIC}[0] 4 to 1")


def test_a_plan_that_leads_elsewhere_by_now_is_not_carried_out(operator):
    write(*"abcd")
    memory_broker().commit("group", TOPIC, 0, 4)
    asked = {"to": "-2", "topic": f"{TOPIC}:0"}
    digest = digest_of(operator.get(GROUP, asked))
    memory_broker().commit("group", TOPIC, 0, 3)

    response = operator.post(RESET, {**asked, "plan": digest}, follow=True)

    assert "has changed meanwhile" in text_of(response)
    assert committed() == 3
    assert not LogEntry.objects.exists()


def test_beside_the_moment_to_move_to_stands_of_which_zone_it_is(operator, settings):
    settings.TIME_ZONE = "Asia/Kolkata"

    page = text_of(operator.get(GROUP))

    assert 'aria-describedby="kafka-zone"' in page
    assert "A time that you type is of the zone Asia/Kolkata, unless it says of which" in page


def test_who_may_only_look_can_move_nothing(client):
    sign_in(client, "view_operations")
    write(*"abcd")
    memory_broker().commit("group", TOPIC, 0, 4)

    assert "kafka-to" not in text_of(client.get(GROUP, {"to": "1"}))
    assert client.post(RESET, {"to": "1", "plan": ""}).status_code == 403
    assert committed() == 4


def test_moving_is_no_link_and_takes_a_token(operator):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())

    assert operator.get(RESET).status_code == 405
    assert strict.post(RESET, {"to": "1"}).status_code == 403
    assert Permission.objects.filter(codename="reset_offsets").exists()
