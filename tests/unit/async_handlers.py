"""Async handlers that say where they ran."""

from __future__ import annotations

import asyncio
import threading

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group

from kafka_integration import Message
from tests.unit import scripted

loops: list[asyncio.AbstractEventLoop] = []
sync_threads: list[str] = []
left_behind: list[asyncio.Task[None]] = []
ended: list[str] = []


def reset() -> None:
    for found in (loops, sync_threads, left_behind, ended):
        found.clear()


async def note(message: Message) -> object:
    scripted.seen.append(message)
    loops.append(asyncio.get_running_loop())
    sync_threads.append(await sync_to_async(lambda: threading.current_thread().name)())
    await asyncio.sleep(0)
    return scripted.follow(message)


async def leave_a_task_behind(message: Message) -> None:
    await note(message)

    async def go_on() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append(message.value)

    left_behind.append(asyncio.create_task(go_on()))
    await asyncio.sleep(0)


async def exit_in_a_task(message: Message) -> None:
    await note(message)

    async def leave() -> None:
        raise SystemExit(message.value)

    left_behind.append(asyncio.create_task(leave()))


async def write_together(message: Message) -> None:
    """Two writes at once: tasks of the handler's own."""
    names = (f"{message.value}-1", f"{message.value}-2")
    loops.append(asyncio.get_running_loop())
    await asyncio.gather(*(Group.objects.acreate(name=name) for name in names))
    scripted.follow(message)
