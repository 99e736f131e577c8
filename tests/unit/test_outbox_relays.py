"""Which databases ``runrelay`` relays, how much it takes at a time, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from kafka_integration import publish
from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage
from kafka_integration.operating import relays
from kafka_integration.outbox.databases import find_outboxes
from kafka_integration.outbox.lease import Lease
from kafka_integration.outbox.relay import Relay


class NoOutbox:
    """A router that keeps our tables out of one database."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if (db, app_label) == (self._alias, "kafka_integration") else None


class Stopping:
    """A request to stop that was made before anything began."""

    is_made = True

    def wait(self, timeout: float) -> bool:
        return True


class Seconds:
    """A clock that goes on by a second whenever it is read; nothing that is tested takes an hour."""

    def __init__(self, each: Callable[[], object] = lambda: None) -> None:
        self._now = 0.0
        self._each = each

    def __call__(self) -> float:
        self._now += 1
        assert self._now < 3600
        self._each()
        return self._now


def remove_the_oldest() -> None:
    OutboxMessage.objects.filter(pk__in=OutboxMessage.objects.order_by("pk").values("pk")[:1]).delete()


@contextmanager
def replica() -> Iterator[None]:
    """The database takes no writes on this connection."""
    is_postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on" if is_postgres else "PRAGMA query_only = ON")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off" if is_postgres else "PRAGMA query_only = OFF")


@pytest.fixture
def databases(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Databases by alias; none of them is connected to."""
    found: dict[str, Any] = {}
    monkeypatch.setattr("kafka_integration.outbox.databases.django_settings.DATABASES", found)
    for module in ("kafka_integration.outbox.databases", "kafka_integration.conf.backends"):
        monkeypatch.setattr(f"{module}.connections", found)
    return found


def database(name: str, vendor: str = "postgresql", **keys: Any) -> Any:
    class Connection:
        settings_dict = {"ENGINE": vendor, "HOST": "db", "NAME": name, **keys}

    Connection.vendor = vendor  # type: ignore[attr-defined]  # as Django's wrappers have it
    return Connection()


def test_every_database_that_may_have_an_outbox_is_relayed(databases: dict[str, Any]) -> None:
    databases.update(default=database("a"), other=database("b"), file=database("c", "sqlite"))

    assert find_outboxes(get_settings()) == ["default", "other", "file"]


def test_a_database_with_two_aliases_is_relayed_once(databases: dict[str, Any]) -> None:
    databases.update(default=database("a"), again=database("a"))

    assert find_outboxes(get_settings()) == ["default"]


def test_databases_that_only_their_options_or_users_tell_apart_are_all_relayed(databases: dict[str, Any]) -> None:
    databases.update(
        default=database("", OPTIONS={"service": "a"}),
        other=database("", OPTIONS={"service": "b"}),
        tenant=database("", OPTIONS={"service": "b", "options": "-c search_path=tenant"}),
        own=database("", OPTIONS={"service": "b"}, USER="own"),
    )

    assert find_outboxes(get_settings()) == ["default", "other", "tenant", "own"]


def test_an_alias_that_is_there_to_listen_is_not_relayed(databases: dict[str, Any], settings: Any) -> None:
    databases.update(direct=database("a"), default=database("pooled"))
    settings.KAFKA = {"endpoints": "memory", "outbox": {"direct_aliases": {"default": "direct"}}}

    assert find_outboxes(get_settings()) == ["default"]


def test_other_database_systems_are_left_alone(databases: dict[str, Any]) -> None:
    databases.update(default=database("a"), legacy=database("b", "mysql"))

    assert find_outboxes(get_settings()) == ["default"]


def test_a_router_keeps_a_database_out(databases: dict[str, Any], settings: Any) -> None:
    databases.update(default=database("a"), other=database("b"))
    settings.DATABASE_ROUTERS = [NoOutbox("other")]

    assert find_outboxes(get_settings()) == ["default"]


@pytest.mark.django_db
def test_one_look_takes_three_pages_and_leaves_room_for_other_topics(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory", "outbox": {"batch_size": 10}}
    for number in range(45):
        publish("t", number, key="k")
    relay = Relay("default", get_settings())

    relay.turn()
    relay.turn()
    left = OutboxMessage.objects.count()
    relay.finish()

    assert left == 15


@pytest.mark.django_db(transaction=True)
def test_once_beside_an_active_relay_that_sends_nothing_ends_and_says_what_waits(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.KAFKA = {"endpoints": "memory", "outbox": {"lease_seconds": 3, "poll_interval_seconds": 0.001}}
    assert Lease("default", seconds=3600, holder="active").hold()
    publish("not-there", 1, key="k")
    relay = Relay("default", get_settings(), clock=Seconds())

    relay.run(once=True)

    assert "1 message(s) of database default are not relayed yet" in caplog.text
    assert "They are for: not-there." in caplog.text


@pytest.mark.django_db(transaction=True)
def test_once_beside_an_active_relay_waits_while_that_one_sends(settings: Any, caplog: Any) -> None:
    settings.KAFKA = {"endpoints": "memory", "outbox": {"lease_seconds": 3, "poll_interval_seconds": 0.001}}
    assert Lease("default", seconds=3600, holder="active").hold()
    for number in range(40):
        publish("t", number)
    relay = Relay("default", get_settings(), clock=Seconds(remove_the_oldest))

    relay.run(once=True)

    assert not OutboxMessage.objects.exists()
    assert "not relayed yet" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_once_leaves_out_a_database_that_is_read_only_and_says_so(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.KAFKA = {"endpoints": "memory"}
    publish("t", 1)
    relay = Relay("default", get_settings(), clock=Seconds())

    with replica():
        relay.run(once=True)

    assert "Database default is read-only, as a replica is" in caplog.text
    assert OutboxMessage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_replica_that_is_promoted_is_relayed(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kafka_integration.outbox.relay.NO_OUTBOX_PAUSE_SECONDS", 0.001)
    settings.KAFKA = {"endpoints": "memory", "outbox": {"poll_interval_seconds": 0.001}}
    publish("t", 1)
    relay = Relay("default", get_settings(), clock=Seconds())

    with replica():
        relay._run_turn(once=False)
        relay._run_turn(once=False)
    while OutboxMessage.objects.exists():
        relay._run_turn(once=False)
    relay.finish()

    assert caplog.text.count("is read-only") == 1


def test_runrelay_says_so_where_nothing_can_be_relayed(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATABASE_ROUTERS = [NoOutbox("default")]
    monkeypatch.setattr("kafka_integration.operating.stopping.StopRequest.install", lambda self: None)

    with pytest.raises(CommandError, match="No database has an outbox"):
        call_command("runrelay", skip_checks=True)


def test_a_strategy_that_cant_be_imported_ends_runrelay_at_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KAFKA = {"endpoints": "memory", "producer": {"partition_strategy": "nowhere.at_all"}}
    monkeypatch.setattr("kafka_integration.operating.stopping.StopRequest.install", lambda self: None)

    with pytest.raises(CommandError, match=r"nowhere\.at_all"):
        call_command("runrelay", skip_checks=True)


@pytest.mark.django_db(transaction=True)
def test_a_relay_that_fails_unexpectedly_ends_the_process_with_status_1(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Any, *, once: bool) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(relays.Relay, "run", fail)

    status = relays.run_relays(get_settings(), Stopping())  # type: ignore[arg-type]  # as far as it is used

    assert status == 1
    assert "The relay of database default failed" in caplog.text
    connections.close_all()
