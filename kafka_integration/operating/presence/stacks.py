"""Where everything in this process is at the moment: places in the code, and nothing of what they hold."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any


def stacks() -> str:
    """The stack of each thread and each coroutine that waits on an event loop; equal ones of coroutines once."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = {ident: frame for ident, frame in sys._current_frames().items() if ident != threading.get_ident()}
    parts = [
        f"thread {names.get(ident, ident)}\n{_text(_chain(frame))}"
        for ident, frame in sorted(frames.items(), key=lambda item: str(names.get(item[0], item[0])))
    ]
    return "\n".join([*parts, *_coroutines(frames.values())])


def _coroutines(frames: Iterable[FrameType]) -> Iterator[str]:
    found: dict[str, int] = {}
    for loop in _event_loops(frames):
        for task in asyncio.all_tasks(loop):
            text = _text(_awaited(task.get_coro()))
            if text:
                found[text] = found.get(text, 0) + 1
    for text, count in sorted(found.items(), key=lambda item: -item[1]):
        yield f"{count} coroutine{'s' if count > 1 else ''}\n{text}"


def _event_loops(frames: Iterable[FrameType]) -> list[asyncio.AbstractEventLoop]:
    """Those that run in any of these threads, be they ours or a handler's own."""
    found: dict[int, asyncio.AbstractEventLoop] = {}
    for frame in frames:
        for each, _ in _chain(frame):
            if each.f_code.co_name == "run_forever":
                loop = each.f_locals.get("self")
                if isinstance(loop, asyncio.AbstractEventLoop):
                    found[id(loop)] = loop
    return list(found.values())


def _awaited(coroutine: Any) -> list[tuple[FrameType, int]]:
    """A coroutine and what it waits for, the outermost first."""
    chain = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        chain.append((frame, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return chain


def _chain(frame: FrameType) -> list[tuple[FrameType, int]]:
    return list(reversed(list(traceback.walk_stack(frame))))


def _text(chain: Iterable[tuple[FrameType, int]]) -> str:
    # Not with the values of variables: a message may be among them.
    return "".join(traceback.StackSummary.extract(chain, capture_locals=False).format()).rstrip()
