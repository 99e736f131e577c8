"""Which rows of the outbox may be sent next, and what is known about those that wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kafka_integration.headers import dump_headers
from kafka_integration.models import OutboxMessage, RelayLease
from kafka_integration.outbox.backlog import find_backlog, warn_if_unattended
from kafka_integration.outbox.lease import Lease
from kafka_integration.outbox.table import Outbox, OutboxRow
from tests.steps import steps_of, take_statistics

pytestmark = pytest.mark.django_db


def add(topic: str = "t", key: bytes | None = b"k", value: bytes | None = b"v", *, refused: bool = False) -> int:
    row = OutboxMessage.objects.create(
        topic=topic, key=key, value=value, refused_at=timezone.now() if refused else None
    )
    return row.pk


def read(limit: int = 100, max_bytes: int = 10**6, **options: object) -> list[OutboxRow]:
    return Outbox("default").read(limit, max_bytes=max_bytes, **options)  # type: ignore[arg-type]  # the tests' own


def ids(**options: object) -> list[int]:
    return [row.id for row in read(**options)]  # type: ignore[arg-type]  # the tests' own


def test_rows_come_oldest_first_and_no_more_than_asked_for() -> None:
    first, second, _ = add(), add(), add()

    assert ids(limit=2) == [first, second]


def test_a_row_comes_as_it_was_written() -> None:
    headers = [("a", b"text"), ("b", b"\xff\x00"), ("c", None)]
    pk = OutboxMessage.objects.create(
        topic="t", key=b"\x00", value=None, headers=dump_headers(headers), partition=3, timestamp_ms=5
    ).pk

    (row,) = read()
    assert row == OutboxRow(pk, "t", b"\x00", None, row.dumped_headers, 3, 5, row.stamp)
    assert row.load_headers() == headers


def test_a_row_that_has_the_id_of_an_earlier_one_is_not_taken_for_it() -> None:
    lease, outbox = Lease("default", seconds=10), Outbox("default")
    lease.hold()
    pk = add()
    (earlier,) = read()
    OutboxMessage.objects.update(created_at=F("created_at") + timedelta(milliseconds=1))
    assert lease.epoch is not None

    assert not outbox.refuse(pk, earlier.stamp, "too large", lease.epoch)
    assert outbox.delete({pk: earlier.stamp}, lease.epoch) == 0
    (later,) = read()
    assert outbox.delete({pk: later.stamp}, lease.epoch) == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite reckons in milliseconds")
@pytest.mark.parametrize("year", [2026, 2105])
def test_rows_of_one_id_that_were_written_a_microsecond_apart_are_told_apart(year: int) -> None:
    add()
    stamps = []

    for microsecond in (123_456, 123_457, 123_458):
        OutboxMessage.objects.update(created_at=datetime(year, 12, 31, 23, 59, 59, microsecond, tzinfo=UTC))
        stamps += [row.stamp for row in read()]

    assert stamps == [stamps[0], stamps[0] + 1, stamps[0] + 2]
    assert stamps[0] % 1_000_000 == 123_456


def test_rows_under_way_and_topics_that_wait_are_left_out() -> None:
    under_way, _, free = add(), add("waiting"), add()

    assert ids(without_ids=[under_way], without_topics=["waiting"]) == [free]


def test_a_refused_row_holds_the_later_rows_of_its_topic_and_key() -> None:
    earlier = add(key=b"k")
    add(key=b"k", refused=True)
    add(key=b"k")
    other_key = add(key=b"other")
    other_topic = add("other", key=b"k")

    assert ids() == [earlier, other_key, other_topic]


def test_a_refused_row_without_a_key_holds_nothing() -> None:
    add(key=None, refused=True)
    free = add(key=None)

    assert ids() == [free]


def test_an_empty_key_is_a_key() -> None:
    add(key=b"", refused=True)
    add(key=b"")

    assert ids() == []


def test_of_several_refused_rows_of_a_key_the_first_one_holds_it() -> None:
    earlier = add(key=b"k")
    add(key=b"k", refused=True)
    add(key=b"k")
    add(key=b"k", refused=True)
    add(key=b"k")
    before_the_other = add(key=b"other")
    add(key=b"other", refused=True)

    assert ids() == [earlier, before_the_other]


@pytest.mark.slow
def test_a_thousand_refused_keys_make_no_look_slow() -> None:
    pretend_the_table_was_seen("empty")
    keys = [b"key-%d" % number for number in range(1000)]
    add_many([(keys[0], True)] + [(keys[0], False)] * 5000)
    steps_for_one_key = steps_of(read)
    OutboxMessage.objects.all().delete()
    add_many([(key, True) for key in keys] + [(key, False) for key in keys] * 5)
    free = add(key=b"free")

    assert steps_of(read) < 5 * steps_for_one_key
    assert ids() == [free]


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["empty", "free", "refused", "free, scattered", "refused, scattered"])
@pytest.mark.parametrize("call", [read, lambda: find_backlog("default")], ids=["read", "find_backlog"])
def test_a_look_costs_the_same_however_many_rows_are_behind(call: Callable[[], object], seen: str) -> None:
    pretend_the_table_was_seen(seen)
    add_many([(b"held", True)] + [(b"held", False), (b"free", False)] * 200)
    steps = steps_of(call)
    add_many([(b"free", False)] * 6000)

    assert steps_of(call) < 2 * steps


def pretend_the_table_was_seen(how: str) -> None:
    """When PostgreSQL took its statistics; what is planned with them has to do for what comes after."""
    # Rows that came into the gaps of others lie in another order than that of their ids.
    ids = [-1 - number * 1009 % 3000 if how.endswith("scattered") else -3000 + number for number in range(3000)]
    add_many([(b"gone", how.startswith("refused"))] * 3000, ids)
    if how == "empty":
        OutboxMessage.objects.all().delete()
    take_statistics(OutboxMessage)
    OutboxMessage.objects.all().delete()


def add_many(rows: list[tuple[bytes, bool]], ids: list[int] | None = None) -> None:
    now = timezone.now()
    OutboxMessage.objects.bulk_create(
        OutboxMessage(id=row_id, topic="t", key=key, value=b"v", refused_at=now if refused else None)
        for row_id, (key, refused) in zip(ids or [None] * len(rows), rows, strict=True)
    )


def test_a_page_is_bounded_by_bytes_but_never_empty() -> None:
    first = add(value=b"x" * 900)
    second = add(value=b"x" * 900)
    add(value=b"x" * 900)

    assert ids(max_bytes=1000) == [first, second]
    assert ids(max_bytes=1) == [first]


@pytest.mark.parametrize("headers", [[("large", b"\xff" * 600)], [("many", b"")] * 50], ids=["large", "many"])
def test_headers_count_in_a_page(headers: list[tuple[str, bytes | None]]) -> None:
    pks = [OutboxMessage.objects.create(topic="t", headers=dump_headers(headers)).pk for _ in range(3)]

    assert ids(max_bytes=1000) == pks[:2]
    assert ids(max_bytes=1) == pks[:1]


def test_headers_count_by_their_size_when_they_are_read_not_by_what_their_compression_left() -> None:
    pks = [OutboxMessage.objects.create(topic="t", headers=dump_headers([("a", b"a" * 100_000)])).pk for _ in range(3)]

    assert ids(max_bytes=150_000) == pks[:2]


def test_thousands_of_rows_under_way_are_one_parameter() -> None:
    free = add()

    with CaptureQueriesContext(connection) as queries:
        found = ids(without_ids=range(10**9, 10**9 + 40_000))

    assert found == [free]
    assert len([query for query in queries if "WITH held" in query["sql"]]) == 1


def test_a_look_leaves_nothing_in_its_session() -> None:
    add()

    read()

    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan" if connection.vendor == "postgresql" else "SELECT 'on'")
        assert cursor.fetchone() == ("on",)


def test_an_empty_outbox_says_so() -> None:
    backlog = find_backlog("default")

    assert backlog.is_empty
    assert str(backlog) == "The outbox is empty."
    assert backlog.oldest_seconds is None


def test_the_oldest_row_that_was_not_refused_has_the_age() -> None:
    OutboxMessage.objects.filter(pk=add(refused=True)).update(created_at="2020-01-01T00:00:00Z")
    add()

    backlog = find_backlog("default")

    assert backlog.oldest_seconds is not None
    assert 0 <= backlog.oldest_seconds < 60
    assert backlog.refused == 1


def test_rows_that_age_without_a_relay_are_unattended(caplog: pytest.LogCaptureFixture) -> None:
    add()
    OutboxMessage.objects.update(created_at="2020-01-01T00:00:00Z")

    assert warn_if_unattended("default")
    assert "manage.py runrelay" in caplog.text


def test_rows_that_age_under_a_relay_are_attended(caplog: pytest.LogCaptureFixture) -> None:
    add()
    OutboxMessage.objects.update(created_at="2020-01-01T00:00:00Z")
    Lease("default", seconds=10, holder="relay").hold()

    assert find_backlog("default").holder == "relay"
    assert not warn_if_unattended("default")


def test_a_lease_that_ran_out_is_nobodys() -> None:
    RelayLease.objects.create(name="outbox", holder="gone", epoch=1, expires_at="2020-01-01T00:00:00Z")

    assert find_backlog("default").holder == ""


def test_a_fresh_row_is_no_reason_to_warn() -> None:
    add()

    assert not warn_if_unattended("default")
