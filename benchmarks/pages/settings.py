"""A site that is nothing but the admin, with many groups; one of them reads a topic of many partitions."""

import os

import environ

env = environ.Env()

ORDERS = os.environ["BENCH_TOPIC"]
ORDERS_GROUP = "orders"
OTHER_GROUPS = [f"group-{number:02}" for number in range(19)]
_HANDLER = {"message_handler": "benchmarks.pages.urls.handle"}

SECRET_KEY = "benchmarks"
USE_TZ = True
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "kafka_integration",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "benchmarks.pages.urls"
STATIC_URL = "static/"
DATABASES = {"default": {**env.db_url("BENCH_DATABASE"), "CONN_MAX_AGE": None}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
KAFKA = {
    "endpoints": os.environ["BENCH_SERVERS"],
    "consumers": {
        ORDERS_GROUP: {"topics": [ORDERS], "consumer_group": ORDERS_GROUP, **_HANDLER},
        **{
            name: {"topics": [os.environ["BENCH_OTHER_TOPIC"]], "consumer_group": name, **_HANDLER}
            for name in OTHER_GROUPS
        },
    },
}
