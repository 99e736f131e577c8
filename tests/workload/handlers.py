"""Handlers that do what their messages say, and record it.

A value is ``{"seq": 7}`` and, where it asks for something special:
``"seconds": 5`` to take that long (and to print when it begins), ``"fail": 2`` to fail the first two attempts,
``"raise": "SystemExit"``, ``"swallow": true`` to swallow an error of the database, ``"locks": [1, 2]`` to take locks in
this order, ``"sqlstate": "40001"`` to meet that error, ``"allocate_mib": 500`` to take so much memory,
``"until": path`` to hang until that file is there, having made the one beside it (``.begun``), ``"once": path`` to do
all this the first time only, by that file.
"""

from __future__ import annotations

import asyncio
import builtins
import os
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import monotonic_ns
from typing import Any

from django.db import DatabaseError, connection, transaction

from kafka_integration import BatchError, Message
from tests.workload.models import Effect

HANDLER_SECONDS = float(os.environ.get("HANDLER_SECONDS", "0"))


class WorkloadError(Exception):
    """What a handler was asked to raise."""


def each(message: Message) -> None:
    began, orders = monotonic_ns(), message.json()
    pause(obey(message, orders))
    effect_of(message, orders, began).save()


async def each_async(message: Message) -> None:
    began, orders = monotonic_ns(), message.json()
    await asyncio.sleep(obey(message, orders))
    await effect_of(message, orders, began).asave()


class Batch:
    def handle_messages(self, messages: list[Message]) -> None:
        began, effects = monotonic_ns(), []
        for message in messages:
            orders = message.json()
            pause(obey(message, orders))
            effects.append(effect_of(message, orders, began))
        Effect.objects.bulk_create(effects)


class Collecting:
    """Goes on after a failure, and says in the end what failed."""

    def handle_messages(self, messages: list[Message]) -> None:
        failures: dict[Message, Exception] = {}
        for message in messages:
            try:
                with transaction.atomic():
                    each(message)
            except Exception as error:  # noqa: BLE001 - whatever it is
                failures[message] = error
        if failures:
            raise BatchError(failures)


def nothing(message: Message) -> None:
    """As quick as a handler can be."""


def slow(message: Message) -> None:
    """Takes HANDLER_SECONDS and leaves no trace."""
    pause(HANDLER_SECONDS)


class SlowBatch:
    """Takes HANDLER_SECONDS for each message, and leaves no trace."""

    def handle_messages(self, messages: list[Message]) -> None:
        pause(HANDLER_SECONDS * len(messages))


def obey(message: Message, orders: dict[str, Any]) -> float:
    """Fail as ordered, or say how many seconds to take."""
    if "once" in orders:
        try:
            Path(orders["once"]).touch(exist_ok=False)
        except FileExistsError:
            return HANDLER_SECONDS
    if "seconds" in orders:
        print(f"begins {message.topic}[{message.partition}]@{message.offset}", flush=True)
    if "until" in orders:
        hang(Path(orders["until"]))
    if message.attempt <= orders.get("fail", 0):
        raise WorkloadError(f"attempt {message.attempt}")
    if "allocate_mib" in orders:
        # Written to: memory that is only asked for costs nothing.
        b"x" * (orders["allocate_mib"] << 20)
    if "raise" in orders:
        raise getattr(builtins, orders["raise"])(1)
    if "sqlstate" in orders or "locks" in orders:
        provoke(orders)
    if orders.get("swallow"):
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
    return float(orders.get("seconds", HANDLER_SECONDS))


def hang(until: Path) -> None:
    until.with_suffix(".begun").touch()
    while not until.exists():
        pause(0.1)


def provoke(orders: dict[str, Any]) -> None:
    """Take locks in the order given, or have PostgreSQL say what it is told to."""
    with connection.cursor() as cursor:
        for lock in orders.get("locks", ()):
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
            pause(0.05)
        if "sqlstate" in orders:
            cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{orders['sqlstate']}'; END $$")


def effect_of(message: Message, orders: dict[str, Any], began: int) -> Effect:
    return Effect(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        seq=orders["seq"],
        attempt=message.attempt,
        worker=os.getpid(),
        began=began,
        ended=monotonic_ns(),
    )


def pause(seconds: float) -> None:
    if seconds:
        Event().wait(seconds)
