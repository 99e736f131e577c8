"""What ``assert_survives_crashes()`` tries, and what it says where a handler doesn't survive: place, rows, remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..conf.consumers import ConsumerSettings
from .crashing import COMMIT, WHENS, Break
from .delivering import Outcome
from .effects import Difference, Table

_MOST_ROWS = 5
_MOST_SQL = 2_000


@dataclass(frozen=True, kw_only=True)
class Trial:
    """In which order messages are delivered, by their index, and where the process dies."""

    order: Sequence[int]
    story: str
    break_at: Break | None = None


def undisturbed(count: int) -> Trial:
    return Trial(order=range(count), story="each message is delivered once")


def repeats(count: int) -> list[Trial]:
    """What at least once means where nothing breaks in a handler."""
    again = "all messages are delivered, and all of them again, as after a crash before their offsets were committed"
    return [
        Trial(order=[index for index in range(count) for _ in "12"], story="each message is delivered twice in a row"),
        Trial(order=[*range(count), *range(count)], story=again),
    ]


def breaks(count: int, statements: Sequence[str]) -> list[Trial]:
    """The process dies at each statement of an undisturbed run."""
    return [
        Trial(
            order=range(count),
            story=f"the process dies {when} statement {number} of {len(statements)}:\n"
            f"    {_sql(statements, number)}\nand the message is delivered again",
            break_at=Break(number=number, when=when),
        )
        for number in range(1, len(statements) + 1)
        for when in WHENS
    ]


def differs(settings: ConsumerSettings, trial: Trial, difference: str) -> str:
    return f"consumer {settings.name} does not survive this: {trial.story}.\n{difference}"


def tables_differ(settings: ConsumerSettings, differences: Sequence[Difference]) -> str:
    lines = []
    for table, missing, extra in differences:
        lines.append(f"In {table}, - undisturbed, + here:")
        for sign, rows in (("-", missing), ("+", extra)):
            lines += [f"  {sign} {row}" for row in rows[:_MOST_ROWS]]
            lines += [f"  {sign} and {len(rows) - _MOST_ROWS} more"] if len(rows) > _MOST_ROWS else []
    return "\n".join([*lines, _remedy(settings, [table for table, *_ in differences])])


def outside_differs(expected: object, actual: object) -> str:
    return (
        f"Outside of the databases, - undisturbed, + here:\n  - {expected!r}\n  + {actual!r}\n"
        "What is done there is not rolled back with the rest. Publish an event by publish(), in the transaction, "
        "and let a consumer of its own call the service; or give the service a key of the message's, by which it "
        "recognises a repeat, and count only what it recognises as new."
    )


def is_unfinished(settings: ConsumerSettings, outcome: Outcome) -> str:
    return (
        f"consumer {settings.name}: {_described(outcome)}, though nothing is broken yet. "
        "Give messages that its handler finishes."
    )


def failed_delivery(settings: ConsumerSettings, trial: Trial, outcome: Outcome) -> str:
    remedy = f"Let the handler recognise what it has done before.{_settings_hint(settings)}"
    return differs(settings, trial, f"Then {_described(outcome)}.\n{remedy}")


def no_verdict(settings: ConsumerSettings, difference: str) -> str:
    return (
        f"consumer {settings.name}: two undisturbed runs from the same beginning differ, so that crashes can't be told "
        f"from chance. Something outside of the databases has kept a state, a cache for example: put it back by "
        f"reset=.\n{difference}"
    )


def too_many_breaks(messages: int, breaks: int, max_breaks: int) -> str:
    return (
        f"{messages} messages run {breaks // 2} SQL statements, to be broken {breaks} times, over max_breaks "
        f"({max_breaks}): give fewer messages, or raise max_breaks."
    )


def _sql(statements: Sequence[str], number: int) -> str:
    sql = statements[number - 1]
    return (sql if sql != COMMIT else f"{COMMIT} after {statements[number - 2]}")[:_MOST_SQL]


def _described(outcome: Outcome) -> str:
    return f"{outcome.message!r} is not handled, but {outcome.status}: {outcome.exception!r}"


def _remedy(settings: ConsumerSettings, tables: Sequence[Table]) -> str:
    if not _is_exactly_once(settings):
        hint = _settings_hint(settings)
        return f"Let a repeat change nothing: write all in one transaction, by a key of the message's.{hint}"
    if all(table.database == settings.database for table in tables):
        return "It was written outside of the consumer's transaction, or depends on what is outside of it."
    return (
        f'The consumer\'s transaction is in database "{settings.database}", and these are in another one: write there, '
        'or set "database", or let a repeat change nothing.'
    )


def _settings_hint(settings: ConsumerSettings) -> str:
    if _is_exactly_once(settings):
        return ""
    return ' Or set "offset_storage": "database", so that effects and offset are committed together.'


def _is_exactly_once(settings: ConsumerSettings) -> bool:
    return settings.offset_storage == "database" or settings.deduplicate
