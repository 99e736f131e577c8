"""What retention soon takes though its group has yet to handle it: noted by who looks, told by pages and monitoring."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from time import time

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from kafka_integration.client.metadata.admin import Admin
from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.metadata.records import Records
from kafka_integration.client.metadata.topic_configs import ConfigValue, TopicConfigs
from kafka_integration.client.transports.memory import MemoryBroker, memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.consuming.catching_up.group_positions import GroupPositions
from kafka_integration.models import LagSample
from kafka_integration.operating.groups.listing import list_groups
from kafka_integration.operating.groups.sampling import Sampling
from kafka_integration.operating.groups.topic_settings import TopicSettings, ask_for_settings, settings_of_all
from kafka_integration.operating.monitoring.losses import question_of_losses
from tests.unit.consumers import TOPIC

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0

Waits = Callable[..., None]


@pytest.fixture
def waits(memory_transport: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> Waits:
    """A message of this age waits for the group, in a topic that keeps messages as long as that."""

    def waits(*, age: float, kept: float, **config: str) -> None:
        given = {"cleanup.policy": "delete", "retention.ms": str(int(kept * 1000)), **config}
        values = {name: ConfigValue(value=value, is_own=True) for name, value in given.items()}
        monkeypatch.setattr(TopicConfigs, "ask", lambda configs, topics: dict.fromkeys(topics, values))
        memory_broker().produce(TOPIC, "v", partition=0, timestamp_ms=int((time() - age) * 1000))

    return waits


def noted() -> float | None:
    """What the next look notes of the group."""
    Sampling(get_settings()).turn()
    return LagSample.objects.get(group="group").loss_in_seconds


def told() -> dict[str, float]:
    """What monitoring says."""
    samples = [sample for sample in question_of_losses().ask() if sample.family.endswith("loss_in_seconds")]
    return {dict(sample.labels)["group"]: sample.value for sample in samples}


def overview(client: Client) -> str:
    client.force_login(User.objects.create_superuser("operator"))
    response = client.get(reverse("admin:kafka_integration_overview"))
    assert response.status_code == 200
    return response.content.decode()


def in_both_lists(client: Client, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The cells that the lines of the group have in the command and on the page."""
    call_command("kafkagroups", "list")
    line = capsys.readouterr().out.splitlines()[1]
    client.force_login(User.objects.create_superuser("operator"))
    page = client.get(reverse("admin:kafka_integration_groups")).content.decode()
    return {re.sub(r" \d+ s$", "", cell) for cell in re.split("  +", line)} & {
        re.sub(r" \d+ s$", "", cell) for cell in re.findall(r">([^<>]+)<", page)
    }


@pytest.mark.parametrize(
    ("kept", "age", "left"),
    [
        (10 * HOUR, 9.5 * HOUR, HOUR / 2),
        (10 * HOUR, 8.9 * HOUR, None),
        (100 * DAY, 99.5 * DAY, DAY / 2),
        (100 * DAY, 98 * DAY, None),
        (10 * MINUTE, 9.5 * MINUTE, MINUTE / 2),
        (10 * MINUTE, MINUTE, None),
        (0, 1, 0),
    ],
    ids=[
        "last tenth",
        "before it",
        "last day",
        "a tenth, but days",
        "short retention",
        "short, and fresh",
        "kept for nothing",
    ],
)
def test_it_is_near_in_the_last_tenth_of_retention_and_not_before_the_last_day(
    waits: Waits, kept: float, age: float, left: float | None
) -> None:
    waits(age=age, kept=kept)

    assert noted() == (None if left is None else pytest.approx(left, abs=20))


def full(*, committed: int, moved: int, ago: float, age: float = 0) -> None:
    """The log of a topic of limited size has its last 60 messages, and its start has moved by so many meanwhile."""
    for _ in range(99):
        memory_broker().produce(TOPIC, "v", partition=0, timestamp_ms=int((time() - age) * 1000))
    memory_broker().commit("group", TOPIC, 0, committed)
    memory_broker().delete_records(TOPIC, 0, 40)
    at, first = timezone.now() - timedelta(seconds=ago), 40 - moved
    LagSample.objects.create(group="group", at=at, lag=40, positions={TOPIC: {"0": [first, first, 50]}})


