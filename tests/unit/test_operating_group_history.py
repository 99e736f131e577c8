"""How far groups have been behind, who looks, and what follows for how long it takes and when it is lost."""

from __future__ import annotations

import json
import re
import threading
from datetime import timedelta
from time import time
from unittest.mock import Mock

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kafka_integration.client.metadata.topic_configs import ConfigValue, TopicConfigs
from kafka_integration.client.transports.memory import MemoryAdmin, memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.errors import BrokerUnavailableError
from kafka_integration.models import LagSample
from kafka_integration.operating import lag_sampler
from kafka_integration.operating.groups import sampling
from kafka_integration.operating.groups.history import SAMPLE_SECONDS, begin_sample, history_of, thin_out
from kafka_integration.operating.groups.lag import GroupLag
from kafka_integration.operating.groups.sampling import Sampling
from kafka_integration.operating.lag_sampler import LagSampler
from tests.unit.consumers import TOPIC, consumer_settings, write
from tests.unit.live import make_row
from tests.unit.scripted_transport import connect
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]


@pytest.fixture
def read(capsys):
    def read():
        call_command("kafkagroups", "lag", "group", "--json")
        return json.loads(capsys.readouterr().out)

    return read


@pytest.fixture
def configured(monkeypatch):
    """Gives the topic settings in its cluster."""

    def configured(**config):
        values = {
            name.replace("_", "."): ConfigValue(value=str(value), is_own=True)
            for name, value in {"cleanup_policy": "delete", **config}.items()
        }
        monkeypatch.setattr(TopicConfigs, "ask", lambda configs, topics: dict.fromkeys(topics, values))

    return configured


def sample(ago, position=0, end=0, *, first=0, **fields):
    positions = {TOPIC: {"0": [first, position, end]}}
    given = {"lag": end - position, "positions": positions} | fields
    return LagSample.objects.create(group="group", at=timezone.now() - timedelta(seconds=ago), **given)


def ends_at(count, committed):
    write(*["v"] * count)
    memory_broker().commit("group", TOPIC, 0, committed)


def test_a_look_is_noted_with_where_everybody_was():
    write("a", "b", "c")
    memory_broker().commit("group", TOPIC, 0, 1)

    Sampling(get_settings()).turn()

    found = LagSample.objects.get(group="group")
    assert (found.group, found.lag) == ("group", 2)
    assert found.time_lag_seconds < 60
    assert found.positions[TOPIC]["0"] == [0, 1, 3]


def test_where_messages_were_deleted_before_they_were_handled_is_noted_too():
    write(*"abcdefgh")
    memory_broker().commit("group", TOPIC, 0, 1)
    memory_broker().delete_records(TOPIC, 0, 6)

    Sampling(get_settings()).turn()

    assert LagSample.objects.get(group="group").positions[TOPIC]["0"] == [6, 1, 8]


def test_a_process_at_work_asks_nobody_who_is_in_a_group(monkeypatch):
    """librdkafka may end a process whose question about members gets no answer in time."""
    asked = []
    monkeypatch.setattr(MemoryAdmin, "describe_consumer_groups", lambda admin, groups, **options: asked.extend(groups))
    write("a")

    Sampling(get_settings()).turn()

    assert LagSample.objects.get(group="group").lag == 1
    assert asked == []


