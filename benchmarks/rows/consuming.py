"""What a library costs: handlers that do nothing."""

from __future__ import annotations

from ..catalogue import Row, ours, peer, program, renamed

K = 1000

MESSAGE = Row(
    name="message",
    title="A handler called for each message",
    about="The handler reads the value and does nothing with it: this is what each library costs.",
    contenders=(
        ours("message", "message handler", "handlers.each", messages=1000 * K),
        program("raw-poll", "`poll()` loop", "poll", messages=300 * K),
        program("raw-poll-tuned", "`poll()` loop, `fetch.queue.backoff.ms` 10", "poll-tuned", messages=1000 * K),
        peer("aiokafka", "each", "aiokafka, its iterator", messages=400 * K),
        peer("quixstreams", "each", "Quix Streams", messages=200 * K),
        peer("arroyo", "each", "sentry-arroyo, `RunTask`", messages=100 * K),
        peer("django_kafka", "each", "django-kafka", messages=150 * K),
        peer("faststream", "each", "FastStream", messages=6 * K),
    ),
)

BATCH = Row(
    name="batch",
    title="A handler called for each batch",
    about="Up to 500 messages at a time; the value of each is read. By columns means `messages.values()`.",
    contenders=(
        ours("batch", "batch handler", "handlers.Batch", messages=1000 * K),
        ours("columns", "batch handler, by columns", "handlers.Columns", messages=1000 * K),
        program("raw-tuned", "`consume(500)` loop, tuned by hand", "tuned", messages=1000 * K),
        program("raw-consume", "`consume(500)` loop", "consume", messages=400 * K),
        peer("aiokafka", "batch", "aiokafka, `getmany`", messages=1000 * K),
        peer("faststream", "batch", "FastStream, `batch=True`", messages=600 * K),
        peer("arroyo", "batch", "sentry-arroyo, `BatchStep`", messages=100 * K),
    ),
)

JSON = Row(
    name="json",
    title="A handler called for each message, which reads JSON",
    about="Each value is decoded by whatever the library brings for it; where it brings nothing, by `json.loads`.",
    contenders=(
        ours(
            "message-json",
            'message handler, `"value_deserializer": "json"`',
            "handlers.each_json",
            messages=300 * K,
            form="without-fast",
            value_deserializer="json",
        ),
        ours(
            "message-json-fast",
            "the same with the extra `fast`",
            "handlers.each_json",
            messages=600 * K,
            value_deserializer="json",
        ),
        program("raw-json", "`poll()` and `json.loads`", "json", messages=200 * K),
        peer("aiokafka", "json", "aiokafka, its iterator", messages=300 * K),
        peer("quixstreams", "json", "Quix Streams (orjson)", messages=200 * K),
        peer("arroyo", "json", "sentry-arroyo, `RunTask`", messages=100 * K),
        peer("django_kafka", "json", "django-kafka", messages=150 * K),
        peer("faststream", "json", "FastStream", messages=6 * K),
    ),
)

ASYNC = Row(
    name="async",
    title="An `async def` handler that has nothing to wait for",
    about="What a coroutine costs that ends at once.",
    contenders=(
        ours("async", "`async def` handler", "handlers.each_async", messages=300 * K),
        ours(
            "async-100",
            "`async def` handler, 100 at a time",
            "handlers.each_async",
            messages=300 * K,
            ordering="none",
            concurrency=100,
        ),
        ours("plain", "plain handler", "handlers.each", messages=1000 * K),
        renamed(peer("aiokafka", "each", "aiokafka, its iterator", messages=400 * K), "aiokafka-async"),
        renamed(peer("faststream", "each", "FastStream", messages=6 * K), "faststream-async"),
    ),
)
