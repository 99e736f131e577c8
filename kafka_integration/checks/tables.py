"""Which tables of ours each database needs, and whether it can have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings as django_settings
from django.db import connections, models, router

from ..conf import Examined, Kind, Problem
from ..conf.backends import VENDORS, vendor_of, why_unsupported
from ..conf.consumers import ConsumerSettings
from ..conf.problems import sentence
from ..conf.settings import Settings
from ..models import DeadLetter, FinishedOffset, HandledMessage, OffsetFence, OutboxMessage, RelayLease, StoredOffset
from ..outbox.databases import find_outboxes
from ..outbox.notify import can_listen

DUMMY = "django.db.backends.dummy"
OUTBOX = (OutboxMessage, RelayLease)
OFFSETS = (StoredOffset, FinishedOffset, OffsetFence)
OURS = (*OUTBOX, *OFFSETS, DeadLetter, HandledMessage)


def find_table_problems(found: Examined) -> list[Problem]:
    """Return which databases lack, by their engine or by a router, the tables that the settings need."""
    assert found.settings is not None
    problems: list[Problem] = []
    for name, consumer in found.settings.consumers.items():
        if consumer.enabled and consumer.database in django_settings.DATABASES:
            problems += _consumer_problems(consumer, found.consumers[name].path_of("database"))
    return [*problems, *_outbox_problems(), *_notify_problems(found.settings), *_autocommit_problems()]


def _consumer_problems(consumer: ConsumerSettings, path: str) -> Iterator[Problem]:
    alias = consumer.database
    if _is_dummy(alias):
        yield Problem(
            kind=Kind.DATABASE,
            text=f'{path} is "{alias}", which has no engine in settings.DATABASES: dead letters and offsets are kept '
            "there; configure it.",
        )
        return
    if reason := why_unsupported(alias):
        yield Problem(kind=Kind.UNSUPPORTED_DATABASE, text=f'{path} is "{alias}", {sentence(reason)}')
        return
    needed: list[type[models.Model]] = [DeadLetter]
    needed += OFFSETS if consumer.offset_storage == "database" else []
    needed += [HandledMessage] if consumer.deduplicate else []
    missing = _missing(alias, needed)
    if missing:
        yield Problem(
            kind=Kind.DATABASE,
            text=f'{path} is "{alias}", where a database router keeps out {_names(missing)}: let allow_migrate() '
            "return True for kafka_integration there, or choose another alias.",
        )


def _outbox_problems() -> Iterator[Problem]:
    homes = []
    for alias in django_settings.DATABASES:
        missing = [] if _is_dummy(alias) else _missing(alias, OUTBOX)
        if len(missing) == 1:
            yield Problem(
                kind=Kind.DATABASE,
                text=f'A database router keeps {_names(missing)} out of "{alias}", but not the other table of the '
                "outbox: both are needed where something is published.",
            )
        if not missing:
            homes.append(alias)
            # Databases of other kinds have no outbox, and need none.
            if vendor_of(alias) in VENDORS and (reason := why_unsupported(alias)):
                yield Problem(
                    kind=Kind.UNSUPPORTED_DATABASE,
                    text=f'DATABASES["{alias}"], where the outbox is, is {sentence(reason)}',
                )
    if not homes:
        yield Problem(
            kind=Kind.DATABASE,
            text="A database router keeps the outbox out of every database: let allow_migrate() return True for "
            "kafka_integration where something is published.",
        )


def _notify_problems(settings: Settings) -> Iterator[Problem]:
    if not settings.outbox.notify:
        return
    for alias in find_outboxes(settings):
        if connections[alias].vendor == "postgresql" and not can_listen():
            yield Problem(
                kind=Kind.DATABASE,
                text=f'KAFKA["outbox"]["notify"] is True, but "{alias}" is reached with psycopg2, with which the relay '
                'can\'t listen: install psycopg 3 (pip install "psycopg[binary]"), or remove "notify".',
            )


def _autocommit_problems() -> Iterator[Problem]:
    # Django's atomic() leaves the COMMIT to whoever turned autocommit off: nobody, for what belongs to us.
    for alias, database in django_settings.DATABASES.items():
        if not database.get("AUTOCOMMIT", True) and len(_missing(alias, OURS)) < len(OURS):
            yield Problem(
                kind=Kind.DATABASE,
                text=f'DATABASES["{alias}"]["AUTOCOMMIT"] is False: transaction.atomic() commits nothing there, so '
                "offsets, dead letters and the outbox would be lost; remove it, or let a database router keep "
                "kafka_integration out of it.",
            )


def _missing(alias: str, needed: Sequence[type[models.Model]]) -> list[type[models.Model]]:
    return [model for model in needed if not router.allow_migrate_model(alias, model)]


def _is_dummy(alias: str) -> bool:
    return django_settings.DATABASES[alias].get("ENGINE", DUMMY) in ("", DUMMY)


def _names(tables: list[type[models.Model]]) -> str:
    return " and ".join(model.__name__ for model in tables)
