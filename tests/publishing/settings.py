"""Settings of the publishing processes: KAFKA is the JSON document in the variable PUBLISHING_KAFKA."""

import json

import environ

from tests.faults.clock import shift_clock

shift_clock()
env = environ.Env()

SECRET_KEY = "of no use to anyone"
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = ["kafka_integration", "tests.publishing"]
DATABASES = {"default": {**env.db_url("DATABASE_URL", default="sqlite://:memory:"), "CONN_MAX_AGE": None}}
if second := env.str("SECOND_DATABASE_URL", default=""):
    DATABASES["second"] = env.db_url_config(second)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
KAFKA = json.loads(env.str("PUBLISHING_KAFKA", default='{"endpoints": "memory"}'))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"kafka_integration": {"level": "INFO"}},
}
