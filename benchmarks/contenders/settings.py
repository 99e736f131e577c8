"""A project with nothing but what is measured: one consumer, whose settings a contender is given, or none."""

import json
import os

import environ

env = environ.Env()

SECRET_KEY = "benchmarks"
USE_TZ = True
INSTALLED_APPS = ["kafka_integration", "benchmarks.contenders.shop"]
DATABASES = {"default": env.db_url("BENCH_DATABASE", default="sqlite://:memory:")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
GIVEN = json.loads(os.environ["BENCH_CONSUMER"])
CONSUMER = {
    "topics": [os.environ["BENCH_TOPIC"]],
    "consumer_group": os.environ["BENCH_GROUP"],
    "value_deserializer": "bytes",
}
KAFKA = {
    "endpoints": os.environ["BENCH_SERVERS"],
    "operations": {"rows": env.bool("BENCH_ROWS", default=True)},
    "tracing": env.bool("BENCH_TRACING", default=False),
    "consumers": {"bench": {**CONSUMER, **GIVEN}} if GIVEN else {},
}
