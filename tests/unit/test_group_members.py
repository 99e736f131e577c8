"""Who is in a group: on its page, and in `kafkagroups lag`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from kafka_integration.client.metadata.group_members import GroupMember, GroupMembers
from kafka_integration.conf import get_settings
from kafka_integration.operating.groups.lag import compute_lag
from kafka_integration.operating.groups.members import Members
from tests.unit.consumers import TOPIC, consumer_settings, write
from tests.unit.live import listed, process
from tests.unit.test_group_pages import GROUP, text_of
from tests.unit.test_operating_group_states import say
from tests.unit.test_operator_pages import sign_in
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]

Brokers = Callable[..., None]


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    """They say that these are in the group, each with its partitions; or nothing."""

    def brokers(*members: GroupMember, tell: bool = True) -> None:
        write("a")
        told = members if tell else None
        monkeypatch.setattr(GroupMembers, "ask_all", lambda asker, groups: dict.fromkeys(groups, told))

    return brokers


def member(number: int, *partitions: int) -> GroupMember:
    return GroupMember(
        member_id=f"id-{number}",
        client_id=f"client-{number}",
        host=f"/10.0.0.{number}",
        partitions=frozenset((TOPIC, partition) for partition in partitions),
    )


def say_member(number: int, *partitions: int) -> int:
    """A process of ours says that it is this member."""
    owned = [{"topic": TOPIC, "partition": partition, "state": "caught_up"} for partition in partitions]
    consumers = [{"name": "c", "group": "group", "member_id": f"id-{number}", "partitions": owned}]
    return say(consumers=consumers, pid=4000 + number).pk


def members() -> Members:
    return compute_lag(get_settings(), "group").members


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    call_command("kafkagroups", "lag", "group")
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def page(client: Client) -> Callable[[], str]:
    sign_in(client, "view_operations")
    return lambda: text_of(client.get(GROUP))


def test_each_member_is_shown_with_its_host_its_partitions_and_the_process_that_it_is(brokers, page, capsys):
    brokers(member(1, 0, 1, 3))
    number = say_member(1, 0, 1, 3)

    html = page()

    assert "client-1" in html
    assert f'<a href="{reverse("admin:kafka_integration_processes")}#process-{number}">{number} (4001)</a>' in html
    assert f"{TOPIC}[0-1,3]" in html
    assert f"member client-1 on 10.0.0.1, process {number} (4001): {TOPIC}[0-1,3]" in lines(capsys)


def test_one_that_owns_nothing_is_there_and_comes_last(brokers, page, capsys):
    brokers(member(1), member(2, 0))
    number = say_member(1)

    html = page()

    assert html.index("client-2") < html.index("client-1")
    assert "none at the moment" in html
    assert f"member client-1 on 10.0.0.1, process {number} (4001): no partition" in lines(capsys)


def test_who_is_none_of_ours_is_called_so(brokers, page):
    brokers(member(1, 0))

    assert "none of ours" in page()


def test_where_a_process_does_not_say_which_member_it_is_nobody_is_called_foreign(brokers, page):
    brokers(member(1, 0))
    say({"partition": 0, "state": "caught_up"})

    assert not members().are_ours_known
    assert "none of ours" not in page()


def test_where_processes_write_nothing_nobody_is_called_foreign(brokers, page, settings):
    settings.KAFKA = {**consumer_settings(), "operations": {"rows": False}}
    brokers(member(1, 0))

    assert "none of ours" not in page()


def test_a_group_without_members_has_none(brokers, page, capsys):
    brokers()

    assert "nobody is in the group" in page()
    said = lines(capsys)
    assert "nobody is in the group" in said
    assert not [line for line in said if line.startswith("member")]


def test_where_brokers_do_not_tell_those_that_say_so_are_shown_and_are_not_called_all(brokers, page, capsys):
    brokers(tell=False)
    number = say_member(1, 2)

    html = page()

    assert "there may be others" in html
    assert f"{number} (4001)" in html
    assert f"member on here, process {number} (4001): {TOPIC}[2]" in lines(capsys)


def test_where_nobody_tells_it_is_unknown_and_never_none(brokers, page):
    brokers(tell=False)

    html = page()

    assert "no process says that it is" in html
    assert "nobody is in the group" not in html


def test_of_many_the_first_are_shown_and_the_others_counted(brokers, page, monkeypatch, capsys):
    monkeypatch.setattr("kafka_integration.operating.groups.members.MOST_SHOWN", 2)
    brokers(*(member(number, number) for number in range(5)))

    html = page()

    assert "client-1" in html
    assert "client-2" not in html
    assert "And 3 other members." in html
    assert "and 3 other members" in lines(capsys)


def test_names_that_others_chose_are_text(brokers, page):
    brokers(GroupMember(member_id="1", client_id="<b>\x1b", host="/<i>", partitions=frozenset()))

    html = page()

    assert "<b>" not in html
    assert "\x1b" not in html
    assert "<i>" not in html


def test_the_document_for_programs_is_as_it_was(brokers, capsys):
    brokers(member(1, 0))

    call_command("kafkagroups", "lag", "group", "--json")

    assert "members" not in json.loads(capsys.readouterr().out)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", [{}, {"message_handler": "tests.unit.scripted.handle_async"}])
def test_a_process_says_which_member_it_is(way):
    write("a")

    with process(**way):
        wait_for(lambda: any(c["member_id"] for row in listed() for c in row["consumers"]))
        (found,) = wait_for(lambda: members().listed)
        (row,) = listed()

    assert found.worker is not None
    assert found.worker.process_id == row["id"]
