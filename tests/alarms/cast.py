"""Who takes part in the mixed hour: consumers, what each is like, and what happens to it."""

from __future__ import annotations

from typing import Any

PARTITIONS = 4
ATTEMPTS = 4
RETRY = {"attempts": ATTEMPTS, "backoff_seconds": 5}
FAILING_SECONDS = 45.0
"""What these attempts take, and more."""
EACH = {
    "message_handler": "tests.workload.handlers.each",
    "offset_commit_interval_seconds": 0.5,
    "concurrency": PARTITIONS,
    "retry": RETRY,
}
SESSION = {"config": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000}}
CONSUMERS: dict[str, dict[str, Any]] = {
    "work": {**EACH, **SESSION, "offset_storage": "kafka"},
    "stored": {**EACH, **SESSION, "offset_storage": "database"},
    "keyed": {**EACH, "group_protocol": "consumer", "ordering": "key", "concurrency": 8},
    "slow": {**EACH, **SESSION},
    "idle": {**EACH, **SESSION},
}
ACTS = {
    "work": ("hang", "be_slow", "burst", "pause", "fail", "trace", "die"),
    "stored": ("pause", "hang", "fail", "be_slow", "die", "burst"),
    "keyed": ("burst", "be_slow", "fail", "pause", "die"),
    "slow": ("trace", "pause", "be_very_slow"),
}
"""The names of its acts (``acts.Acts``), in the order in which they come first."""
EVERY_SECONDS = {"work": 0.2, "stored": 0.5, "keyed": 0.5, "slow": 12.0}
"""How often each partition gets a message."""
SLOW_SECONDS = 6.0
"""What the slow handler always takes."""


def topic_of(consumer: str) -> str:
    return f"alarms-{consumer}"


def kafka_settings(bootstrap: str) -> dict[str, Any]:
    """``KAFKA`` of all processes."""
    consumers = {
        name: {**consumer, "topics": [topic_of(name)], "consumer_group": f"group-{name}"}
        for name, consumer in CONSUMERS.items()
    }
    return {"endpoints": bootstrap.split(","), "consumers": consumers}
