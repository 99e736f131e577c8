"""What a row of the benchmark is: one piece of work, done by several contenders, and the figure that is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from . import workload

OURS = "ours"
"""The environment that the benchmark itself runs in: that of this project and of the raw client."""


Topic = Literal["filled", "empty", "fed"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What is measured and compared, and how it is shown."""

    key: str
    heading: str
    places: int = 0
    higher_is_better: bool = True
    better: str = "faster"
    worse: str = "slower"

    def text(self, value: float) -> str:
        return f"{value:,.{self.places}f}"

    def times_better(self, one: float, other: float) -> float:
        """How many times better `one` is than `other`."""
        return one / other if self.higher_is_better else other / one

    def words(self, one: float, other: float) -> str:
        """What `one` is beside `other`."""
        ratio = self.times_better(one, other)
        if ABOUT_THE_SAME < ratio < 1 / ABOUT_THE_SAME:
            return "the same"
        times, comparative = (ratio, self.better) if ratio > 1 else (1 / ratio, self.worse)
        return f"{times:.{2 if times < 2 else 1}f} times {comparative}"


ABOUT_THE_SAME = 0.96
"""Medians closer than that can't be told apart."""

RATE = Figure(key="rate", heading="messages/s")
CPU = Figure(key="cpu_us", heading="CPU µs a message", places=1, higher_is_better=False)
PEAK = Figure(key="peak_mib", heading="peak MiB", higher_is_better=False, better="smaller", worse="larger")
MEDIAN = Figure(key="p50_ms", heading="p50 ms", places=2, higher_is_better=False)
TAIL = Figure(key="p99_ms", heading="p99 ms", places=2, higher_is_better=False)
START = Figure(key="start_seconds", heading="seconds", places=2, higher_is_better=False)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work of a row: a module that is run in an environment, in a process of its own."""

    name: str
    label: str
    module: str
    form: str
    environment: str = OURS
    messages: int
    """How many take it about two seconds; for a faster look, fewer."""
    topic: Topic = "filled"
    """One that is full; one of its own, which it writes to; one of its own that is written to while it runs."""
    consumer: Mapping[str, object] = field(default_factory=dict)
    """Settings of our consumer."""
    needs_database: bool = False
    is_ours: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """The first contender is the one that the others are compared with."""

    name: str
    title: str
    about: str
    contenders: tuple[Contender, ...]
    figure: Figure = RATE
    beside: tuple[Figure, ...] = (CPU, PEAK)
    """What is shown beside the compared figure."""
    backlog: int = 0
    """How many messages the topic has at least, however many are handled."""
    value_bytes: int = workload.VALUE_BYTES
    partitions: int = workload.PARTITIONS


def ours(
    name: str,
    label: str,
    handler: str,
    *,
    messages: int,
    module: str = "ours",
    form: str = "ours",
    topic: Topic = "filled",
    **consumer: object,
) -> Contender:
    """This project's consumer with a handler of a module of `benchmarks/contenders/`, and settings."""
    return Contender(
        name=name,
        label=label,
        module=f"benchmarks.contenders.{module}",
        form=form,
        messages=messages,
        topic=topic,
        consumer={"message_handler": f"benchmarks.contenders.{handler}", **consumer},
        needs_database="offset_storage" in consumer,
        is_ours=True,
    )


def program(
    name: str,
    label: str,
    form: str,
    *,
    messages: int,
    module: str = "raw",
    topic: Topic = "filled",
    needs_database: bool = False,
    is_ours: bool = False,
) -> Contender:
    """A form of a module of `benchmarks/contenders/`: the raw client, or what is ours and no consumer."""
    return Contender(
        name=name,
        label=label,
        module=f"benchmarks.contenders.{module}",
        form=form,
        messages=messages,
        topic=topic,
        needs_database=needs_database,
        is_ours=is_ours,
    )


def peer(library: str, form: str, label: str, *, messages: int, topic: Topic = "filled") -> Contender:
    """A peer, in a form of its module in `benchmarks/peers/`."""
    return Contender(
        name=f"{library}-{form}",
        label=label,
        module=f"benchmarks.peers.{library}",
        form=form,
        environment=library,
        messages=messages,
        topic=topic,
    )


def renamed(contender: Contender, name: str) -> Contender:
    """The same contender, for another row."""
    return replace(contender, name=name)
