"""What was said against what was so: alarms that were right, false or missed, and how far lags were off."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from tests.alarms.truth import Deed, Place, Truth
from tests.alarms.watching import LagSaid, Saying

STUCK_SECONDS = 30.0
NAMED_SECONDS = 60.0
ENDED_SECONDS = 15.0
"""An alarm whose cause was mended has ended so much later: processes write down how they are every 5 seconds."""
MOST_SECONDS = 10.0
"""Further than this nobody looks for what was said."""
CHANNELS = ("rows", "overview", "lag", "/readyz", "/metrics")
"""By each of them a stuck partition is told."""
SERVERS = ("broker away", "database away")
REASONS: dict[str, tuple[tuple[str, ...], float]] = {
    # What is said: when it is right, and for how many seconds afterwards it may still be said.
    "paused": (("pause",), 10),
    "outage": (SERVERS, 30),
    # An outage adds to it.
    "backoff": (("failing", *SERVERS), 90),
    # After an outage the same message is handled again.
    "handler": (("slow", "hang", *SERVERS), 60),
    "draining": (("handover",), 30),
    "unowned": (("handover", *SERVERS), 30),
    "not_ready": (("handover",), 60),
    "no_answer": (("handover",), 5),
    "lost": (("killed", "database away"), 10),
    # What processes wrote is as old as the outage, until they write again.
    "nobody_runs_it": (("database away",), 10),
}


COMMAND_SECONDS = 2.0
LOST_SECONDS = 35.0
"""So long one that was killed is asked, as nobody knows yet."""


@dataclass(kw_only=True)
class Alarms:
    """How many were right and false, by channel and kind, and when each hang was named."""

    right: Counter[tuple[str, str]] = field(default_factory=Counter)
    false: list[Saying] = field(default_factory=list)
    missed: list[tuple[str, Deed]] = field(default_factory=list)
    named_seconds: list[dict[str, float]] = field(default_factory=list)


def could_be_taken_up(truth: Truth, asked_at: float) -> bool:
    """Whether all were there for as long as a command may take to be taken up."""
    away = "database away", "handover"
    moments = asked_at, asked_at + COMMAND_SECONDS
    return not any(truth.was(*away, at=moment, after_seconds=LOST_SECONDS) for moment in moments)


def judge_alarms(truth: Truth, sayings: Sequence[Saying]) -> Alarms:
    """Each saying for itself, and then for each hang whether and when it was named by every channel."""
    alarms = Alarms()
    for saying in sayings:
        if saying.kind == "dead_letters":
            continue
        if is_right(truth, saying):
            alarms.right[saying.channel, saying.kind] += 1
        else:
            alarms.false.append(saying)
    for hang in truth.of("hang"):
        named = named_seconds(hang, sayings)
        alarms.named_seconds.append(named)
        alarms.missed += [(channel, hang) for channel in CHANNELS if named.get(channel, inf) > NAMED_SECONDS]
    return alarms


def named_seconds(hang: Deed, sayings: Iterable[Saying]) -> dict[str, float]:
    """After how many seconds each channel named it; those that didn't are left out."""
    named: dict[str, float] = {}
    for saying in sayings:
        if _names(saying, hang):
            named.setdefault(saying.channel, saying.at - hang.began_at)
    return named


def is_right(truth: Truth, saying: Saying) -> bool:
    """Whether it was so when it was asked for, or had been until a moment ago."""
    if saying.kind == "stuck":
        return any(_is_of(saying, hang) for hang in truth.of("hang"))
    if saying.kind == "falling_behind":
        return truth.was("burst", "pause", "slow", "hang", "failing", *SERVERS, **_where(saying), after_seconds=120)
    if saying.kind not in REASONS:
        return False
    kinds, after_seconds = REASONS[saying.kind]
    if truth.was(*kinds, **_where(saying), after_seconds=after_seconds):
        return True
    return saying.kind == "backoff" and _fails_anew(truth, saying, after_seconds)


def _fails_anew(truth: Truth, saying: Saying, after_seconds: float) -> bool:
    """Whether what failed was handed over meanwhile: its attempts begin anew, each time that happens in between."""
    for failing in truth.of("failing"):
        if failing.began_at <= saying.asked_at and failing.concerns(saying.consumer, saying.place):
            until = failing.ended_at + after_seconds
            for handover in sorted(truth.of("handover"), key=lambda each: each.began_at):
                if failing.began_at <= handover.began_at <= until:
                    until = max(until, handover.ended_at + after_seconds)
            if saying.asked_at <= until:
                return True
    return False


