"""Runs the Python that pages show, block by block, in a project named ``shop``: ``python -m tests.shown PAGE …``.

A process of its own, as pages declare models, listen to signals and set up tracers. It prints what was published, and
what else ``AFTER`` looks at, as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.guides import blocks_of

SETTINGS = re.compile(r'^KAFKA = |^"\w+": \{', re.MULTILINE)
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}

Names = dict[str, Any]


def set_up(kafka: dict[str, Any]) -> None:
    """The project: two databases in memory, and an app without models, those of the pages aside."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    shop = ModuleType("shop")
    shop.__path__ = [str(Path(__file__).parent)]
    sys.modules["shop"] = shop
    settings.configure(
        INSTALLED_APPS=[
            *(f"django.contrib.{app}" for app in ("contenttypes", "auth", "admin")),
            "kafka_integration",
            "shop",
        ],
        DATABASES={"default": SQLITE, "orders": SQLITE},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        KAFKA=kafka,
    )
    django.setup()
    for alias in ("default", "orders"):
        call_command("migrate", database=alias, verbosity=0)


def names_of_a_page() -> Names:
    """What pages take for granted: the usual imports, and an order."""
    from django.db import models, transaction
    from django.db.models.signals import post_save
    from django.dispatch import receiver

    from kafka_integration import publish, publishes

    order = SimpleNamespace(pk=7, total=30, save=lambda **_: None)
    given = {"models": models, "transaction": transaction, "receiver": receiver, "post_save": post_save}
    return {
        "__name__": "shop.models",
        "publish": publish,
        "publishes": publishes,
        "order": order,
        "orders": [order],
        **given,
    }


def before_publish(names: Names) -> None:
    from django.db import models

    names["Banner"] = type("Banner", (models.Model,), {"__module__": "shop.models"})
    account = {"__module__": "shop.models", "balance": models.IntegerField(default=5)}
    names["Account"] = type("Account", (models.Model,), account)
    make_tables()
    names["Banner"].objects.create(pk=3)
    names["pk"] = names["Account"].objects.create().pk


def before_publish_instances(names: Names) -> None:
    click = names["BannerClick"]
    click.objects.create(banner_id=3)
    names["clicks"] = [click(banner_id=3), click(banner_id=3)]


def after_from_celery(names: Names) -> Any:
    called: list[int] = []
    # What the task was called with: the receiver from before still listens.
    names["update_stock"] = SimpleNamespace(delay=called.append)
    names["Order"].objects.create(product="pen", quantity=2)
    return called


def after_sinks(names: Names) -> Any:
    from kafka_integration.testing import deliver

    sys.modules["shop.sinks"] = ModuleType("shop.sinks")
    sys.modules["shop.sinks"].PriceSink = names["PriceSink"]
    for amount, at in ((1.5, "2026-03-01T12:00:00Z"), (9, "2026-02-01T12:00:00Z")):
        deliver("prices", {"sku": "pen", "amount": amount, "at": at})
    prices = [str(price.amount) for price in names["Price"].objects.all()]
    deliver("prices", None, key="pen")
    return [prices, names["Price"].objects.count()]


def before_from_celery(names: Names) -> None:
    # By name, as there is no model yet.
    names["Order"] = "shop.Order"


def before_trace(names: Names) -> None:
    """The exporter of spans, which would need a collector."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    path = "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"
    for index in range(2, len(path.split(".")) + 1):
        name = ".".join(path.split(".")[:index])
        sys.modules[name] = ModuleType(name)
    names["spans"] = InMemorySpanExporter()
    sys.modules[path].OTLPSpanExporter = lambda: names["spans"]


def after_trace(names: Names) -> Any:
    from kafka_integration import publish

    publish("traced", {})
    names["provider"].force_flush()
    return [span.name for span in names["spans"].get_finished_spans()]


# By page, and by what a block shows: what comes before it, and what is told of the page afterwards.
BEFORE: dict[str, dict[str, Callable[[Names], None]]] = {
    "from-celery": {"": before_from_celery},
    "publish": {"": before_publish, "publish_instances": before_publish_instances},
    "trace": {"": before_trace},
}
AFTER: dict[str, Callable[[Names], Any]] = {
    "from-celery": after_from_celery,
    "sinks": after_sinks,
    "trace": after_trace,
}


def make_tables() -> None:
    """Tables of the models that have none yet."""
    from django.apps import apps
    from django.db import connection

    there = connection.introspection.table_names()
    with connection.schema_editor() as editor:
        for model in apps.get_app_config("shop").get_models():
            if model._meta.db_table not in there:
                editor.create_model(model)


def run(page: Path) -> dict[str, Any]:
    """Run the page; what was published meanwhile, and what it is asked about."""
    from kafka_integration.testing import captured_messages

    names, before = names_of_a_page(), BEFORE.get(page.stem, {})
    if "" in before:
        before[""](names)
    with captured_messages() as messages:
        for language, body in blocks_of(page.read_text()):
            if language != "python" or SETTINGS.search(body):
                continue
            for word, prepare in before.items():
                if word and f"import {word}" in body:
                    prepare(names)
            exec(compile(body, str(page), "exec"), names)  # noqa: S102 - our own page
            make_tables()
        asked = AFTER[page.stem](names) if page.stem in AFTER else None
    sent = {topic: [[each.key, each.json()] for each in messages[topic]] for topic in sorted({*messages})}
    return {"sent": sent, "asked": asked}


def main() -> None:
    kafka, *pages = sys.argv[1:]
    set_up(json.loads(kafka))
    print(json.dumps({Path(page).stem: run(Path(page)) for page in pages}))


if __name__ == "__main__":
    main()
