"""``assert_survives_crashes()``: a handler that dies at each of its SQL statements, against an undisturbed run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..conf.consumers import ConsumerSettings
from . import verdicts
from .crashing import Scene, Stage
from .delivering import Delivery, Outcome, consumer_settings, prepare
from .effects import Comparison, Contents, read, tables_in, usable_databases
from .outside import Outside
from .verdicts import Trial

_FIELDS = {"value", "key", "headers", "topic", "partition", "timestamp"}
_UNFINISHED = ("failed", "stopped")


def assert_survives_crashes(
    consumer_name: str,
    messages: Iterable[Any],
    *,
    outside: Callable[[], Any] | None = None,
    reset: Callable[[], object] | None = None,
    max_breaks: int = 500,
) -> int:
    """Fails unless a consumer's handler leaves the same behind wherever it dies; returns how many breaks it tried.

    ``messages`` are values, ``(key, value)`` pairs, or dicts with ``value`` and perhaps ``key``, ``headers``,
    ``topic``, ``partition``, ``timestamp``. They are delivered one by one: undisturbed; with the process dying in place
    of and just after each SQL statement and COMMIT, once each, and the message delivered again where the consumer
    would; each twice in a row; and all of them twice. Each run begins with the tables as they are, and leaves them so.

    ``outside`` tells what was done outside the databases: a number or a list that grows, or anything that compares if
    ``reset`` puts it back before each run. AssertionError names the place and what differs; LookupError is for a
    consumer that the settings don't have, ValueError for no messages or more than ``max_breaks`` breaks.
    """
    settings = consumer_settings(consumer_name)
    parsed = [_fields(message) for message in messages]
    if not parsed:
        raise ValueError("assert_survives_crashes() got no messages: give those whose handling is to be tried.")
    databases = usable_databases()
    with Stage(databases) as stage:
        return _Rehearsals(settings, parsed, stage, Outside(outside, reset)).run(databases, max_breaks)


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """How a run left the world."""

    tables: Contents
    outside: Any
    statements: list[str]


class _Rehearsals:
    """Runs of one handler over the same messages."""

    def __init__(
        self, settings: ConsumerSettings, messages: Sequence[Mapping[str, Any]], stage: Stage, outside: Outside
    ) -> None:
        self._settings = settings
        self._messages = messages
        self._stage = stage
        self._outside = outside
        self._offsets: list[int] = []
        self._statuses: list[str] = []

    def run(self, databases: Iterable[str], max_breaks: int) -> int:
        count = len(self._messages)
        self._tables = tables_in(databases)
        self._comparison = Comparison(read(self._tables))
        self._expected = self._undisturbed()
        breaks = verdicts.breaks(count, self._expected.statements)
        if len(breaks) > max_breaks:
            raise ValueError(verdicts.too_many_breaks(count, len(breaks), max_breaks))
        self._require_sameness()
        for trial in [*verdicts.repeats(count), *breaks]:
            self._try(trial)
        return len(breaks)

    def _require_sameness(self) -> None:
        again = self._undisturbed()
        self._comparison.learn(self._expected.tables, again.tables)
        if difference := self._difference(again):
            raise AssertionError(verdicts.no_verdict(self._settings, difference))

    def _try(self, trial: Trial) -> None:
        ended = self._perform(trial)
        if self._difference(ended) is None:
            return
        # A clock may have gone on meanwhile, to another second or day: what that changed says nothing.
        self._comparison.learn(self._expected.tables, self._undisturbed().tables)
        if difference := self._difference(ended):
            raise AssertionError(verdicts.differs(self._settings, trial, difference))

    def _difference(self, ended: _Ended) -> str | None:
        tables = list(self._comparison.differences(self._expected.tables, ended.tables))
        if tables:
            return verdicts.tables_differ(self._settings, tables)
        if ended.outside != self._expected.outside:
            return verdicts.outside_differs(self._expected.outside, ended.outside)
        return None

    def _undisturbed(self) -> _Ended:
        return self._perform(verdicts.undisturbed(len(self._messages)))

    def _perform(self, trial: Trial) -> _Ended:
        with self._stage.scene(trial.break_at) as scene:
            outside = self._outside.watch()
            for index in trial.order:
                if not self._deliver(scene, index, trial):
                    self._deliver(scene, index, trial)
            return _Ended(tables=read(self._tables), outside=outside(), statements=scene.statements)

    def _deliver(self, scene: Scene, index: int, trial: Trial) -> bool:
        """False where the process died."""
        delivery = self._prepare(index)
        if delivery is None:
            return True
        outcome = scene.run(lambda: delivery.run(guard=lambda handler: handler))
        if outcome is not None:
            self._judge(trial, index, outcome)
        return outcome is not None

    def _judge(self, trial: Trial, index: int, outcome: Outcome) -> None:
        if index == len(self._statuses):
            self._statuses.append(outcome.status)
            if outcome.status in _UNFINISHED:
                raise AssertionError(verdicts.is_unfinished(self._settings, outcome)) from outcome.exception
        # A handler may say that it leaves a repeat out.
        elif outcome.status not in (self._statuses[index], "repeated", "skipped"):
            raise AssertionError(verdicts.failed_delivery(self._settings, trial, outcome)) from outcome.exception

    def _prepare(self, index: int) -> Delivery | None:
        """The delivery of a message; None where the stored offset says that it was handled."""
        known = self._offsets[index] if index < len(self._offsets) else None
        if self._settings.offset_storage == "database":
            delivery = prepare(self._settings.name, **self._messages[index])
        else:
            delivery = prepare(self._settings.name, offset=known, **self._messages[index])
        if known is None:
            self._offsets.append(delivery.message.offset)
        return delivery if known in (None, delivery.message.offset) else None


def _fields(message: Any) -> Mapping[str, Any]:
    now = {"timestamp": datetime.now(UTC)}
    if isinstance(message, tuple) and len(message) == 2:
        return {**now, "key": message[0], "value": message[1]}
    if isinstance(message, Mapping) and "value" in message and set(message) <= _FIELDS:
        return {**now, **message}
    return {**now, "value": message}
