"""The table at the end of the mixed hour, and whether every bound was kept."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg

from kafka_integration.operating.columns import aligned
from tests.alarms.judging import (
    CHANNELS,
    COMMAND_SECONDS,
    SERVERS,
    Alarms,
    Course,
    Moment,
    could_be_taken_up,
    courses_of,
    judge_alarms,
    lag_off_by,
    time_lag_off_by,
)
from tests.alarms.sending import Sender
from tests.alarms.truth import Place, Truth
from tests.alarms.watching import LagSaid, Saying, Watch

LAG_SECONDS = 1.0
TIME_LAG_SECONDS = 2.0
UNCERTAIN_SECONDS = 20.0
"""After servers and processes came back it isn't known to whom a record was, or what was handled, when."""
MOST_SHOWN = 10


def report(seed: int, truth: Truth, watch: Watch, sender: Sender, database_url: str, ended: Sequence[str]) -> bool:
    """Print what came of it; True if every bound was kept."""
    alarms = judge_alarms(truth, watch.sayings)
    faults = [*_alarm_faults(alarms, truth), *ended]
    print("\n".join(aligned(list(_alarm_rows(alarms, watch)), right=range(1, 6))))
    courses = _courses(sender, database_url)
    for title, bound, off_by in (
        ("lag", LAG_SECONDS, lag_off_by),
        ("time lag", TIME_LAG_SECONDS, time_lag_off_by),
    ):
        faults += _judge_lags(title, bound, off_by, truth, watch, courses)
    faults += _judge_commands(truth, database_url)
    deeds = Counter(deed.kind for deed in truth.deeds)
    print(f"deeds: {', '.join(f'{count} {kind}' for kind, count in deeds.most_common())}")
    print(f"looks: {', '.join(f'{count} {name}' for name, count in watch.looks.items())}")
    if sender.refused:
        faults.append(f"{len(sender.refused)} records were refused: {sender.refused[0]}")
    print("\n".join(faults))
    print(f"seed {seed}: " + ("NOT WELL" if faults else "no false alarm, none missed, every bound kept"))
    return not faults


def _alarm_rows(alarms: Alarms, watch: Watch) -> Iterator[tuple[str, ...]]:
    yield "channel", "looks", "right", "false", "named", "missed", "latest naming"
    wrong = Counter(saying.channel for saying in alarms.false)
    right: Counter[str] = Counter()
    for (channel, _), count in alarms.right.items():
        right[channel] += count
    missed = Counter(channel for channel, _ in alarms.missed)
    for channel in sorted({*CHANNELS, *right, *wrong}):
        named = [each[channel] for each in alarms.named_seconds if channel in each]
        looks = watch.looks.get(channel, watch.looks.get("probes", 0))
        latest = f"{max(named):.1f} s" if named else "-"
        yield (channel, *map(str, (looks, right[channel], wrong[channel], len(named), missed[channel])), latest)


def _alarm_faults(alarms: Alarms, truth: Truth) -> Iterator[str]:
    alike: dict[object, list[Saying]] = defaultdict(list)
    for saying in alarms.false:
        alike[saying.kind, saying.consumer, saying.place, saying.pid].append(saying)
    for first, *more in list(alike.values())[:MOST_SHOWN]:
        channels = ", ".join(sorted({each.channel for each in (first, *more)}))
        until = (more or [first])[-1].asked_at
        yield (
            f"false: {channels} said {first.kind} of {first.consumer} {first.place or first.pid or ''} from "
            f"{first.asked_at:.0f} to {until:.0f}, {_after_what(truth, first)} {first.text}"
        )
    if alarms.false:
        yield f"{len(alarms.false)} readings of {len(alike)} such were false"
    for channel, hang in alarms.missed:
        yield f"missed: {channel} did not name {hang.place}@{hang.offset} within a minute of {hang.began_at:.0f}"


def _after_what(truth: Truth, saying: Saying) -> str:
    ended = [deed for deed in truth.of(*SERVERS, "handover") if deed.ended_at <= saying.asked_at]
    if not ended:
        return "before anything was away:"
    last = max(ended, key=lambda deed: deed.ended_at)
    return f"first {saying.asked_at - last.ended_at:.0f} s after {last.kind}:"


