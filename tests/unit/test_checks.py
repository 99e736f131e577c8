"""`manage.py check` reports everything that is wrong with settings.KAFKA at once, each under a fixed id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import Error, run_checks
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.db import connections

from kafka_integration.checks import TAG
from kafka_integration.conf import get_settings
from kafka_integration.conf.backends import why_unsupported
from kafka_integration.consuming.assembly import assemble
from kafka_integration.errors import ConfigurationError
from kafka_integration.outbox.notify import Listener
from tests.unit.kafka_settings import CONSUMER, with_consumer, with_producer

pytestmark = pytest.mark.usefixtures("project_alone")

AUDIT = 'KAFKA["consumers"]["audit"]'
HERE = "tests.unit.handlers_for_checks"


def report(settings: Any, kafka: Any, *, deployment: bool = False) -> list[tuple[str, str]]:
    settings.KAFKA = kafka
    messages = run_checks(tags=[TAG], include_deployment_checks=deployment)
    return [(str(message.id), str(message.msg)) for message in messages]


def test_good_settings_are_reported_as_good(settings: Any) -> None:
    assert report(settings, with_consumer()) == []


@pytest.fixture
def on_psycopg2(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The alias of a database that Django reaches with psycopg2."""
    monkeypatch.setitem(
        django_settings.DATABASES, "older", {"ENGINE": "django.db.backends.postgresql", "NAME": "never-connected"}
    )
    connections.configure_settings(django_settings.DATABASES)
    connections["older"]
    monkeypatch.setattr("django.db.backends.postgresql.psycopg_any.is_psycopg3", False)
    yield "older"
    del connections["older"]


@pytest.mark.parametrize(("notify", "count"), [(True, 1), (False, 0)])
def test_notify_asks_for_psycopg_3(on_psycopg2: str, notify: bool, count: int, settings: Any) -> None:
    found = report(settings, {"endpoints": "memory", "outbox": {"notify": notify}})

    named = [text for _, text in found if f'"{on_psycopg2}" is reached with psycopg2' in text]
    assert len(named) == count


def test_without_psycopg_3_a_relay_polls_and_says_so_once(on_psycopg2: str, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(on_psycopg2)

    assert [listener.wait(0), listener.wait(0)] == [None, None]

    (said,) = [record.getMessage() for record in caplog.records]
    assert "so it is only polled: it is reached with psycopg2" in said
    listener.close()


def test_everything_wrong_is_reported_at_once(settings: Any) -> None:
    found = report(
        settings,
        {
            "endpoints": ["h1"],
            "config": {"linger.mss": 5, "enable.auto.commit": True},
            "sasl": {"mechanism": "plain", "login": "ann", "password": ""},
            "consumers": {
                "audit": {**CONSUMER, "topics": ["a b"], "batch_sise": 5, "database": "nowhere", "concurrency": 0},
                "other": {"message_handler": "nowhere.at.all", "async_message_ack": True, "topics": ["a"]},
            },
        },
    )

    assert {identity for identity, _ in found} == {
        f"kafka_integration.{number}"
        for number in ("E002", "E003", "E004", "E005", "E006", "E007", "E009", "E010", "E011", "E012", "E014")
    }


@pytest.mark.parametrize(
    ("kafka", "identity"),
    [
        (None, "E001"),
        ({"endpoints": ["kafka"]}, "E002"),
        ({"endpoints": ["h:1"], "consumerz": {}}, "E003"),
        ({}, "E004"),
        (with_consumer(batch_size=0), "E005"),
        (with_consumer(async_message_ack=True), "E006"),
        (with_producer(topics=["a b"]), "E007"),
        (with_consumer(dead_letter_topic="orders"), "E008"),
        ({"endpoints": ["h:1"], "sasl": {}}, "E009"),
        (with_consumer(config={"nope": 1}), "E010"),
        (with_consumer(config={"enable.auto.commit": True}), "E011"),
        (with_consumer(config={5: True}), "E010"),
        (with_consumer(message_handler=f"{HERE}.WithoutHandle"), "E012"),
        (with_consumer(key_deserializer=f"{HERE}.nope"), "E013"),
        (with_consumer(database="nowhere"), "E014"),
        (with_consumer(transaction="batch"), "W001"),
    ],
)
def test_each_kind_of_problem_has_its_fixed_id(kafka: Any, identity: str, settings: Any) -> None:
    assert [found for found, _ in report(settings, kafka)] == [f"kafka_integration.{identity}"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("nowhere.handle", f'{AUDIT}["message_handler"]: nowhere.handle can\'t be imported'),
        (f"{HERE}.nope", "can't be imported"),
        (f"{HERE}.a_number", "is no handler: give the dotted path of a function"),
        (HERE, "is no handler"),
        (f"{HERE}.WithoutHandle", "is no handler"),
    ],
)
def test_a_handler_that_can_not_be_used_is_an_error(path: str, expected: str, settings: Any) -> None:
    ((identity, message),) = report(settings, with_consumer(message_handler=path))

    assert identity == "kafka_integration.E012"
    assert message.startswith(f'{AUDIT}["message_handler"]: ')
    assert expected in message


