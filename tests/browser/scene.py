"""A shop on a bad morning: one consumer is stuck, one fails, one is behind, and the outbox holds a refused message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from time import time
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.headers import dump_headers
from kafka_integration.models import DeadLetter, LagSample, OutboxMessage, Process
from kafka_integration.outbox.lease import Lease

HANDLER = "tests.unit.scripted.handle"
EVENT_ID = "0192f0c4-7d1e-7c55-b4a6-5e0d3c1f9a27"
KAFKA = {
    "endpoints": "memory",
    "topics": {"audit": {"partitions": 3}},
    "producer": {"topics": ["orders", "products"], "allow_any_topic": True},
    "consumers": {
        "invoices": {"topics": ["orders"], "consumer_group": "billing", "message_handler": HANDLER},
        "mails": {"topics": ["orders"], "consumer_group": "mails", "message_handler": HANDLER},
        "search_index": {"topics": ["products"], "consumer_group": "search", "message_handler": HANDLER},
    },
}
WRITTEN = {"orders": (1840, 1837, 1851, 1846), "products": (3120, 3098, 3133, 3107)}
LEFT = {
    "billing": {"orders": (0, 0, 0, 214)},
    "mails": {"orders": (0, 2, 0, 1)},
    "search": {"products": (1204, 1187, 1226, 1195)},
}
FAILURES: Sequence[tuple[str, str, str, int]] = (
    ("mails", "shop.mails.AddressRefusedError", "shop.mails.send_receipt: raise AddressRefusedError", 6),
    ("mails", "smtplib.SMTPServerDisconnected", "shop.mails.send_receipt: smtp.send(receipt)", 3),
    ("invoices", "decimal.InvalidOperation", "shop.invoices.total: Decimal(order[amount])", 1),
)
"""Consumer, exception, place in the code, and how many."""


def set_the_scene() -> None:
    """Fill the broker and the tables."""
    memory_broker().reset()
    OutboxMessage.objects.all().delete()
    _write_messages()
    _write_samples()
    _write_letters()
    _write_processes()
    assert Lease("default", seconds=600, holder="shop-relay-1:7:4f0c2a91").hold()
    row = {"key": b"user-77", "headers": dump_headers([]), "value": b'{"order": 7730}'}
    OutboxMessage.objects.create(**row, topic="orders", created_at=Now() - timedelta(minutes=12))
    refusal = "The message is larger than the topic takes (max.message.bytes)."
    for minutes in (9, 4):
        given = {"refused_at": Now(), "refusal": refusal} if minutes == 9 else {}
        OutboxMessage.objects.create(**row, topic="products", created_at=Now() - timedelta(minutes=minutes), **given)
    first, last = OutboxMessage.objects.earliest("pk").pk, OutboxMessage.objects.latest("pk").pk
    noted_at, noted = timezone.now() - timedelta(seconds=90), {"default": {"0": [first, first, last - 30]}}
    LagSample.objects.create(group="", at=noted_at, positions=noted)


def keep_alive() -> None:
    """The processes were heard of just now, and nobody who signed in has published that."""
    Process.objects.update(seen_at=Now())
    OutboxMessage.objects.filter(topic="login").delete()


def _write_messages() -> None:
    for topic, counts in WRITTEN.items():
        memory_broker().create_topic(topic, len(counts))
        for partition, count in enumerate(counts):
            for offset in range(count):
                _write_message(topic, partition, offset, age=(count - offset) * 0.35)
    for group, topics in LEFT.items():
        for topic, left in topics.items():
            for partition, lag in enumerate(left):
                memory_broker().commit(group, topic, partition, WRITTEN[topic][partition] - lag)


def _write_message(topic: str, partition: int, offset: int, age: float) -> None:
    is_the_event = (topic, partition, offset) == ("orders", 1, 1835)
    memory_broker().produce(
        topic,
        f'{{"order": {offset}, "total": {offset % 90 + 10}}}',
        key=f"user-{offset % 97}",
        partition=partition,
        timestamp_ms=int((time() - age) * 1000),
        headers=[("ce_id", EVENT_ID.encode())] if is_the_event else [],
    )


def _write_samples() -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    courses = {
        "billing": lambda minute: max(0, minute - 35) * 9,
        "mails": lambda minute: (0, 1, 0, 2, 1, 0, 0, 3, 1, 0, 0, 2, 0)[minute % 13],
        "search": lambda minute: 300 + (minute * 37) % 140 + max(0, minute - 22) ** 2 * 3,
    }
    samples = [
        LagSample(group=group, at=now - timedelta(minutes=60 - minute), lag=course(minute), time_lag_seconds=None)
        for group, course in courses.items()
        for minute in range(61)
    ]
    LagSample.objects.bulk_create(samples)


def _write_letters() -> None:
    offset = 1500
    for kind, (consumer, exception, location, count) in enumerate(FAILURES):
        for number in range(count):
            offset += 7
            DeadLetter.objects.create(
                consumer=consumer,
                group="mails" if consumer == "mails" else "billing",
                topic="orders",
                partition=number % 4,
                offset=offset,
                key=f"user-{offset % 97}".encode(),
                value=f'{{"order": {offset}}}'.encode(),
                headers=[],
                exception=exception,
                location=location,
                kind=f"kind-{kind}",
                attempts=5,
                failed_at=Now() - timedelta(minutes=count - number, seconds=17 * number % 60),
            )
    letter = DeadLetter.objects.filter(consumer="mails").latest("pk")
    headers = dump_headers([("ce_id", EVENT_ID.encode())])
    DeadLetter.objects.filter(pk=letter.pk).update(partition=1, offset=1835, headers=headers, event_id=EVENT_ID)


def _write_processes() -> None:
    billing = [_partition("orders", number, 0) for number in range(3)]
    stuck = _partition("orders", 3, 214, state="stuck", stuck_offset=1632, busy_seconds=1502.0)
    stuck["time_lag_seconds"] = 1508.0
    mails = [
        _partition("orders", 0, 0),
        _partition("orders", 1, 2, state="waiting", reason="backoff", time_lag_seconds=9.0),
        _partition("orders", 2, 0),
        _partition("orders", 3, 1, state="catching_up", time_lag_seconds=1.0),
    ]
    behind = [
        _partition("products", number, lag, state="falling_behind", time_lag_seconds=420.0)
        for number, lag in enumerate(LEFT["search"]["products"])
    ]
    _write_process("shop-worker-1", 31, _consumer("invoices", "billing", 7021, 0, 4.2, [*billing, stuck]),
                   _consumer("mails", "mails", 7204, 92, 3.9, mails))  # fmt: skip
    _write_process("shop-worker-2", 28, _consumer("search_index", "search", 6120, 0, 11.4, behind[:2]))
    _write_process("shop-worker-3", 28, _consumer("search_index", "search", 6090, 0, 10.9, behind[2:]))
    _write_process("shop-relay-1", 7, kind="relay")


def _write_process(host: str, pid: int, *consumers: dict[str, Any], kind: str = "consumer") -> None:
    for consumer in consumers:
        _join(consumer["group"], host, [partition["topic"] for partition in consumer["partitions"]])
    Process.objects.create(
        kind=kind,
        host=host,
        pid=pid,
        state="running",
        version="1.0",
        started_at=Now() - timedelta(hours=9, minutes=pid),
        consumers=[{**consumer, "member_id": host} for consumer in consumers],
        memory_bytes=84_000_000 + pid * 100_000,
    )


def _join(group: str, member_id: str, topics: Sequence[str]) -> None:
    memory_broker().join(group, member_id, sorted(set(topics)))
    memory_broker().group(group).sync(member_id)


def _consumer(
    name: str, group: str, handled: int, failed: int, rate: float, partitions: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "group": group,
        "state": "running",
        "handled": handled,
        "failed": failed,
        "rate": rate,
        "time_seconds": {"handle": 31.0, "database": 9.5, "commit": 0.4, "fetch": 2.1, "wait": 6.0, "idle": 11.0},
        "partitions": partitions,
    }


def _partition(topic: str, number: int, lag: int, state: str = "caught_up", **given: Any) -> dict[str, Any]:
    usual = {"reason": None, "stuck_offset": None, "time_lag_seconds": None}
    position = WRITTEN[topic][number] - lag
    return {"topic": topic, "partition": number, "position": position, "lag": lag, "state": state, **usual, **given}