def _judge_lags(
    title: str,
    bound: float,
    off_by: Callable[[Course, LagSaid], float],
    truth: Truth,
    watch: Watch,
    courses: dict[Place, Course],
) -> Iterator[str]:
    by_channel: dict[str, list[tuple[float, LagSaid]]] = defaultdict(list)
    for said in watch.lags:
        if not _is_uncertain(truth, said) and said.place in courses:
            if title == "time lag" and said.channel == "rows" and said.time_lag_seconds is None:
                continue  # of what it has not fetched a process knows no age
            by_channel[said.channel].append((off_by(courses[said.place], said), said))
    for channel, found in by_channel.items():
        beyond = [(error, said) for error, said in found if error > bound + 0.05]
        worst = max(error for error, _ in found)
        paused = sum(truth.was("pause", at=s.until, after_seconds=0, place=s.place) for _, s in found)
        print(f"{title} by {channel}: {len(found)} compared ({paused} while paused), worst off by {worst:.1f} s")
        for error, said in beyond[:3]:
            yield f"{title} by {channel}: {len(beyond)} beyond {bound:g} s, one by {error:.1f} s: {said}"


def _is_uncertain(truth: Truth, said: LagSaid) -> bool:
    disturbances = "broker away", "database away", "handover"
    return any(truth.was(*disturbances, at=at, after_seconds=UNCERTAIN_SECONDS) for at in (said.since, said.until))


def _courses(sender: Sender, database_url: str) -> dict[Place, Course]:
    """By what was acknowledged, and when the handlers were done with it."""
    ends: dict[Place, list[Moment]] = defaultdict(list)
    written_at: dict[Place, dict[int, float]] = defaultdict(dict)
    # What is written with a time of the wall's clock was at this much less by the other.
    epoch = time.time() - time.monotonic()
    for sent in sender.sent:
        ends[sent.place].append(Moment(at=sent.acknowledged_at, offset=sent.offset + 1))
        written_at[sent.place][sent.offset] = sent.timestamp_ms / 1000 - epoch
    # What was handled twice was not finished before: whoever did it first had lost the partition meanwhile.
    finished: dict[Place, list[Moment]] = defaultdict(list)
    for topic, partition, offset, at in _rows(
        database_url,
        'SELECT topic, partition, "offset", max(ended) / 1e9::float8 FROM workload_effect GROUP BY 1, 2, 3',
    ) + _rows(
        database_url,
        'SELECT topic, partition, "offset", extract(epoch FROM failed_at)::float8 - %s '
        "FROM kafka_integration_deadletter",
        epoch,
    ):
        finished[topic, partition].append(Moment(at=at, offset=offset))
    return courses_of(ends, finished, written_at)


def _judge_commands(truth: Truth, database_url: str) -> Iterator[str]:
    rows = _rows(
        database_url,
        # But of those that were lost, for whom nobody waited: it stays requested.
        "SELECT name, extract(epoch FROM requested_at)::float8, extract(epoch FROM taken_at - requested_at)::float8 "
        "FROM kafka_integration_processcommand WHERE state <> 'requested'",
    )
    epoch = time.time() - time.monotonic()
    certain = [row for row in rows if could_be_taken_up(truth, row[1] - epoch)]
    worst = max((row[2] for row in certain if row[2] is not None), default=0.0)
    print(f"commands: {len(certain)} of {len(rows)} compared, the latest taken up after {worst:.1f} s")
    for name, asked, seconds in certain:
        if seconds is None or seconds > COMMAND_SECONDS:
            yield f"{name}, asked at {asked - epoch - truth.began_at:.1f} s, was taken up after {seconds} s"
    broken = "SELECT name, answer FROM kafka_integration_processcommand WHERE answer LIKE 'failed: %%' ORDER BY id"
    for name, answer in _rows(database_url, broken):
        yield f"{name} {answer}"


def _rows(database_url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        return connection.execute(query.encode(), values).fetchall()
