"""Settings of the workload: KAFKA is the JSON document in the variable WORKLOAD_KAFKA.

With WORKLOAD_DRIVER=psycopg2 its process finds no other driver of PostgreSQL: Django would prefer psycopg.
"""

import json
import sys

import environ

from tests.faults.clock import shift_clock

shift_clock()
env = environ.Env()
if env.str("WORKLOAD_DRIVER", default="") == "psycopg2":
    sys.modules["psycopg"] = None  # type: ignore[assignment]  # as if it were not installed

SECRET_KEY = "of no use to anyone"
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = ["kafka_integration", "tests.workload"]
DATABASES = {
    "default": {
        **env.db_url("DATABASE_URL", default="sqlite://:memory:"),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
KAFKA = json.loads(env.str("WORKLOAD_KAFKA", default='{"endpoints": "memory"}'))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"kafka_integration": {"level": env.str("LOG_LEVEL", default="INFO")}},
}
