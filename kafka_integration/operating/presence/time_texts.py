"""Where the time of a consumer went, as a command says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...observing.time_spent import OF_HANDLERS, OF_THE_LOOP, Phase

WORDS: Mapping[Phase, str] = {
    "handle": "handler",
    "database": "database",
    "commit": "commits",
    "fetch": "fetching",
    "wait": "waiting for the handler",
    "idle": "waiting for messages",
}


def time_text(seconds: Mapping[str, float] | None) -> str:
    """Of the last minute: what its handlers did, and its loop meanwhile; empty where neither is known to have begun."""
    parts = (("handlers", OF_HANDLERS), ("loop", OF_THE_LOOP))
    found = [f"{name}: {', '.join(shares)}" for name, phases in parts if (shares := [*_shares(seconds or {}, phases)])]
    return f"last minute, {'; '.join(found)}" if found else ""


def _shares(seconds: Mapping[str, float], phases: Sequence[Phase]) -> Iterator[str]:
    """The greatest first; what is less than half a percent isn't said."""
    spent = {phase: seconds.get(phase) or 0.0 for phase in phases}
    whole = sum(spent.values())
    for phase in sorted(spent, key=lambda phase: -spent[phase]):
        if whole and (percent := round(100 * spent[phase] / whole)):
            yield f"{WORDS[phase]} {percent} %"