def _where(saying: Saying) -> dict[str, object]:
    return {"at": saying.asked_at, "consumer": saying.consumer, "place": saying.place}


def _is_of(saying: Saying, hang: Deed) -> bool:
    has_same_offset = saying.offset in (None, hang.offset)
    is_in_time = hang.began_at + STUCK_SECONDS <= saying.at and saying.asked_at <= hang.ended_at + ENDED_SECONDS
    return is_in_time and has_same_offset and hang.concerns(saying.consumer, saying.place)


def _names(saying: Saying, hang: Deed) -> bool:
    # A metric counts, and names the consumer alone.
    is_named = saying.channel == "/metrics" or saying.offset is not None
    return saying.kind == "stuck" and is_named and _is_of(saying, hang)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Up to which offset, from this moment on."""

    at: float
    offset: int


class Course:
    """How one partition's end and its group's position went, and when each of its records was written."""

    def __init__(self, ends: Iterable[Moment], positions: Iterable[Moment], written_at: dict[int, float]) -> None:
        self._ends = _rising(ends)
        self._positions = _rising(positions)
        self._written_at = written_at

    def lag(self, at: float) -> int:
        return max(0, _at(self._ends, at) - _at(self._positions, at))

    def time_lag(self, at: float) -> float:
        """The age of the lowest unfinished record, nothing without lag."""
        written_at = self._written_at.get(_at(self._positions, at), at)
        return max(0.0, at - written_at) if self.lag(at) else 0.0

    def can_be(self, lag: int, since: float, until: float) -> bool:
        """Whether end and position, each at some moment between these, are so far apart."""
        least = _at(self._ends, since) - _at(self._positions, until)
        return max(0, least) <= lag <= max(0, _at(self._ends, until) - _at(self._positions, since))

    def time_lags(self, since: float, until: float) -> list[float]:
        """All there were between these moments, but for what lies on the way from one to another."""
        changes = [at for line in (self._ends, self._positions) for at in _within(line, since, until)]
        return [self.time_lag(at) for at in (since, *changes, *(at - 0.0001 for at in changes), until)]


def lag_off_by(course: Course, said: LagSaid) -> float:
    """By how many seconds end or position must be later or earlier, at most, for the lag that was said."""
    return _first(lambda seconds: course.can_be(said.lag, said.since - seconds, said.until + seconds))


def time_lag_off_by(course: Course, said: LagSaid) -> float:
    """By how many seconds the age that was said is off; infinite where there is lag and no age was said."""
    age = said.time_lag_seconds
    if age is None:
        return inf if said.lag else 0.0

    def is_so(seconds: float) -> bool:
        found = course.time_lags(said.since - seconds, said.until + seconds)
        return min(found) - seconds <= age <= max(found) + seconds

    return _first(is_so)


def _first(is_so: Callable[[float], bool]) -> float:
    tenths = (tenth / 10 for tenth in range(int(MOST_SECONDS * 10)))
    return next((seconds for seconds in tenths if is_so(seconds)), MOST_SECONDS)


def _within(line: Sequence[Moment], since: float, until: float) -> Iterator[float]:
    first = bisect_right(line, since, key=lambda each: each.at)
    last = bisect_right(line, until, key=lambda each: each.at)
    return (each.at for each in line[first:last])


def _rising(moments: Iterable[Moment]) -> list[Moment]:
    found: list[Moment] = []
    for moment in sorted(moments, key=lambda each: each.at):
        if not found or moment.offset > found[-1].offset:
            found.append(moment)
    return found


def _at(line: Sequence[Moment], at: float) -> int:
    index = bisect_right(line, at, key=lambda each: each.at)
    return line[index - 1].offset if index else 0


def courses_of(
    ends: dict[Place, list[Moment]], finished: dict[Place, list[Moment]], written_at: dict[Place, dict[int, float]]
) -> dict[Place, Course]:
    """A course for each partition; ``finished`` are single offsets, each with when it was."""
    return {place: Course(ends[place], _floors(finished.get(place, [])), written_at.get(place, {})) for place in ends}


def _floors(finished: Iterable[Moment]) -> Iterator[Moment]:
    """The lowest unfinished offset, as it rose."""
    beyond: set[int] = set()
    floor = 0
    for moment in sorted(finished, key=lambda each: each.at):
        beyond.add(moment.offset)
        while floor in beyond:
            beyond.remove(floor)
            floor += 1
        yield Moment(at=moment.at, offset=floor)
