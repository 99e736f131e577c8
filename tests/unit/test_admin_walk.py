"""Every address of ours in the admin: what others wrote is harmless there, and who may change what is asked there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from django.utils import timezone

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.models import DeadLetter, LagSample, OutboxMessage, Process, ProcessCommand
from kafka_integration.operating.presence import asking
from tests.dead_letters import make_letter
from tests.unit.consumers import HANDLER, committed
from tests.unit.hostile import BYTES, LARGE, LINE, NAME, harm_on

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

OURS = "admin/kafka_integration/"
GROUP = f"g{NAME}"
TOPIC = "orders"
PASSWORD, KEY_PASSWORD = "planted-sasl-4111", "planted-tls-4111"
KAFKA = {
    "endpoints": "memory",
    "sasl": {"mechanism": "plain", "login": "ann", "password": PASSWORD},
    "config": {"ssl.key.password": KEY_PASSWORD},
    "topics": {"later": {"partitions": 2}},
    "consumers": {"c": {"topics": [TOPIC], "consumer_group": GROUP, "message_handler": HANDLER}},
}
ENOUGH_FOR_A_PAGE = 150_000


def address(name: str, *arguments: Any) -> str:
    return reverse(f"admin:kafka_integration_{name}", args=arguments)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A page, with what its address may ask for, and what it answers."""

    path: str
    queries: Sequence[dict[str, str]] = ()
    statuses: frozenset[int] = frozenset({200})


@dataclass(frozen=True, kw_only=True)
class Change:
    """An address that changes something, for whoever has the permission."""

    path: str
    permission: str
    data: dict[str, Any] = field(default_factory=dict)
    is_an_action: bool = False
    """Of a list: its address also shows the list."""


