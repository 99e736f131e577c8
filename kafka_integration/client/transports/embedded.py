"""The embedded broker: librdkafka's mock cluster, and the small file by which other processes find it.

``runbroker`` runs an ``EmbeddedBroker`` and announces it; every client whose endpoints are ``"embedded"`` asks
``embedded_servers()``. The broker listens on a loopback port that librdkafka chooses: it can't be fixed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from django.conf import settings

from ...conf.connection import Connection
from ...conf.settings import Settings
from ...errors import BrokerUnavailableError, EmbeddedBrokerRunningError, KafkaIntegrationError
from ...topic_names import names_among
from .transport import Transport

SERVERS_VARIABLE = "KAFKA_EMBEDDED_SERVERS"
NOT_RUNNING = "The embedded broker isn't running: start it in another terminal with: manage.py runbroker"


class EmbeddedTransport(Transport):
    """librdkafka's mock cluster."""

    may_be_old = False
    # The mock cluster's classic groups never let a second member in.
    group_protocol = "consumer"
    finds_offsets_by_time = False
    takes_offsets_from_members_only = True
    takes_admin_requests = False
    knows_users = False
    topic_partitions = 4

    def servers(self, connection: Connection) -> str:
        return embedded_servers()

    def make_topics(self, servers: str, topics: Iterable[str]) -> None:
        create_embedded_topics(servers, topics)

    def topic_id(self) -> str:
        # The next embedded broker begins at offset 0: what was stored about this one must mean nothing to it.
        return f"embedded {embedded_servers()}"


def embedded_servers() -> str:
    """The address of the running embedded broker; ``BrokerUnavailableError`` says how to start one."""
    if servers := os.environ.get(SERVERS_VARIABLE):
        return servers
    announcement = _read_announcement(announcement_path())
    if announcement is None or not announcement.is_alive():
        raise BrokerUnavailableError(NOT_RUNNING, code="_TRANSPORT", retriable=True)
    return announcement.servers


def create_embedded_topics(servers: str, topics: Iterable[str], timeout: float = 10.0) -> None:
    """Make topics exist on an embedded broker, with its 4 partitions.

    Its groups never see a topic that appears after they subscribed, so whoever subscribes asks for them first.
    Patterns name no topic and are left out.
    """
    names = names_among(topics)
    if not names:
        return
    # A producer's metadata request creates what it asks for; the mock cluster has no CreateTopics.
    with AdminClient({"bootstrap.servers": servers, "log_level": 0}) as admin:
        for name in names:
            try:
                admin.list_topics(name, timeout=timeout)
            except KafkaException as error:
                raise BrokerUnavailableError(
                    f"The embedded broker on {servers} doesn't answer. {NOT_RUNNING}", code="_TRANSPORT", retriable=True
                ) from error


class EmbeddedBroker:
    """A broker inside this process. It keeps about the last 5 MB of each partition, and nothing once closed."""

    def __init__(self) -> None:
        # The mock cluster lives as long as the client that carries it.
        self._carrier = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._carrier.list_topics(timeout=10).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"

    def create_topics(self, topics: Iterable[str]) -> None:
        create_embedded_topics(self.servers, topics)

    def close(self) -> None:
        self._carrier.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


@contextmanager
def announced_broker(topics: Iterable[str] = ()) -> Iterator[EmbeddedBroker]:
    """An embedded broker with ``topics`` that other processes of this project find while the context lasts."""
    path = announcement_path()
    with _only_one(path), EmbeddedBroker() as broker:
        broker.create_topics(topics)
        _write_announcement(path, _Announcement(servers=broker.servers, pid=os.getpid()))
        try:
            yield broker
        finally:
            path.unlink(missing_ok=True)


def configured_topics(configured: Settings) -> list[str]:
    """Every topic that the settings name, sorted; patterns are no names."""
    names = {*configured.producer.topics, *configured.topics}
    for consumer in configured.consumers.values():
        names.update(consumer.topics)
        if consumer.dead_letter_topic:
            names.add(consumer.dead_letter_topic)
    return sorted(names_among(names))


def announcement_path() -> Path:
    """The file that says where this project's embedded broker listens: one for each user and project folder."""
    digest = hashlib.sha256(os.fsencode(_project_folder())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"kafka_integration-{os.getuid()}" / f"broker-{digest}.json"


def _project_folder() -> Path:
    if base := getattr(settings, "BASE_DIR", None):
        return Path(base).resolve()
    package = sys.modules.get(os.environ.get("DJANGO_SETTINGS_MODULE", "").partition(".")[0])
    if package and package.__file__:
        file = Path(package.__file__).resolve()
        return file.parent.parent if file.name == "__init__.py" else file.parent
    return Path.cwd()


@dataclass(frozen=True, kw_only=True)
class _Announcement:
    servers: str
    pid: int

    def is_alive(self) -> bool:
        return _process_exists(self.pid) and _accepts_connections(self.servers)


def _read_announcement(path: Path) -> _Announcement | None:
    try:
        # In a shared temporary folder: nobody else may send this user's clients to a broker of their own.
        if path.parent.stat().st_uid != os.getuid():
            return None
        data = json.loads(path.read_text())
        return _Announcement(servers=str(data["servers"]), pid=int(data["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_announcement(path: Path, announcement: _Announcement) -> None:
    draft = path.with_suffix(f".{announcement.pid}")
    draft.write_text(json.dumps(asdict(announcement)))
    draft.replace(path)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Holds the project's lock; the kernel lets go of it however this process ends."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise KafkaIntegrationError(
            f"{path.parent} belongs to another user: remove it, or set TMPDIR to a folder of your own."
        )
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = _read_announcement(path)
            raise EmbeddedBrokerRunningError(running.servers if running else "its way up") from None
        yield


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _accepts_connections(servers: str) -> bool:
    host, _, port = servers.rpartition(":")
    with suppress(OSError, ValueError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False
