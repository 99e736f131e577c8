"""What a process needs: time for a message, memory, time to start."""

from __future__ import annotations

from ..catalogue import CPU, MEDIAN, PEAK, START, TAIL, Row, ours, peer, program

K = 1000

LATENCY = Row(
    name="latency",
    title="From produce to handler",
    about="One message is on its way at a time, produced by a process of its own; how long until its handler has it.",
    contenders=(
        ours("latency", "message handler", "latency.handle", messages=400, topic="fed"),
        program("raw-latency", "`poll()` loop", "poll", messages=400, module="latency", topic="fed"),
        peer("aiokafka", "latency", "aiokafka, its iterator", messages=400, topic="fed"),
        peer("faststream", "latency", "FastStream", messages=400, topic="fed"),
    ),
    figure=MEDIAN,
    beside=(TAIL, CPU, PEAK),
)

MEMORY = Row(
    name="memory",
    title="Memory with a backlog of a million and a slow handler",
    about="The handler waits 10 ms for each message, while more could be fetched than it will ever handle.",
    contenders=(
        ours("slow", "message handler", "handlers.sleeping", messages=300),
        ours(
            "slow-key",
            "message handler, 64 at a time by key",
            "handlers.sleeping",
            messages=15 * K,
            ordering="key",
            concurrency=64,
        ),
        program("raw-slow", "`poll()` loop", "sleeping", messages=300),
    ),
    figure=PEAK,
    beside=(CPU,),
    backlog=1000 * K,
)

STARTING = Row(
    name="start",
    title="From the start of a process to its first message",
    about="`manage.py runconsumer`, and a process that calls `django.setup()`, joins a group with the raw client "
    "and polls.",
    contenders=(
        ours("start", "`runconsumer`", "handlers.first", messages=1),
        program("raw-start", "`django.setup()`, then a `poll()` loop", "start", messages=1),
    ),
    figure=START,
    beside=(PEAK,),
)