class Walk:
    """Rows that others filled, and every address that is about them."""

    def __init__(self) -> None:
        self.letter = make_letter(
            key=BYTES, value=BYTES, headers=[(LINE, BYTES), ("ce_id", LINE.encode())], event_id=LINE[:200],
            consumer=NAME, group=GROUP, topic=NAME, exception=f"shop.{NAME}", reason=LINE, traceback=LINE,
            location=LINE, lease_holder=NAME, kind="aaaa",
        )  # fmt: skip
        make_letter(value=LARGE, key=LARGE, headers=[(LINE, LARGE)], reason=LINE * 500, traceback=LINE * 500)
        OutboxMessage.objects.all().delete()  # the reference project publishes logins
        headers = [[LINE, LINE], ["ce_id", LINE]]
        row = {"topic": NAME, "key": BYTES, "headers": headers, "refused_at": Now(), "refusal": LINE}
        self.message = OutboxMessage.objects.create(**row, value=BYTES)
        OutboxMessage.objects.create(**row, value=LARGE)
        self._write_operating()
        self._write_messages()

    def _write_operating(self) -> None:
        partition = {
            "topic": NAME, "partition": 0, "position": 1, "lag": 1, "state": NAME, "reason": NAME, "stuck_offset": 1,
            "time_lag_seconds": 1.0,
        }  # fmt: skip
        stuck = {**partition, "state": "stuck", "reason": None}
        consumer = {"name": NAME, "group": GROUP, "state": NAME, "handled": 1, "failed": 0, "rate": 1.0}
        values = {"kind": "consumer", "host": LINE, "pid": 7, "state": NAME[:20], "version": NAME[:64]}
        self.process = Process.objects.create(**values, consumers=[{**consumer, "partitions": [partition, stuck]}])
        self.command = ProcessCommand.objects.create(
            process=self.process, name="trace", answer=LINE, requested_by=LINE, state="done",
            arguments={"consumer": NAME, "topic": NAME, "partition": 0},
        )  # fmt: skip
        for lag in (1, 2):
            LagSample.objects.create(group=GROUP, at=timezone.now() - timedelta(minutes=lag), lag=lag)

    def _write_messages(self) -> None:
        headers = [("ce_id", LINE.encode()), (LINE, BYTES)]
        for value in (BYTES, LARGE):
            memory_broker().produce(TOPIC, value, key=BYTES, partition=0, headers=headers)
        memory_broker().commit(GROUP, TOPIC, 0, 1)

    def shown(self) -> Iterator[Shown]:
        yield Shown(path=address("overview"))
        yield Shown(path=address("processes"), queries=[{"trace": str(self.command.pk)}])
        yield Shown(path=address("groups"))
        yield Shown(path=address("group", GROUP), queries=[{"to": "earliest"}, {"to": LINE}, {"topic": LINE}])
        yield Shown(path=address("group", LINE))
        yield Shown(path=address("topics"))
        for topic in (TOPIC, LINE):
            yield Shown(path=address("topic", topic))
            asked = [{"start": "earliest"}, *({name: LINE} for name in ("start", "partition", "key", "text"))]
            yield Shown(path=address("messages", topic), queries=asked)
        yield Shown(path=address("events"), queries=[{"id": LINE}], statuses=frozenset({200, 302}))
        yield Shown(path=address("event", LINE))
        for name, row in (("deadletter", self.letter), ("outboxmessage", self.message)):
            asked = [{field: NAME} for field in site.get_model_admin(type(row)).list_filter if isinstance(field, str)]
            asked += [{"topic": NAME}, {"q": LINE}, {"q": NAME}]
            yield Shown(path=address(f"{name}_changelist"), queries=asked)
            yield Shown(path=address(f"{name}_change", row.pk))
            yield Shown(path=address(f"{name}_history", row.pk))
            yield Shown(path=f"{address(f'{name}_changelist')}{row.pk}/", statuses=frozenset({302}))
            for refused in (address(f"{name}_add"), address(f"{name}_delete", row.pk)):
                yield Shown(path=refused, statuses=frozenset({403}))

    def changes(self) -> Iterator[Change]:
        for operation in ("pause", "resume"):
            yield Change(
                path=address(f"processes_{operation}"), permission="control_processes", data={"consumer": NAME}
            )
        for operation in ("quiet", "stop", "trace", "forget"):
            data = {"process": str(self.process.pk)}
            yield Change(path=address(f"processes_{operation}"), permission="control_processes", data=data)
        yield Change(path=address("topics_apply"), permission="manage_topics", data={"plan": LINE})
        yield Change(path=address("group_reset", GROUP), permission="reset_offsets", data={"to": "0", "plan": LINE})
        for name, row, operations in (
            ("deadletter", self.letter, ("replay", "discard", "purge")),
            ("outboxmessage", self.message, ("retry", "discard")),
        ):
            for operation in operations:
                permission = f"{operation}_{name}"
                yield Change(path=address(f"{name}_{operation}", row.pk), permission=permission)
                actions = [f"{operation}_selected", *(["replay_kind_selected"] if operation == "replay" else [])]
                for action in actions:
                    data = {"action": action, "_selected_action": [str(row.pk)], "index": "0"}
                    path = address(f"{name}_changelist")
                    yield Change(path=path, permission=permission, data=data, is_an_action=True)

    def state(self) -> object:
        """Whatever a change could have changed."""
        letters = DeadLetter.objects.order_by("pk").values_list("pk", "state")
        rows = OutboxMessage.objects.order_by("pk").values_list("pk", "refused_at")
        counts = [model.objects.count() for model in (LogEntry, ProcessCommand)]
        return [*letters], [*rows], counts, committed(group=GROUP, topic=TOPIC), sorted(memory_broker().topics)


@pytest.fixture
def walk(settings: Any) -> Walk:
    settings.KAFKA = KAFKA
    return Walk()


def client_of(user: User, *, is_strict: bool = False) -> Client:
    client = Client(enforce_csrf_checks=is_strict, raise_request_exception=False)
    client.force_login(user)
    return client


def operator(name: str = "operator") -> User:
    return User.objects.create_superuser(name)


