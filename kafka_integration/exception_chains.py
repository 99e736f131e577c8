"""What led to an exception, and the code that a database gave it."""

from __future__ import annotations

from collections.abc import Iterator

from .outcomes import Decision
from .summaries import attribute_of, members_of

_SQLSTATE_NAMES = ("sqlstate", "pgcode")
"""As psycopg calls it, and psycopg2."""


def links(error: BaseException) -> Iterator[BaseException]:
    """The error, what led to it and, of a group, its members, each once.

    Not what led to a decision of the handler's own: ``Skip`` where a lock could not be had is to skip.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or isinstance(link, Decision) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting.append(attribute_of(link, "__cause__" if attribute_of(link, "__suppress_context__") else "__context__"))
        waiting.extend(members_of(link))


def ends_process(error: BaseException) -> bool:
    """True for what is raised to end a program, alone or in a group.

    A panic in an extension written in Rust, or a time-out of gevent, is no ``Exception`` either, and ends nothing.
    """
    if isinstance(error, BaseExceptionGroup):
        return any(map(ends_process, members_of(error)))
    # The last one closes coroutines and generators, which have to let it out.
    return isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit)


def sqlstate_of(error: BaseException) -> str | None:
    """The code that a PostgreSQL server gave the error, by whichever driver it came; None where there is none."""
    codes = (attribute_of(error, name) for name in _SQLSTATE_NAMES)
    return next((code for code in codes if isinstance(code, str)), None)