def noted_last() -> float | None:
    Sampling(get_settings()).turn()
    return LagSample.objects.filter(group="group").latest("at").loss_in_seconds


def test_where_the_log_is_full_it_is_near_within_the_hour(waits: Waits) -> None:
    waits(age=1, kept=DAY, **{"retention.bytes": "100"})
    full(committed=60, moved=30, ago=30 * MINUTE)

    assert noted_last() == pytest.approx(20 * MINUTE, rel=0.05)


def test_what_is_near_by_size_is_told_where_it_is_lost_by_age_before_but_not_near_that(waits: Waits) -> None:
    waits(age=1, kept=HOUR, **{"retention.bytes": "100"})
    full(committed=60, moved=20, ago=58 * MINUTE, age=10 * MINUTE)

    assert noted_last() == pytest.approx(58 * MINUTE, rel=0.05)


def test_where_the_log_is_full_it_is_not_near_before_the_last_hour(waits: Waits) -> None:
    waits(age=1, kept=DAY, **{"retention.bytes": "100"})
    full(committed=60, moved=10, ago=50 * MINUTE)

    assert noted_last() is None


def test_how_fast_the_start_of_a_log_moves_is_told_by_the_oldest_sample_of_the_hour(waits: Waits) -> None:
    waits(age=1, kept=DAY, **{"retention.bytes": "100"})
    full(committed=60, moved=30, ago=30 * MINUTE)
    for ago in (70, 61 * MINUTE):
        at = timezone.now() - timedelta(seconds=ago)
        LagSample.objects.create(group="group", at=at, lag=40, positions={TOPIC: {"0": [40, 40, 50]}})

    assert noted_last() == pytest.approx(20 * MINUTE, rel=0.05)


def test_of_many_groups_each_has_its_own_pace(waits: Waits, settings: Settings) -> None:
    consumer = settings.KAFKA["consumers"]["c"]
    settings.KAFKA = {
        **settings.KAFKA,
        "consumers": {name: {**consumer, "consumer_group": name} for name in ("slow", "fast")},
    }
    waits(age=1, kept=DAY)
    for _ in range(99):
        memory_broker().produce(TOPIC, "v", partition=0)
    for name, ago, position in (("slow", 90, 50), ("fast", 120, 30)):
        memory_broker().commit(name, TOPIC, 0, 60)
        at = timezone.now() - timedelta(seconds=ago)
        LagSample.objects.create(group=name, at=at, lag=9, positions={TOPIC: {"0": [0, position, 100]}})

    etas = {group.name: group.outlook.eta_seconds for group in list_groups(get_settings())}

    assert etas == {"slow": pytest.approx(4 * 90, rel=0.05), "fast": pytest.approx(40 / 30 * 120, rel=0.05)}


@pytest.mark.parametrize(
    ("moved", "ago"), [(40, 30 * MINUTE), (40, 70)], ids=["holds less than an hour", "a segment was just deleted"]
)
def test_who_keeps_up_in_a_full_log_is_not_near_a_loss_however_fast_its_start_moves(
    waits: Waits, moved: int, ago: float
) -> None:
    waits(age=1, kept=DAY, **{"retention.bytes": "100"})
    full(committed=95, moved=moved, ago=ago)

    assert noted_last() is None


@pytest.mark.parametrize(
    ("age", "kept", "end", "is_near"),
    [(3 * DAY, DAY, 0, False), (3 * DAY, DAY, 1, True), (58, MINUTE, 0, True)],
    ids=["came late", "waits for longer", "kept for a minute"],
)
def test_what_was_just_written_is_not_near_however_old_its_timestamp_is(
    waits: Waits, age: float, kept: float, end: int, is_near: bool
) -> None:
    waits(age=age, kept=kept)
    at = timezone.now() - timedelta(seconds=90)
    LagSample.objects.create(group="group", at=at, lag=0, positions={TOPIC: {"0": [0, 0, end]}})

    assert (noted_last() is not None) == is_near


