"""A project with nothing but what is measured."""

import os

import environ

env = environ.Env()

SECRET_KEY = "benchmarks"
USE_TZ = True
INSTALLED_APPS = ["kafka_integration"]
DATABASES = {"default": env.db_url("BENCH_DATABASE", default="sqlite://:memory:")}
KAFKA = {
    "endpoints": os.environ.get("BENCH_SERVERS", "127.0.0.1:9092"),
    "consumers": {
        name: {
            "topics": ["bench"],
            "consumer_group": f"{name}-{os.getpid()}",
            "message_handler": handler,
            "value_deserializer": "json" if name.endswith("json") else "bytes",
        }
        for name, handler in {
            "message": "benchmarks.handlers.each",
            "message-async": "benchmarks.handlers.each_async",
            "message-json": "benchmarks.handlers.each_decoded",
            "batch": "benchmarks.handlers.Batch",
            "columns": "benchmarks.handlers.Columns",
        }.items()
    },
}
