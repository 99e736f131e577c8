"""How it grows: the same work with more partitions, larger messages, more processes, a longer backlog, more lanes.

A series is a row for each point, measured like any other; the contenders of its rows are the lines of its chart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from .catalogue import CPU, PEAK, RATE, Figure, Row, ours, program, renamed

K = 1000


@dataclass(frozen=True, kw_only=True)
class Series:
    """Rows that differ in one number only."""

    name: str
    title: str
    about: str
    across: str
    """What that number counts."""
    points: dict[int, Row]
    figures: tuple[Figure, ...]
    """What is shown of it: the first as a chart too."""

    @classmethod
    def of(
        cls, numbers: tuple[int, ...], row_of: Callable[[int], Row], *, figures: tuple[Figure, ...], **told: str
    ) -> Series:
        points = {number: _point(row_of(number), number, told["name"], told["title"]) for number in numbers}
        return cls(points=points, figures=figures, **told)


def _point(row: Row, number: int, name: str, title: str) -> Row:
    # One that fails here is left out here, and not wherever else there is one of its name.
    contenders = tuple(renamed(each, f"{name}-{number}-{each.name}") for each in row.contenders)
    return replace(row, name=f"{name}-{number}", title=f"{title}: {number:,}", contenders=contenders)


def _row(*contenders: object, figure: Figure = RATE, **more: int) -> Row:
    return Row(name="", title="", about="", contenders=contenders, figure=figure, **more)  # type: ignore[arg-type]


def _partitions(number: int) -> Row:
    return _row(
        ours("message", "message handler", "handlers.each", messages=500 * K),
        ours("columns", "batch handler, by columns", "handlers.Columns", messages=500 * K),
        program("raw-tuned", "`consume(500)` loop, tuned by hand", "tuned", messages=500 * K),
        partitions=number,
    )


def _bytes(size: int) -> Row:
    messages = min(400 * K, 400_000_000 // size)
    return _row(
        ours("message", "message handler", "handlers.each", messages=messages),
        program("raw-tuned", "`consume(500)` loop, tuned by hand", "tuned", messages=messages),
        program("raw-poll", "`poll()` loop", "poll", messages=min(messages, 200 * K)),
        value_bytes=size,
    )


def _processes(number: int) -> Row:
    several = ours(
        "processes",
        "batch handler that reads JSON",
        "sharing.Batch",
        messages=600 * K,
        module="processes",
        value_deserializer="json",
    )
    return _row(replace(several, form=str(number)))


def _backlog(number: int) -> Row:
    return _row(
        ours("slow", "message handler that waits 10 ms", "handlers.sleeping", messages=200),
        ours(
            "slow-key",
            "the same, 64 at a time by key",
            "handlers.sleeping",
            messages=min(15 * K, number),
            ordering="key",
            concurrency=64,
        ),
        program("raw-slow", "`poll()` loop that waits 10 ms", "sleeping", messages=200),
        figure=PEAK,
        backlog=number,
    )


def _lanes(number: int) -> Row:
    def sleeping(ordering: str) -> object:
        return ours(
            f"sleeping-{ordering}",
            f'`"ordering": "{ordering}"`',
            "handlers.sleeping",
            messages=min(30 * K, number * 200),
            ordering=ordering,
            concurrency=number,
        )

    return _row(sleeping("key"), sleeping("none"))


SERIES = (
    Series.of(
        (1, 4, 16, 64),
        _partitions,
        figures=(RATE, CPU),
        name="partitions",
        title="Partitions",
        about="One process reads all of them.",
        across="partitions",
    ),
    Series.of(
        (100, 1 * K, 10 * K, 100 * K),
        _bytes,
        figures=(RATE, CPU),
        name="bytes",
        title="Size of a message",
        about="Each value is read as bytes.",
        across="bytes a message",
    ),
    Series.of(
        (1, 2, 4),
        _processes,
        figures=(RATE,),
        name="processes",
        title="Processes",
        about="`runconsumer --processes N`. They share two cores with the broker here: beyond what the machine has, "
        "another process brings nothing.",
        across="processes",
    ),
    Series.of(
        (10 * K, 100 * K, 1000 * K, 10_000 * K),
        _backlog,
        figures=(PEAK,),
        name="backlog",
        title="Memory and backlog",
        about="The peak memory of a process whose handler waits 10 ms for each message.",
        across="messages that wait in the topic",
    ),
    Series.of(
        (1, 10, 100, 1000),
        _lanes,
        figures=(RATE, CPU),
        name="lanes",
        title="Messages at a time",
        about="A handler that waits 10 ms, in N threads: N times 100 messages a second would be all there is to get, "
        "until the interpreter is busy. By key there are 1,000 keys.",
        across="concurrency",
    ),
)


def growth_rows(names: Collection[str], most_messages: int) -> list[Row]:
    """The rows of the series of these names, without those whose backlog is longer."""
    rows = [row for series in SERIES if series.name in names for row in series.points.values()]
    return [row for row in rows if row.backlog <= most_messages]
