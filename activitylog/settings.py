"""Settings of the reference project.

Each value that differs between environments comes from an environment variable (django-environ); without
any, this is a development project on SQLite and the embedded broker.
"""

from pathlib import Path

import environ  # type: ignore[import-untyped]  # django-environ ships no types

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# --- Who we are ---------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=True)
# A deployment (DEBUG=false) has to bring its own key; there is no fallback to forget about.
SECRET_KEY = env.str("SECRET_KEY", default="development-only-and-known-to-everyone" if DEBUG else environ.Env.NOTSET)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "activitylog",
    "activitylog.trends",
    "kafka_integration",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

if not DEBUG:  # with DEBUG, runserver serves the static files
    MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")

ROOT_URLCONF = "activitylog.urls"
WSGI_APPLICATION = "activitylog.wsgi.application"

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

# --- Database -----------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Web, relay and consumers write to one file. WAL lets them read meanwhile; IMMEDIATE takes the write lock
    # at the start of a transaction, where SQLite waits for it, instead of in its middle, where it gives up.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Kafka --------------------------------------------------------------------------------------------------


def read_endpoints(value: str) -> str | list[str]:
    """Returns KAFKA["endpoints"] for "embedded", "memory", "kafka://…", "localhost:9092" or "h1:9092,h2:9092"."""
    if value in ("embedded", "memory") or "://" in value:
        return value
    return [endpoint.strip() for endpoint in value.split(",")]


# Which consumers an environment runs: with KAFKA_CONSUMERS_OFF=example,marketing all but these two. A consumer
# that is switched off stays configured, so that nothing else has to change with it.
CONSUMERS_OFF = env.list("KAFKA_CONSUMERS_OFF", default=[])

KAFKA = {
    "endpoints": read_endpoints(env.str("KAFKA_ENDPOINTS", default="embedded")),
    # Topics appear on first use, where the broker allows it. On a cluster that others share, create them on purpose.
    "config": {"allow.auto.create.topics": env.bool("KAFKA_AUTO_CREATE_TOPICS", default=True)},
    "producer": {
        "topics": ["our_topic", "another_topic", "login", "search_term", "banner_click"],
    },
    "consumers": {
        "marketing": {
            "topics": ["banner_click"],
            "consumer_group": "marketing",
            "message_handler": "activitylog.handlers.marketing",
            "offset_storage": "database",
            "enabled": "marketing" not in CONSUMERS_OFF,
        },
        "active-users": {
            "topics": ["login", "search_term", "banner_click"],
            "consumer_group": "active-users",
            "message_handler": "activitylog.handlers.active_users",
            "offset_storage": "database",
            "enabled": "active-users" not in CONSUMERS_OFF,
        },
        # The rest of this one comes from the app activitylog.trends, see its AppConfig.
        "search-trends": {
            "enabled": "search-trends" not in CONSUMERS_OFF,
        },
        # The codealong's.
        "example": {
            "topics": ["our_topic", "another_topic"],
            "consumer_group": "example",
            "message_handler": "activitylog.example_consumer",
            "enabled": "example" not in CONSUMERS_OFF,
        },
    },
}

# --- Language, time, files ----------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# --- Accounts -----------------------------------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "home"
# The live page shows who does what. Where the site isn't a development one it asks for the permission
# "activitylog.view_arrival".
LIVE_PAGE_IS_PUBLIC = env.bool("LIVE_PAGE_IS_PUBLIC", default=DEBUG)
# Each viewer holds a thread of the web server, and the other pages need some too: of the 32 threads that a worker
# has in the Dockerfile, half. Who comes when they are taken sees the page a few seconds late.
LIVE_STREAMS = env.int("LIVE_STREAMS", default=16)

# --- Security -----------------------------------------------------------------------------------------------

SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# True wherever the site stands behind TLS.
HTTPS = env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Log ----------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)-7s %(name)s  %(message)s", "datefmt": "%H:%M:%S"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "activitylog": {"level": "INFO"},
        "kafka_integration": {"level": env.str("LOG_LEVEL", default="INFO")},
        # runserver's line for each request.
        "django.server": {
            "level": env.str("SERVER_LOG_LEVEL", default="INFO"),
            "handlers": ["console"],
            "propagate": False,
        },
    },
}
