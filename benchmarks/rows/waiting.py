"""Many messages at a time, whose handlers wait."""

from __future__ import annotations

from ..catalogue import Row, ours, peer, program

K = 1000

SLEEPING = Row(
    name="sleeping",
    title="Many at a time: a handler that waits 10 ms",
    about="`time.sleep(0.010)` stands for a service that is asked. 64 at a time could handle 6,400 messages a second; "
    'the order of each of 1,000 keys is kept (`"ordering": "key"`).',
    contenders=(
        ours(
            "sleeping-key",
            "message handler, 64 at a time by key",
            "handlers.sleeping",
            messages=15 * K,
            ordering="key",
            concurrency=64,
        ),
        ours(
            "sleeping-partition",
            "message handler, a lane a partition",
            "handlers.sleeping",
            messages=800,
            concurrency=4,
        ),
        program("raw-sleeping", "`poll()` loop", "sleeping", messages=200),
    ),
)

SLEEPING_ASYNC = Row(
    name="sleeping-async",
    title="Many at a time: an `async def` handler that waits 50 ms",
    about="`asyncio.sleep(0.05)` stands for a service that is asked. 1,000 at a time could handle 20,000 messages "
    "a second.",
    contenders=(
        ours(
            "sleeping-async",
            "`async def` handler, 1,000 at a time",
            "handlers.sleeping_async",
            messages=40 * K,
            ordering="none",
            concurrency=1000,
        ),
        ours(
            "sleeping-async-key",
            "`async def` handler, 1,000 at a time by key",
            "handlers.sleeping_async",
            messages=30 * K,
            ordering="key",
            concurrency=1000,
        ),
        peer("faststream", "sleeping", "FastStream, `max_workers=1000` (commits first)", messages=4 * K),
    ),
)