@pytest.mark.parametrize("config", [{"cleanup.policy": "compact"}, {"retention.ms": "-1"}])
def test_what_is_never_deleted_is_never_lost(waits: Waits, config: dict[str, str]) -> None:
    waits(age=99 * DAY, kept=DAY, **config)

    assert noted() is None


@pytest.fixture
def unknown(memory_transport: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message has waited for ever, and nobody may see how long its topic keeps it."""
    monkeypatch.setattr(TopicConfigs, "ask", lambda configs, topics: {})
    memory_broker().produce(TOPIC, "v", partition=0, timestamp_ms=0)


@pytest.mark.usefixtures("unknown")
def test_where_the_settings_of_a_topic_are_unknown_nothing_is_promised_and_nothing_said() -> None:
    assert noted() is None
    assert told() == {}


def test_a_cluster_that_told_all_is_not_blamed_for_what_another_did_not_tell(waits: Waits) -> None:
    waits(age=1, kept=HOUR)
    with Admin(get_settings().consumers["c"].connection, asks_for="settings") as admin:
        told_all = ask_for_settings(admin, {TOPIC})

    both = settings_of_all([told_all, TopicSettings(trouble="the other is away")])

    assert both.trouble == "the other is away"


def test_the_overview_says_it_before_anything_that_can_wait(waits: Waits, client: Client) -> None:
    waits(age=55 * MINUTE, kept=HOUR)
    assert noted() is not None

    page = overview(client)

    sentence = "min retention takes the first message that group group has yet to handle."
    assert sentence in page or sentence.replace("min", "s") in page
    assert page.index("retention takes") < page.index("No process runs consumer c")
    way = reverse("admin:kafka_integration_group", kwargs={"group": "group"})
    assert f'href="{way}"' in page[page.index("retention takes") - 300 : page.index("No process runs consumer c")]


@pytest.mark.parametrize(("position", "is_near"), [(60, False), (2, True), (0, True)], ids=["in time", "late", "never"])
def test_a_group_that_will_have_handled_it_before_has_nothing_to_fear(
    waits: Waits, position: int, is_near: bool
) -> None:
    """As one that begins with the oldest message."""
    for _ in range(100):
        waits(age=55 * MINUTE, kept=HOUR)
    memory_broker().commit("group", TOPIC, 0, position)
    at = timezone.now() - timedelta(seconds=90)
    LagSample.objects.create(group="group", at=at, lag=100, positions={TOPIC: {"0": [0, 0, 100]}})

    Sampling(get_settings()).turn()

    assert (LagSample.objects.filter(group="group").latest("at").loss_in_seconds is not None) is is_near


def test_once_its_time_is_over_it_may_be_gone_at_any_moment(waits: Waits, client: Client) -> None:
    waits(age=2 * HOUR, kept=HOUR)
    assert noted() == 0

    assert (
        "Retention is over for messages that group group has yet to handle: they are deleted, or may be at any moment."
    ) in overview(client)


def test_time_that_passed_since_somebody_looked_is_not_left_any_more(waits: Waits) -> None:
    waits(age=55 * MINUTE, kept=HOUR)
    seconds = noted()
    LagSample.objects.update(at=timezone.now() - timedelta(seconds=100))

    assert told() == {"group": pytest.approx(seconds - 100, abs=5)}


def test_what_was_seen_before_is_not_how_it_is(waits: Waits, client: Client) -> None:
    waits(age=55 * MINUTE, kept=HOUR)
    noted()
    LagSample.objects.update(at=timezone.now() - timedelta(minutes=3))

    assert "retention takes" not in overview(client)
    assert told() == {}


def test_a_healthy_group_has_no_number(waits: Waits) -> None:
    waits(age=1, kept=HOUR)
    noted()

    assert told() == {}


def test_the_list_of_groups_says_when_it_is_handled_and_when_the_first_is_lost(
    waits: Waits, capsys: pytest.CaptureFixture[str]
) -> None:
    waits(age=55 * MINUTE, kept=HOUR)
    memory_broker().produce(TOPIC, "w", partition=0)
    memory_broker().commit("group", TOPIC, 0, 1)
    at = timezone.now() - timedelta(seconds=90)
    LagSample.objects.create(group="group", at=at, lag=2, positions={TOPIC: {"0": [0, 0, 2]}})

    call_command("kafkagroups", "list", "--json")
    (listed,) = json.loads(capsys.readouterr().out)
    call_command("kafkagroups", "list")
    table = capsys.readouterr().out

    assert listed["eta_seconds"] == pytest.approx(90, rel=0.1)
    assert listed["loss_in_seconds"] == pytest.approx(HOUR, abs=20)
    assert "HANDLED IN" in table
    assert "FIRST LOSS IN" in table


@pytest.mark.parametrize(("age", "shown"), [(2 * HOUR, "any moment"), (45 * MINUTE, "15 min"), (1, "1 h")])
def test_both_lists_of_groups_say_when_the_first_is_lost(
    waits: Waits, client: Client, capsys: pytest.CaptureFixture[str], age: float, shown: str
) -> None:
    waits(age=age, kept=HOUR)

    assert shown in in_both_lists(client, capsys)


@pytest.mark.parametrize(("age", "is_near"), [(55 * MINUTE, True), (1, False)])
@pytest.mark.parametrize("page", ["groups", "group"])
def test_pages_mark_a_loss_that_is_near(waits: Waits, client: Client, page: str, age: float, is_near: bool) -> None:
    waits(age=age, kept=HOUR)
    client.force_login(User.objects.create_superuser("operator"))

    kwargs = {"group": "group"} if page == "group" else {}
    shown = client.get(reverse(f"admin:kafka_integration_{page}", kwargs=kwargs)).content.decode()

    marked = [text for text in re.findall(r'kafka-bad">([^<]+)<', shown) if re.search(r"\d (h|min|s)\b", text)]
    assert bool(marked) == is_near


@pytest.mark.usefixtures("unknown")
def test_both_lists_say_that_it_is_unknown_where_nobody_may_see_it(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "unknown" in in_both_lists(client, capsys)


@pytest.fixture
def no_leader(waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    waits(age=1, kept=HOUR)
    monkeypatch.setattr(PartitionEnds, "ask", lambda ends, places: {})


@pytest.fixture
def unread(waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    waits(age=1, kept=HOUR)
    monkeypatch.setattr(Records, "first", lambda records, starts: {})


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GroupPositions, "is_hidden", lambda positions, topic: True)


@pytest.mark.parametrize("obstacle", ["no_leader", "unread", "hidden"])
def test_what_nobody_knows_of_a_group_is_not_said_to_be_never_lost(
    obstacle: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(obstacle)

    (group,) = list_groups(get_settings())

    assert (group.outlook.loss_in_seconds, group.is_loss_unknown) == (None, True)


@pytest.mark.usefixtures("unread")
def test_why_it_is_unknown_is_said_where_a_message_tells_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("kafkagroups", "lag", "group")

    why = "the first message that waits can't be read, or has no timestamp"
    assert f"when retention takes messages isn't known for {TOPIC}: {why}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("config", [{"cleanup.policy": "compact"}, {"retention.ms": "-1"}])
def test_what_is_never_deleted_is_known_to_be_whatever_time_it_tells(
    waits: Waits, monkeypatch: pytest.MonkeyPatch, config: dict[str, str]
) -> None:
    waits(age=1, kept=HOUR, **config)
    monkeypatch.setattr(Records, "first", lambda records, starts: {})

    (group,) = list_groups(get_settings())

    assert (group.total, group.is_loss_unknown) == (1, False)
