"""Where everything in this process is at the moment: places in the code, and nothing of what they hold."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

from ...consuming.coroutines.awaiting import AwaitEachMessage, AwaitWholeBatch
from ...consuming.handling.invoking import EachMessage, WholeBatch
from ...durations import spoken

if TYPE_CHECKING:
    from ...consuming.partition import Partition

HOUSE = Path(__file__).parents[2]
PYTHON = Path(sysconfig.get_path("stdlib"))
INSTALLED = {"site-packages", "dist-packages"}
"""Folders that may be among Python's own, with what isn't."""

Chain = list[tuple[FrameType, int]]
"""Frames, the outermost first, each with the line that it is at."""

_CALLS_HANDLER = {shape.run.__code__ for shape in (EachMessage, WholeBatch, AwaitEachMessage, AwaitWholeBatch)}


def in_hand(partitions: Iterable[Partition]) -> Iterator[str]:
    """Which of them are in handlers' hands, the longest first."""
    now = monotonic()
    busy = [(now - each.line.busy_since, each) for each in partitions if each.line.is_busy]
    for seconds, each in sorted(busy, key=lambda found: -found[0]):
        floor = "" if each.ledger.finished is None else f", lowest unfinished offset {each.ledger.finished}"
        yield f"{each}: a handler has been at work for {spoken(seconds)}{floor}"


def stacks() -> str:
    """Threads and coroutines in a handler first, and then the others, with their stacks; equal coroutines once.

    A thread that is in code of ours or Python's by itself, where it mostly waits, is a line at the end.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = {ident: frame for ident, frame in sys._current_frames().items() if ident != threading.get_ident()}
    named = [(f"thread {names.get(ident, ident)}", _chain(frame)) for ident, frame in frames.items()]
    named.sort(key=itemgetter(0))
    named += _coroutines([chain for _, chain in named])
    at_work = [f"{name}, in a handler\n{_text(chain)}" for name, chain in named if _is_in_handler(chain)]
    others = [(name, chain, _own_place(chain)) for name, chain in named if not _is_in_handler(chain)]
    stacked = [f"{name}\n{_text(chain)}" for name, chain, place in others if place is None]
    return "\n".join([*at_work, *stacked, *(f"{name}: {place}" for name, _, place in others if place is not None)])


def _coroutines(chains: Iterable[Chain]) -> Iterator[tuple[str, Chain]]:
    """With how many are there; what waits for another task is one with that."""
    tasks = [task for loop in _event_loops(chains) for task in asyncio.all_tasks(loop)]
    awaited: dict[Any, Any] = {task: getattr(task, "_fut_waiter", None) for task in tasks}
    found: dict[str, list[Chain]] = {}
    for task in set(tasks) - set(awaited.values()):
        chain: Chain = []
        each: Any = task
        while isinstance(each, asyncio.Task):
            chain += _awaited(each.get_coro())
            each = awaited.get(each)
        if chain:
            found.setdefault(_text(chain), []).append(chain)
    for equal in sorted(found.values(), key=len, reverse=True):
        yield f"{len(equal)} coroutine{'s' if len(equal) > 1 else ''}", equal[0]


def _is_in_handler(chain: Chain) -> bool:
    return any(frame.f_code in _CALLS_HANDLER for frame, _ in chain)


def _own_place(chain: Chain) -> str | None:
    """Where a thread is in which nobody else's code is at work; None for all others."""
    for frame, line in reversed(chain):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(HOUSE):
            return f"{path.relative_to(HOUSE.parent)}:{line}, in {frame.f_code.co_name}"
        if not _is_pythons(path):
            return None
    frame, line = chain[-1]
    return f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}"


def _is_pythons(path: Path) -> bool:
    return path.name.startswith("<frozen ") or (path.is_relative_to(PYTHON) and not INSTALLED.intersection(path.parts))


def _event_loops(chains: Iterable[Chain]) -> list[asyncio.AbstractEventLoop]:
    """Those that run in any of these threads, be they ours or a handler's own."""
    found: dict[int, asyncio.AbstractEventLoop] = {}
    for chain in chains:
        for each, _ in chain:
            if each.f_code.co_name == "run_forever":
                loop = each.f_locals.get("self")
                if isinstance(loop, asyncio.AbstractEventLoop):
                    found[id(loop)] = loop
    return list(found.values())


def _awaited(coroutine: Any) -> Chain:
    """A coroutine and what it waits for, the outermost first."""
    chain = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        chain.append((frame, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return chain


def _chain(frame: FrameType) -> Chain:
    return list(reversed(list(traceback.walk_stack(frame))))


def _text(chain: Chain) -> str:
    # Not with the values of variables: a message may be among them.
    return "".join(traceback.StackSummary.extract(chain, capture_locals=False).format()).rstrip()
