"""How long messages took, as each says itself when it was produced. Needs nothing but Python, as the meter."""

from __future__ import annotations

from time import monotonic_ns

from .meter import Meter, leave, work

SETTLING_NS = 500_000_000
"""What comes soon after the first message was on its way before the consumer had joined."""


class Latencies:
    """Notes how old messages are; leaves when there are as many as were asked for."""

    def __init__(self) -> None:
        self._meter = Meter(work().messages, on_done=self._leave)
        self._begins: int | None = None
        self._ns: list[int] = []

    def note(self, value: bytes) -> None:
        now, produced = monotonic_ns(), int(value[:20])
        if self._begins is None:
            self._begins = now + SETTLING_NS
        if produced > self._begins:
            self._ns.append(now - produced)
            self._meter.add(len(value))

    def _leave(self) -> None:
        ordered = sorted(self._ns)
        percentiles = {f"p{part}_ms": ordered[len(ordered) * part // 100] / 1e6 for part in (50, 99)}
        leave(self._meter.figures(**percentiles))
