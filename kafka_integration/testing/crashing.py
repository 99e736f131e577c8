"""A process that dies at a statement, inside the transaction of a test: what would be durable then stays, and no more.

In production a statement outside of ``atomic`` is committed by itself, and an outermost ``atomic`` is a transaction.
In a test neither is: all is one transaction, which is rolled back. So savepoints stand for the commits here. There is
always one at the last of them, and a crash goes back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, TypeVar
from unittest import mock

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import Atomic

T = TypeVar("T")
When = Literal["in place of", "just after"]
WHENS: tuple[When, When] = ("in place of", "just after")

COMMIT = "COMMIT"
_SAVEPOINTS = ("SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT ")


class _Crash(SystemExit):
    """What the process dies of: nothing that a handler catches, unless it catches everything."""


@dataclass(frozen=True, kw_only=True)
class Break:
    """Where the process dies: at which statement of a scene, counted from 1."""

    number: int
    when: When


@dataclass(kw_only=True)
class Scene:
    """One run of a handler over its messages: the statements so far, and the one at which it breaks."""

    stage: Stage
    break_at: Break | None
    statements: list[str] = field(default_factory=list)
    _is_running: bool = False
    _is_dead: bool = False

    def run(self, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; None where the process died in it: then only what had been durable is there."""
        self._is_running, self._is_dead = True, False
        result = None
        try:
            result = work()
            self.stage.settle()
        except _Crash:
            pass
        finally:
            self._is_running = False
        if self._is_dead:
            self.stage.crash()
            # Whoever comes after it is alive.
            self._is_dead = False
            return None
        return result

    def before(self, sql: str) -> None:
        if self._is_dead:
            raise _Crash  # a handler that catches everything goes on, and is heard by nobody
        if self._is_running:
            self.statements.append(sql)
            self._break("in place of")

    def after(self) -> None:
        if self._is_running:
            self._break("just after")

    def _break(self, when: When) -> None:
        if self.break_at == Break(number=len(self.statements), when=when):
            self._is_dead = True
            raise _Crash


class Stage:
    """Transactions in these databases, around scenes of which nothing is left; used by one thread, in ``with``."""

    def __init__(self, aliases: Iterable[str]) -> None:
        self._databases = {alias: _Database(connections[alias]) for alias in aliases}
        self._scene: Scene | None = None
        self._exits = ExitStack()

    def __enter__(self) -> Stage:
        with ExitStack() as exits:
            for alias, database in self._databases.items():
                exits.enter_context(_rolled_back(alias))
                exits.enter_context(database.connection.execute_wrapper(self._execute))
            enter, leave = Atomic.__enter__, Atomic.__exit__
            exits.enter_context(mock.patch.object(Atomic, "__enter__", lambda block: self._enter(block, enter)))
            exits.enter_context(
                mock.patch.object(Atomic, "__exit__", lambda block, *error: self._leave(block, leave, *error))
            )
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._exits.__exit__(*error)

    @contextmanager
    def scene(self, break_at: Break | None = None) -> Iterator[Scene]:
        """Runs that begin with the tables as they were before; afterwards they are so again."""
        scene = Scene(stage=self, break_at=break_at)
        for database in self._databases.values():
            database.begin()
        self._scene = scene
        try:
            yield scene
        finally:
            self._scene = None
            for database in self._databases.values():
                database.end()

    def settle(self) -> None:
        """What is done is durable, and its ``on_commit`` hooks run."""
        for database in self._databases.values():
            database.settle()

    def crash(self) -> None:
        for database in self._databases.values():
            database.go_back()

    def _execute(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        scene = self._scene
        if scene is None or str(sql).startswith(_SAVEPOINTS):
            return execute(sql, params, many, context)
        database = self._databases[context["connection"].alias]
        if database.is_between_transactions:
            database.settle()
        scene.before(str(sql))
        result = database.execute(lambda: execute(sql, params, many, context))
        try:
            scene.after()
        except _Crash:
            # SQLite sets no savepoint while rows of an INSERT wait to be fetched.
            context["cursor"].close()
            if database.is_between_transactions:
                database.settle_without_hooks()
            raise
        return result

    def _enter(self, block: Atomic, enter: Callable[[Atomic], None]) -> None:
        database = self._outermost(block, depth=0)
        if database is None:
            enter(block)
            return
        database.settle()
        # A transaction in production, whatever it says of savepoints.
        savepoint, block.savepoint = block.savepoint, True
        try:
            enter(block)
        finally:
            block.savepoint = savepoint

    def _leave(
        self,
        block: Atomic,
        leave: Callable[..., None],
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        database = self._outermost(block, depth=1)
        if self._scene is None or database is None or kind is not None or database.connection.needs_rollback:
            leave(block, kind, error, traceback)
            return
        try:
            self._scene.before(COMMIT)
        except _Crash as crash:
            leave(block, _Crash, crash, None)
            raise
        leave(block, None, None, None)
        database.advance()
        self._scene.after()
        database.settle()

    def _outermost(self, block: Atomic, *, depth: int) -> _Database | None:
        """The database of a block that is a transaction, with so many blocks open in it."""
        connection = transaction.get_connection(block.using)
        database = self._databases.get(connection.alias)
        # Another thread has connections of its own.
        if self._scene is None or database is None or database.connection is not connection:
            return None
        return database if database.depth == depth else None


class _Database:
    """A connection in a test's transaction that does as if it weren't."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection: Any = connection
        self._start = self._durable = ""
        self._blocks = self._hooks = 0
        self._is_settled = True

    @property
    def depth(self) -> int:
        return len(self.connection.atomic_blocks) - self._blocks

    @property
    def is_between_transactions(self) -> bool:
        return self.depth == 0

    def begin(self) -> None:
        self._blocks, self._hooks = len(self.connection.atomic_blocks), len(self.connection.run_on_commit)
        self._start = self.connection.savepoint()
        self._durable = self.connection.savepoint()
        self._is_settled = True

    def end(self) -> None:
        self.connection.needs_rollback = False
        self.connection.savepoint_rollback(self._start)
        self.connection.savepoint_commit(self._start)
        self._forget_hooks()

    def execute(self, execute: Callable[[], T]) -> T:
        if not self.is_between_transactions:
            return execute()
        try:
            result = execute()
        except DatabaseError:
            # In production the next statement starts afresh.
            self._return()
            raise
        self._is_settled = False
        return result

    def settle(self) -> None:
        self.settle_without_hooks()
        hooks = self._forget_hooks()
        for _, hook, is_robust in hooks:
            try:
                hook()
            except Exception:
                if not is_robust:
                    raise

    def settle_without_hooks(self) -> None:
        """Between transactions: what was done since the last of them is durable."""
        # Django set it for an error outside of atomic(), after which production goes on.
        self.connection.needs_rollback = False
        if not self._is_settled:
            self.advance()

    def advance(self) -> None:
        """This is the last commit."""
        self.connection.savepoint_commit(self._durable)
        self._durable = self.connection.savepoint()
        self._is_settled = True

    def go_back(self) -> None:
        self._return()
        self._forget_hooks()

    def _return(self) -> None:
        self.connection.needs_rollback = False
        self.connection.savepoint_rollback(self._durable)
        self._is_settled = True

    def _forget_hooks(self) -> list[Any]:
        hooks: list[Any] = self.connection.run_on_commit[self._hooks :]
        del self.connection.run_on_commit[self._hooks :]
        return hooks


@contextmanager
def _rolled_back(alias: str) -> Iterator[None]:
    block: Any = transaction.atomic(using=alias)
    # As the blocks of Django's TestCase: inside of them durable=True is allowed.
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True, using=alias)