def test_of_many_processes_one_looks_at_each_moment(monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(sampling.timezone, "now", lambda: now)
    looked = []
    seen = GroupLag(group="group", partitions=())

    def look(settings, groups, **options):
        looked.extend(groups)
        return dict.fromkeys(groups, seen)

    monkeypatch.setattr(sampling, "compute_lags", look)

    for _ in range(5):
        Sampling(get_settings()).turn()

    assert looked == ["group"]
    assert begin_sample("group", now) is None
    assert begin_sample("group", now + timedelta(seconds=15)) is not None


def test_all_groups_are_looked_at_together(settings, monkeypatch):
    one = {"topics": [TOPIC], "message_handler": "tests.unit.scripted.handle"}
    names = ["a", "b", "c"]
    settings.KAFKA = {"endpoints": "memory", "consumers": {name: {**one, "consumer_group": name} for name in names}}
    write("a", "b")
    made = []
    connect(monkeypatch, admin=lambda properties: made.append(properties) or MemoryAdmin(memory_broker()))

    Sampling(get_settings()).turn()

    assert dict(LagSample.objects.filter(group__in=names).values_list("group", "lag")) == dict.fromkeys(names, 2)
    assert len(made) == 1


def test_who_looks_at_nothing_new_asks_the_database_once(django_assert_num_queries, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(sampling.timezone, "now", lambda: now)
    Sampling(get_settings()).turn()
    another = Sampling(get_settings())

    with django_assert_num_queries(1):
        another.turn()


def test_a_broker_that_is_away_is_an_unknown_lag_and_not_zero(monkeypatch):
    monkeypatch.setattr(sampling, "compute_lags", Mock(return_value={"group": BrokerUnavailableError("away")}))

    Sampling(get_settings()).turn()

    assert LagSample.objects.get(group="group").lag is None
    assert history_of(["group"], "hour")["group"][-1].lag is None


def test_without_rows_nobody_looks(settings):
    settings.KAFKA = {**consumer_settings(), "operations": {"rows": False}}

    with LagSampler(get_settings()):
        assert not is_looking()


@pytest.mark.parametrize("second", range(0, 30, 2))
def test_a_look_comes_soon_after_the_moment_that_it_is_noted_for_begins(monkeypatch, second):
    waited = []
    monkeypatch.setattr(lag_sampler, "time", lambda: 1_500_000_000.0 + second)
    sampler = LagSampler(get_settings())
    monkeypatch.setattr(sampler, "_over", Mock(wait=lambda seconds: waited.append(seconds) or True))

    sampler._run()

    (seconds,) = waited
    assert (second + seconds) % SAMPLE_SECONDS <= 1.5
    assert 7.5 <= seconds <= 24


@pytest.mark.django_db(transaction=True)
def test_a_thread_looks_until_the_end(monkeypatch):
    monkeypatch.setattr(lag_sampler, "EVERY_SECONDS", 0.02)
    write("a", "b")

    with LagSampler(get_settings()):
        wait_for(lambda: LagSample.objects.filter(lag=2).exists(), 20)

    wait_for(lambda: not is_looking(), 20)


def test_a_database_that_is_away_is_said_once_and_again_after_it_came_back(monkeypatch, caplog):
    monkeypatch.setattr(lag_sampler, "EVERY_SECONDS", 0.02)
    turn = Mock(
        side_effect=[OperationalError("away"), OperationalError("away"), None, *[OperationalError("away")] * 999]
    )
    monkeypatch.setattr(Sampling, "turn", turn)

    with LagSampler(get_settings()):
        wait_for(lambda: turn.call_count >= 6, 20)

    lines = [record.getMessage() for record in caplog.records if "how far groups are behind" in record.getMessage()]
    assert len(lines) == 2


def is_looking():
    return "lag-history" in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(("span", "count", "ago"), [("hour", 60, 600), ("day", 96, 7200), ("month", 120, 86_400 * 3)])
def test_the_history_is_the_highest_of_each_step_and_gaps_are_unknown(span, count, ago):
    sample(ago, lag=5, time_lag_seconds=2.0)
    sample(ago + 0.5, lag=9, time_lag_seconds=1.0)

    points = history_of(["group", "other"], span)

    assert len(points["group"]) == count
    known = [(point.lag, point.time_lag_seconds) for point in points["group"] if point.lag is not None]
    assert known in ([(9, 2.0)], [(9, 1.0), (5, 2.0)])
    assert {point.lag for point in points["other"]} == {None}
    assert points["group"][0].at < points["group"][-1].at <= timezone.now()


@pytest.mark.parametrize("span", ["hour", "day", "month"])
@pytest.mark.parametrize(("use_tz", "zone"), [(True, "UTC"), (True, "Asia/Kathmandu"), (False, "Asia/Kathmandu")])
def test_a_sample_is_in_the_step_that_its_moment_lies_in_whatever_the_time_zone(settings, use_tz, zone, span):
    settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
    begins = [point.at for point in history_of(["group"], span)["group"]]
    for lag, at in enumerate((begins[5] - timedelta(seconds=1), begins[5], begins[-1]), 1):
        LagSample.objects.create(group="group", at=at, lag=lag)

    seen = {point.at: point.lag for point in history_of(["group"], span)["group"] if point.lag is not None}

    assert seen == {begins[4]: 1, begins[5]: 2, begins[-1]: 3}


def test_what_is_read_of_a_history_is_a_row_for_each_step_and_not_for_each_sample():
    for second in range(20):
        sample(600 + second, lag=second)

    with CaptureQueriesContext(connection) as captured:
        history_of(["group"], "hour")
    with connection.cursor() as cursor:
        cursor.execute(captured[0]["sql"])
        rows = cursor.fetchall()

    assert len(rows) <= 2


def test_the_history_of_all_groups_is_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        history_of([f"group-{number}" for number in range(20)], "day")


def test_the_older_samples_are_the_fewer_are_kept():
    for minute in range(180):
        sample(minute * 60 + 1, lag=minute)
    for hour in range(25, 30):
        sample(hour * 3600 + 2, lag=1)
        sample(hour * 3600 + 1, lag=7)
    sample(31 * 86_400)

    thin_out(history_days=30)

    now = timezone.now()
    assert LagSample.objects.filter(at__gte=now - timedelta(minutes=59)).count() == 59
    between = LagSample.objects.filter(at__lt=now - timedelta(hours=1), at__gte=now - timedelta(hours=24))
    assert 23 <= between.count() <= 26
    assert set(between.values_list("positions", flat=True)) == {None}
    old = LagSample.objects.filter(at__lt=now - timedelta(hours=24))
    assert 5 <= old.count() <= 6
    assert set(old.values_list("lag", flat=True)) <= {7, 1}
    assert not LagSample.objects.filter(at__lt=now - timedelta(days=30)).exists()
    left = LagSample.objects.count()
    thin_out(history_days=30)
    assert LagSample.objects.count() >= left - 1


def test_the_eta_is_the_lag_by_how_much_it_shrank_in_the_last_minute(read):
    ends_at(100, 40)
    sample(90, 10, 100)

    assert read()["eta_seconds"] == pytest.approx(60 * 90 / 30, rel=0.05)


@pytest.mark.parametrize(
    ("position", "end", "ago"),
    [(40, 100, 90), (40, 99, 90), (35, 95, 90), (70, 100, 90), (10, 100, 20), (10, 100, 400)],
    ids=["stands", "only grows", "keeps pace", "moved back", "too young", "too old"],
)
def test_a_lag_that_does_not_shrink_has_no_eta(read, position, end, ago):
    ends_at(100, 40)
    sample(ago, position, end)

    assert read()["eta_seconds"] is None


def test_where_a_partition_is_stuck_all_is_never_handled_whatever_the_pace_was(read):
    ends_at(100, 40)
    sample(90, 10, 100)
    stuck = {"topic": TOPIC, "partition": 0, "state": "stuck", "stuck_offset": 40}
    make_row(consumers=[{"name": "c", "group": "group", "partitions": [stuck]}])

    assert read()["eta_seconds"] is None


@pytest.mark.parametrize(("position", "eta_seconds"), [(10, None), (60, 40 * 90 / 10)], ids=["stands", "goes on"])
def test_what_was_deleted_is_not_what_was_handled(read, position, eta_seconds):
    ends_at(100, position)
    memory_broker().delete_records(TOPIC, 0, 50)
    sample(90, 10, 100)

    assert read()["eta_seconds"] == (None if eta_seconds is None else pytest.approx(eta_seconds, rel=0.05))


def test_without_lag_there_is_neither_eta_nor_loss(read, configured):
    configured(retention_ms=1000)
    ends_at(10, 10)
    sample(90, 5, 10)

    document = read()

    assert (document["eta_seconds"], document["loss_in_seconds"]) == (None, None)


def test_retention_takes_the_first_unfinished_message_when_its_time_is_over(read, configured, capsys):
    configured(retention_ms=3_600_000)
    memory_broker().produce(TOPIC, "v", partition=0, timestamp_ms=int((time() - 600) * 1000))

    assert read()["loss_in_seconds"] == pytest.approx(3000, abs=30)
    call_command("kafkagroups", "lag", "group")
    assert re.search(r"retention takes the first in (50 min|49 min \d+ s)", capsys.readouterr().out)


def test_what_retention_has_reached_is_lost_any_moment(read, configured, capsys):
    configured(retention_ms=1000)
    memory_broker().produce(TOPIC, "v", partition=0, timestamp_ms=int((time() - 600) * 1000))

    assert read()["loss_in_seconds"] == 0
    call_command("kafkagroups", "lag", "group")
    assert capsys.readouterr().out.endswith(", retention may take the first at any moment\n")


@pytest.mark.parametrize(
    "config", [{"retention_ms": -1}, {"retention_ms": 1000, "cleanup_policy": "compact"}, {"retention_bytes": 100}]
)
def test_a_log_that_keeps_everything_loses_nothing(read, configured, config):
    configured(**config)
    write("a")

    document = read()

    assert (document["loss_in_seconds"], document["loss_unknown"]) == (None, [])


def test_a_full_log_loses_the_first_as_fast_as_its_start_moves(read, configured):
    configured(retention_bytes=100)
    ends_at(100, 60)
    memory_broker().delete_records(TOPIC, 0, 40)
    sample(1800, 10, 50, first=10)

    assert read()["loss_in_seconds"] == pytest.approx(20 * 1800 / 30, rel=0.05)


def test_topics_that_cannot_be_asked_about_have_no_known_loss(read, capsys, monkeypatch):
    monkeypatch.setattr(TopicConfigs, "ask", Mock(side_effect=BrokerUnavailableError("away")))
    write("a")

    document = read()
    call_command("kafkagroups", "lag", "group")

    assert (document["total"], document["loss_in_seconds"], document["loss_unknown"]) == (1, None, [TOPIC])
    assert f"when retention takes messages isn't known for {TOPIC}: away" in capsys.readouterr().out.splitlines()


def test_a_topic_whose_settings_are_kept_from_us_is_named_with_what_to_do(read, capsys, monkeypatch):
    monkeypatch.setattr(TopicConfigs, "ask", lambda configs, topics: {})
    write("a")

    assert read()["loss_unknown"] == [TOPIC]
    call_command("kafkagroups", "lag", "group")
    assert f"isn't known for {TOPIC}: its settings can't be asked for: grant" in capsys.readouterr().out


def test_where_nothing_waits_nobody_asks_when_it_is_lost(read, capsys, monkeypatch):
    monkeypatch.setattr(TopicConfigs, "ask", Mock(side_effect=BrokerUnavailableError("away")))
    ends_at(10, 10)

    assert read()["loss_unknown"] == []
    call_command("kafkagroups", "lag", "group")
    assert "isn't known" not in capsys.readouterr().out


def test_a_database_from_before_the_table_is_no_obstacle(read, monkeypatch):
    write("a")
    monkeypatch.setattr("kafka_integration.operating.groups.forecast.has_table", lambda alias, model: False)
    monkeypatch.setattr(sampling, "has_table", lambda alias, model: False)

    Sampling(get_settings()).turn()

    assert read()["eta_seconds"] is None
    assert connection.introspection.table_names()
    assert not LagSample.objects.exists()