def test_the_handler_of_a_consumer_that_is_off_is_left_alone(settings: Any) -> None:
    assert report(settings, with_consumer(message_handler="nowhere.handle", enabled=False)) == []


def test_a_batch_handler_is_refused_where_messages_are_handled_side_by_side(settings: Any) -> None:
    path = f"{HERE}.Batch"

    assert report(settings, with_consumer(message_handler=path)) == []
    ((identity, message),) = report(settings, with_consumer(message_handler=path, ordering="key"))
    assert identity == "kafka_integration.E012"
    assert 'takes batches, but under "ordering": "key" messages are handled side by side' in message


def test_a_plain_handler_has_at_most_a_thousand_threads(settings: Any) -> None:
    assert report(settings, with_consumer(message_handler=f"{HERE}.one", concurrency=1000, ordering="key")) == []
    assert report(settings, with_consumer(message_handler=f"{HERE}.asynchronous", concurrency=10_000)) == []
    ((identity, message),) = report(settings, with_consumer(message_handler=f"{HERE}.one", concurrency=1001))
    assert identity == "kafka_integration.E012"
    assert message.endswith("a thread; use 1000 at most, or write it as an async function.")


@pytest.mark.parametrize("keys", [{"deduplicate": True}, {"offset_storage": "database"}], ids=str)
def test_to_be_async_is_no_remedy_where_messages_are_in_transactions(keys: dict[str, Any], settings: Any) -> None:
    ((_, message),) = report(settings, with_consumer(message_handler=f"{HERE}.one", concurrency=1001, **keys))

    assert message.endswith("a thread; use 1000 at most.")


def test_an_async_handler_with_deduplication_has_at_most_a_thousand_threads(settings: Any) -> None:
    keys = {"message_handler": f"{HERE}.asynchronous", "deduplicate": True, "ordering": "key"}

    assert report(settings, with_consumer(**keys, concurrency=1000)) == []
    ((identity, message),) = report(settings, with_consumer(**keys, concurrency=1001))
    assert identity == "kafka_integration.E012"
    assert message == (
        f'{AUDIT}["message_handler"] is "{HERE}.asynchronous", an async function: with "concurrency" 1001 each message '
        'at a time is a thread; use 1000 at most, or leave out "deduplicate", which has each in a transaction of its '
        "thread."
    )


def test_an_async_handler_with_database_offsets_runs_in_one_lane(settings: Any) -> None:
    path = f"{HERE}.asynchronous"

    assert report(settings, with_consumer(message_handler=path, offset_storage="database")) == []
    assert report(settings, with_consumer(message_handler=path, concurrency=4)) == []
    ((identity, message),) = report(
        settings, with_consumer(message_handler=path, offset_storage="database", concurrency=4)
    )
    assert identity == "kafka_integration.E012"
    assert 'set "concurrency" to 1 (it is 4)' in message


