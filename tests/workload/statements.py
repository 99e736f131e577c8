"""A handler that hands the value to PostgreSQL as it is: the database is the one that can't make sense of it."""

from __future__ import annotations

from time import monotonic_ns

from django.db import connection

from kafka_integration import Message
from tests.workload.handlers import effect_of

STATEMENTS = {
    "text": "SELECT length(%s)",
    "jsonb": "SELECT jsonb_typeof(%s::jsonb)",
    "bigint": "SELECT (%s::jsonb ->> 'n')::bigint",
    "timestamp": "SELECT %s::timestamptz",
}


def execute(message: Message) -> None:
    """Use the value as what the header "as" says."""
    began = monotonic_ns()
    kind = (message.header("as") or b"text").decode()
    with connection.cursor() as cursor:
        cursor.execute(STATEMENTS[kind], [message.value])
    effect_of(message, {"seq": message.offset}, began).save()