def routes_of(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Every route below the admin of this app, as a match names it."""
    for each in resolver.url_patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLPattern):
            yield from [route] if route.startswith(OURS) else []
        else:
            yield from routes_of(each, route)


def harm_in(response: HttpResponse) -> Iterator[str]:
    """What is wrong with an answer, whatever it answers."""
    if response.status_code >= 500:
        yield f"it fails with {response.status_code}"
    if evil := [name for name in response.headers if "evil" in name.lower()]:
        yield f"headers {evil}"
    body = response.content.decode()
    yield from harm_on(body)
    yield from [f"it tells {secret}" for secret in (PASSWORD, KEY_PASSWORD) if secret in body]
    if len(body) > ENOUGH_FOR_A_PAGE:
        yield f"it has {len(body)} characters"


def test_the_walk_leaves_out_no_address(walk: Walk) -> None:
    visited = {resolve(each.path).route for each in (*walk.shown(), *walk.changes())}

    assert visited == set(routes_of(get_resolver()))


def test_the_walk_leaves_out_no_action_of_a_list(walk: Walk) -> None:
    request = RequestFactory().get("/")
    request.user = operator()
    there = {
        (address(f"{model._meta.model_name}_changelist"), name)
        for model in (DeadLetter, OutboxMessage)
        for name in site.get_model_admin(model).get_actions(request)
    }

    assert {(each.path, each.data["action"]) for each in walk.changes() if each.is_an_action} == there


def test_what_others_wrote_is_harmless_on_every_page(walk: Walk) -> None:
    client = client_of(operator())
    wrong: list[object] = []

    for page in walk.shown():
        for query in ({}, *page.queries):
            response = client.get(page.path, query)
            wrong += [(page.path, query, response.status_code)] if response.status_code not in page.statuses else []
            wrong += [(page.path, query, harm) for harm in harm_in(response)]
            has_policy = response.status_code != 200 or "Content-Security-Policy" in response.headers
            wrong += [] if has_policy else [(page.path, query, "has no policy")]

    assert not wrong, "\n".join(map(str, wrong))


def test_what_others_wrote_is_harmless_in_what_is_said_of_a_change(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(operator())
    monkeypatch.setattr(asking, "TAKEN_WITHIN_SECONDS", 0.0)
    wrong: list[object] = []

    for change in walk.changes():
        hostile = {name: LINE for name in change.data if not name.startswith("_") and name not in ("action", "index")}
        for data in (change.data, hostile):
            response = client.post(change.path, data, follow=True)
            wrong += [(change.path, data, harm) for harm in harm_in(response)]
    # With what was done lately.
    wrong += [("/admin/", harm) for harm in harm_in(client.get(reverse("admin:index")))]

    assert LogEntry.objects.count() > 5
    assert not wrong, "\n".join(map(str, wrong))


def test_nothing_is_changed_by_looking_without_permission_or_from_elsewhere(walk: Walk) -> None:
    everything, strict = client_of(operator()), client_of(operator("strict"), is_strict=True)
    others = User.objects.create(username="others", is_staff=True)
    without = client_of(others)
    wrong: list[object] = []
    before = walk.state()

    for change in walk.changes():
        kept = Permission.objects.filter(content_type__app_label="kafka_integration")
        others.user_permissions.set(kept.exclude(codename=change.permission))
        answers = {
            "looked at": everything.get(change.path, change.data).status_code,
            "without its permission": without.post(change.path, change.data).status_code,
            "without a token": strict.post(change.path, change.data).status_code,
            "not signed in": Client().post(change.path, change.data).status_code,
        }
        looked = 400 if change.is_an_action else 405
        if [*answers.values()] != [looked, 403, 403, 302]:
            wrong.append((change.path, change.data, answers))

    assert not wrong, "\n".join(map(str, wrong))
    assert walk.state() == before


def test_no_page_is_for_whoever_has_no_permission_of_ours(walk: Walk) -> None:
    client = client_of(User.objects.create(username="nobody", is_staff=True))

    answers = {page.path: client.get(page.path).status_code for page in walk.shown() if 302 not in page.statuses}

    assert set(answers.values()) == {403}, answers