@pytest.mark.parametrize(
    ("kafka", "expected"),
    [
        (
            with_consumer(value_deserializer="nowhere.decode"),
            f'{AUDIT}["value_deserializer"] is "nowhere.decode": it can',
        ),
        (with_consumer(value_deserializer=f"{HERE}.a_number"), "it is int, no function; give the path of a function."),
        (
            with_producer(partition_strategy="nowhere.choose"),
            'KAFKA["producer"]["partition_strategy"] is "nowhere.choose"',
        ),
        (
            with_producer(partition_strategy=f"{HERE}.partition_as_kaffe_has_it"),
            "it can't be called with 4 arguments (topic, partitions, key, value); give the path of a function.",
        ),
        (
            with_consumer(key_deserializer=f"{HERE}.partition"),
            "it can't be called with 1 argument (data), nor with 2 (data, context); give",
        ),
        (with_producer(value_serializer=f"{HERE}.nope"), 'KAFKA["producer"]["value_serializer"] is'),
        (
            with_consumer(failure_rules={"nowhere.Error": "skip"}),
            f'{AUDIT}["failure_rules"]["nowhere.Error"]: it can\'t be imported',
        ),
        (with_consumer(failure_rules={f"{HERE}.one": "skip"}), "it is no class of exceptions; give the path of one"),
        (with_consumer(failure_rules={"builtins.SystemExit": "skip"}), "it is no class of exceptions"),
        (
            {"endpoints": ["h:1"], "sasl": {"mechanism": "oauthbearer"}, "config": {"oauth_cb": "nowhere.token"}},
            'KAFKA["config"]["oauth_cb"] is "nowhere.token"',
        ),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error(kafka: Any, expected: str, settings: Any) -> None:
    ((identity, message),) = report(settings, kafka)

    assert identity == "kafka_integration.E013"
    assert expected in message


def test_paths_that_lead_somewhere_are_none(settings: Any) -> None:
    kafka = with_consumer(
        key_deserializer=f"{HERE}.decode",
        failure_rules={f"{HERE}.Refused": "skip", "builtins.ValueError": "retry"},
    )

    assert report(settings, {**kafka, "producer": {"partition_strategy": f"{HERE}.partition"}}) == []


def test_an_unknown_property_is_reported_with_the_nearest_known_one(settings: Any) -> None:
    assert report(settings, with_consumer(config={"fetch.min.byte": 5})) == [
        (
            "kafka_integration.E010",
            f'{AUDIT}["config"]["fetch.min.byte"] is no property of librdkafka: did you mean "fetch.min.bytes"?',
        )
    ]


def test_properties_that_librdkafka_refuses_together_are_an_error(settings: Any) -> None:
    assert report(settings, with_consumer(config={"fetch.max.bytes": 5})) == [
        (
            "kafka_integration.E010",
            f"{AUDIT} makes properties that librdkafka refuses together: `fetch.max.bytes` must be >= "
            "`message.max.bytes`.",
        )
    ]


class KeepsOut:
    """A database router that lets these tables of ours nowhere."""

    def __init__(self, *tables: str) -> None:
        self.tables = tables

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        return False if app_label == "kafka_integration" and model_name in self.tables else None


@pytest.mark.parametrize(
    ("keys", "table"),
    [
        ({}, "deadletter"),
        ({"offset_storage": "database"}, "storedoffset"),
        ({"deduplicate": True}, "handledmessage"),
    ],
)
def test_a_router_that_keeps_out_a_table_that_is_needed_is_an_error(
    keys: dict[str, Any], table: str, settings: Any
) -> None:
    settings.DATABASE_ROUTERS = [KeepsOut(table)]

    ((identity, message),) = report(settings, with_consumer(**keys))

    assert identity == "kafka_integration.E014"
    assert message.startswith(f'{AUDIT}["database"] is "default", where a database router keeps out ')


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The connection of another database, which nothing asks."""
    monkeypatch.setitem(
        connections.settings,
        "other",
        {**connections.settings["default"], "ENGINE": "django.db.backends.sqlite3", "OPTIONS": {}},
    )
    yield connections["other"]
    del connections["other"]


def test_an_sqlite_that_knows_no_returning_is_an_error_for_consumer_and_outbox(
    settings: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other.Database, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(other.Database, "sqlite_version", "3.34.1")

    found = [text for identity, text in report(settings, with_consumer(database="other")) if identity.endswith("E018")]

    too_old = "SQLite 3.34.1: at least 3.35 is needed, or PostgreSQL."
    assert f'{AUDIT}["database"] is "other", {too_old}' in found
    assert f'DATABASES["other"], where the outbox is, is {too_old}' in found


@pytest.mark.parametrize(
    ("vendor", "driver", "reason"),
    [
        ("mysql", "MySQLdb", "mysql: only PostgreSQL and SQLite are supported"),
        ("postgresql", "pg8000.dbapi", "PostgreSQL by the driver pg8000, whose errors aren't known here"),
    ],
)
def test_a_database_or_a_driver_that_is_not_supported_is_refused(
    vendor: str, driver: str, reason: str, settings: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other, "vendor", vendor)
    monkeypatch.setattr(other, "Database", ModuleType(driver))

    found = dict(report(settings, with_consumer(database="other")))

    assert reason in found["kafka_integration.E018"]
    audit = get_settings().consumers["audit"]
    for consumer in (replace(audit, offset_storage="database"), replace(audit, deduplicate=True)):
        with pytest.raises(ConfigurationError, match=reason):
            assemble(consumer)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_both_drivers_of_postgresql_are_supported(driver: str, other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other, "vendor", "postgresql")
    monkeypatch.setattr(other, "Database", ModuleType(driver))

    assert why_unsupported("other") is None


def test_a_router_that_keeps_out_what_nobody_needs_is_none(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [KeepsOut("storedoffset", "handledmessage")]

    assert report(settings, with_consumer()) == []


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (["outboxmessage", "relaylease"], "keeps the outbox out of every database"),
        (["relaylease"], 'keeps RelayLease out of "default", but not the other table of the outbox'),
    ],
)
def test_a_router_that_leaves_the_outbox_no_place_is_an_error(tables: list[str], expected: str, settings: Any) -> None:
    settings.DATABASE_ROUTERS = [KeepsOut(*tables)]

    found = report(settings, with_consumer())

    assert any(expected in message for identity, message in found if identity == "kafka_integration.E014")
    # The published models of the project have no outbox either.
    assert {identity for identity, _ in found} <= {"kafka_integration.E014", "kafka_integration.E017"}


def test_a_database_in_which_nothing_would_be_committed_is_an_error(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "AUTOCOMMIT", False)

    ((identity, message),) = report(settings, with_consumer())

    assert identity == "kafka_integration.E014"
    assert message.startswith('DATABASES["default"]["AUTOCOMMIT"] is False: transaction.atomic() commits nothing there')


def test_a_database_without_autocommit_that_has_no_table_of_ours_is_none(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(settings.DATABASES, "legacy", {**settings.DATABASES["default"], "AUTOCOMMIT": False})
    settings.DATABASE_ROUTERS = [KeepsOutOfLegacy()]

    assert report(settings, with_consumer()) == []


class KeepsOutOfLegacy:
    """A database router that lets nothing of ours into one database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if (db, app_label) == ("legacy", "kafka_integration") else None


class TestDeployment:
    def test_a_certificate_that_can_not_be_read_is_an_error_of_a_deployment_only(self, settings: Any) -> None:
        kafka = {"endpoints": ["h:1"], "ssl": {"ca": "/nowhere/ca.pem"}}

        assert report(settings, kafka) == []
        ((identity, message),) = report(settings, kafka, deployment=True)
        assert identity == "kafka_integration.E015"
        assert message == 'KAFKA["ssl"]["ca"] is /nowhere/ca.pem, which can\'t be read: No such file or directory.'

    def test_a_connection_that_trusts_anyone_is_a_warning(self, settings: Any) -> None:
        found = report(settings, {"endpoints": ["h:1"], "ssl": {"verify": False}}, deployment=True)

        assert [identity for identity, _ in found] == ["kafka_integration.W003"]

    def test_a_password_without_tls_is_a_warning_that_does_not_show_it(self, settings: Any) -> None:
        sasl = {"mechanism": "plain", "login": "ann", "password": "s3cret"}

        ((identity, message),) = report(settings, {"endpoints": ["h:1"], "sasl": sasl}, deployment=True)

        assert identity == "kafka_integration.W004"
        assert "s3cret" not in message


# Django from 6.1 on asks the database of its features.
@pytest.mark.django_db
def test_manage_py_check_fails_and_names_the_path(settings: Any) -> None:
    settings.KAFKA = with_consumer(topics=["a b"])

    with pytest.raises(SystemCheckError, match=r'\["topics"\]\[0\] is "a b"'):
        call_command("check", stderr=StringIO())


def test_runconsumer_reads_certificates_before_it_starts_anything(settings: Any) -> None:
    settings.KAFKA = with_consumer(ssl={"ca": "/nowhere/ca.pem"})

    with pytest.raises(CommandError, match=r'\["audit"\]\["ssl"\]\["ca"\] is /nowhere/ca.pem, which can\'t be read'):
        call_command("runconsumer", "audit")


def test_errors_are_errors_and_not_only_said(settings: Any) -> None:
    settings.KAFKA = with_consumer(batch_size=0)

    (message,) = run_checks(tags=[TAG])

    assert isinstance(message, Error)
