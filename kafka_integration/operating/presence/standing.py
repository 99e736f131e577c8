"""How a partition stands, in one word and a reason: decided here from what is known of it, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .trend import Trend

State = Literal["caught_up", "catching_up", "falling_behind", "stuck", "waiting"]
Reason = Literal["backoff", "outage", "paused", "handler", "draining"]

STUCK_SECONDS = 30.0
"""A partition with lag that gets no further for longer is stuck, unless it is known why."""
HANDLER_SECONDS = 10.0
"""A handler that has kept its partition where it is for so long is what that waits for."""
PATIENCE = 10
"""How many times what a handler takes at most (its 99th percentile) it may take before it counts as stuck."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a partition at one moment. Unknown is None."""

    lag: int | None
    trend: Trend | None = None
    still_seconds: float = 0.0
    """How long nothing of it was finished, though there was something to do and nothing that kept it."""
    busy_seconds: float | None = None
    """How long a handler has been at work that it waits for; None where there is none."""
    is_in_line: bool = False
    """That handler is another partition's: if anything is stuck, it is that one."""
    handler_p99_seconds: float = 0.0
    is_database_asked: bool = False
    """Whether its handler's database answers isn't known yet: what the handler waits for may be that."""
    is_draining: bool = False
    is_paused: bool = False
    """An operator wants it."""
    is_outage: bool = False
    """The brokers, or a database that its handler needs, are away."""
    is_backing_off: bool = False
    is_held_back: bool = False
    """All of it is finished, and its handler asked that it is not committed yet."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """``reason`` is there exactly when the state is "waiting"."""

    state: State
    reason: Reason | None = None


def stand(facts: Facts) -> Standing:
    """How the partition stands."""
    if reason := _reason(facts):
        return Standing(state="waiting", reason=reason)
    if facts.lag == 0:
        return Standing(state="caught_up")
    if facts.lag is not None and facts.still_seconds > STUCK_SECONDS:
        return Standing(state="stuck")
    return Standing(state="falling_behind" if _falls_behind(facts.trend) else "catching_up")


def _falls_behind(trend: Trend | None) -> bool:
    # What is finished as fast as it lately was is no lag that anybody waits for: a busy partition always has some.
    return trend is not None and trend.is_growing and trend.lately[-1] > trend.done


def _reason(facts: Facts) -> Reason | None:
    # What somebody asked for comes first, as it would keep the partition whatever else does.
    if facts.is_draining:
        return "draining"
    if facts.is_paused:
        return "paused"
    if facts.lag == 0:
        return None
    if facts.is_outage:
        return "outage"
    if facts.is_backing_off:
        return "backoff"
    if facts.is_held_back:
        return "handler"
    if facts.busy_seconds is not None and facts.still_seconds >= HANDLER_SECONDS:
        patience_seconds = max(STUCK_SECONDS, PATIENCE * facts.handler_p99_seconds)
        is_patient = facts.busy_seconds <= patience_seconds or facts.is_database_asked or facts.is_in_line
        return "handler" if is_patient else None
    return None
