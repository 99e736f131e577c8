"""Story: a producer is set up with a wrong password, a wrong CA, a wrong host name, or without an ACL.

Each is its own error, within seconds, with what to correct, and without a secret; the log says it once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from django.test import override_settings

from kafka_integration import AccessDeniedError, ProduceError, produce_sync
from kafka_integration.client.producers.registry import producers
from tests.services.certificates import CertificateAuthority
from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import missing_for_kafka
from tests.services.kafka_security import KafkaSecurity
from tests.services.presence import require

SASL = {"mechanism": "scram_sha_256", "login": "alice", "password": "alice-secret"}


@pytest.fixture(scope="module")
def clusters() -> Iterator[list[KafkaCluster]]:
    running: list[KafkaCluster] = []
    yield running
    for cluster in running:
        cluster.stop()


@pytest.fixture
def secured(clusters: list[KafkaCluster]) -> KafkaCluster:
    """One broker for the whole module: it takes seconds to start."""
    if not clusters:
        require(missing_for_kafka())
        users = {"alice": "alice-secret", "bob": "bob-secret"}
        security = KafkaSecurity(users=users, superusers=("bob",), acls=True)
        clusters.append(KafkaCluster(security=security).start())
        admin = AdminClient({"bootstrap.servers": clusters[0].bootstrap})
        admin.create_topics([NewTopic("orders", 1)])["orders"].result(30)
    return clusters[0]


@pytest.fixture
def send(secured: KafkaCluster) -> Callable[..., Any]:
    def send(listener: str, **keys: Any) -> Any:
        with override_settings(KAFKA={"endpoints": secured.bootstrap_of(listener), **keys}):
            try:
                return produce_sync("orders", "x", timeout=5)
            finally:
                producers.close(0)

    return send


def ca_of(cluster: KafkaCluster) -> str:
    assert cluster.files is not None
    return str(cluster.files.ca)


def test_the_right_settings_get_in(send: Any, secured: KafkaCluster) -> None:
    bob = {**SASL, "login": "bob", "password": "bob-secret"}

    assert send("SASL", sasl=bob).offset is not None
    assert send("SASL_TLS", sasl=bob, ssl={"ca": ca_of(secured)}).offset is not None


@pytest.mark.parametrize("mechanism", ["plain", "scram_sha_256", "scram_sha_512"])
def test_a_wrong_password(send: Any, mechanism: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AccessDeniedError, match=r'refused the credentials.*KAFKA."sasl"') as denied:
        send("SASL", sasl={"mechanism": mechanism, "login": "alice", "password": "wr0ng-s3cret"})

    assert isinstance(denied.value, ProduceError)
    assert denied.value.may_still_arrive
    assert "wr0ng-s3cret" not in f"{denied.value!r}{caplog.text}"
    assert caplog.text.count("refused the credentials") <= 2


def test_a_ca_that_did_not_sign_the_brokers_certificate(send: Any, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path / "other", name="Other CA")

    with pytest.raises(AccessDeniedError, match=r'not signed by a CA that this client trusts.*"ca"'):
        send("SASL_TLS", sasl=SASL, ssl={"ca": str(other.certificate)})


def test_a_host_name_that_is_not_the_certificates(send: Any, secured: KafkaCluster) -> None:
    with pytest.raises(AccessDeniedError, match="for another host name"):
        send("MISNAMED", sasl=SASL, ssl={"ca": ca_of(secured)})


def test_a_missing_acl_is_known_at_once(send: Any) -> None:
    started = time.monotonic()

    with pytest.raises(AccessDeniedError, match=r"topic orders: an ACL on the topic is missing.*WRITE") as denied:
        send("SASL", sasl=SASL)

    assert time.monotonic() - started < 5
    assert isinstance(denied.value, ProduceError)


def test_a_listener_that_wants_a_login_is_recognised(send: Any) -> None:
    with pytest.raises(ProduceError, match="TLS or SASL"):
        send("SASL")


def test_a_listener_that_wants_tls_is_recognised(send: Any) -> None:
    with pytest.raises(ProduceError, match="TLS or SASL"):
        send("SASL_TLS", sasl=SASL)


def test_a_listener_that_speaks_no_tls_is_recognised(send: Any, secured: KafkaCluster) -> None:
    with pytest.raises(ProduceError, match="TLS"):
        send("SASL", sasl=SASL, ssl={"ca": ca_of(secured)})
