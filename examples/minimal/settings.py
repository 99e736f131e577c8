"""All that a project needs to handle messages: the app, a database for its tables, and KAFKA."""

SECRET_KEY = "not a secret: this example serves no pages"
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = ["django.contrib.contenttypes", "kafka_integration"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

KAFKA = {
    "endpoints": "embedded",  # a broker that comes with the package; of real Kafka ["localhost:9092"]
    "consumers": {
        "greeter": {
            "topics": ["visitors"],
            "consumer_group": "greeter",
            "message_handler": "handlers.greet",
        },
    },
}
