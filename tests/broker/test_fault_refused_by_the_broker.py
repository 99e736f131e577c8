"""A worker comes with a wrong password, trusts another CA, meets a broker by a wrong name, or lacks an ACL.

Each is its own error within thirty seconds, without a secret in it, and tried again without heat. With the right ones
it consumes, by PLAIN and by SCRAM, over TLS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.faults.watching import cpu_seconds, elapse
from tests.services.certificates import CertificateAuthority
from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import missing_for_kafka
from tests.services.kafka_security import KafkaSecurity
from tests.services.presence import require

pytestmark = pytest.mark.faults

BOB = {"mechanism": "scram_sha_512", "login": "bob", "password": "bob-secret"}
ALICE = {"mechanism": "plain", "login": "alice", "password": "alice-secret"}
QUICK = {"subscriber_retries": 1, "subscriber_retry_delay_ms": 500}


@pytest.fixture(scope="module")
def secured() -> Iterator[KafkaCluster]:
    require(missing_for_kafka())
    security = KafkaSecurity(users={"alice": "alice-secret", "bob": "bob-secret"}, superusers=("bob",), acls=True)
    with KafkaCluster(security=security) as cluster:
        yield cluster


@pytest.fixture
def secured_scenario(secured, scenario_on, start_kafka):
    scenario = scenario_on(secured)
    scenario.load.sent(20)
    return scenario


def enter(scenario, cluster, listener: str, *arguments: str, consumer=QUICK, **keys):
    """A worker that comes through a listener with these keys of its settings."""
    keys = {"ssl": {"ca": str(cluster.files.ca)}, "sasl": BOB, **keys}
    scenario.kafka |= {"endpoints": cluster.bootstrap_of(listener).split(","), **keys}
    return scenario.worker(*arguments, **consumer)


@pytest.mark.parametrize("mechanism", ["plain", "scram_sha_256", "scram_sha_512"])
def test_the_right_credentials_get_in_over_tls(secured_scenario, secured, mechanism):
    enter(secured_scenario, secured, "SASL_TLS", sasl={**BOB, "mechanism": mechanism})

    secured_scenario.wait_handled(40)
    secured_scenario.assert_nothing_lost()


@pytest.mark.parametrize("mechanism", ["plain", "scram_sha_512"])
def test_a_wrong_password(secured_scenario, secured, mechanism):
    sasl = {"mechanism": mechanism, "login": "bob", "password": "wr0ng-s3cret"}

    worker = enter(secured_scenario, secured, "SASL_TLS", sasl=sasl)

    assert_said_and_waited_for(worker, "refused the credentials", secret="wr0ng-s3cret")


def test_another_ca(secured_scenario, secured, tmp_path):
    other = CertificateAuthority(tmp_path, "Somebody else's CA")

    worker = enter(secured_scenario, secured, "SASL_TLS", ssl={"ca": str(other.certificate)})

    assert_said_and_waited_for(worker, "not signed by a CA that this client trusts")


def test_a_wrong_host_name(secured_scenario, secured):
    worker = enter(secured_scenario, secured, "MISNAMED")

    assert_said_and_waited_for(worker, "certificate is for another host name")


@pytest.mark.parametrize("missing", ["topic", "group"])
def test_a_missing_acl_ends_the_process_after_its_retries(secured_scenario, secured, missing):
    scenario = secured_scenario
    grant_all_but(missing, scenario, secured)

    worker = enter(scenario, secured, "SASL_TLS", sasl=ALICE)

    assert worker.wait(40) == 1
    expected = "an ACL on the topic is missing" if missing == "topic" else "an ACL on the consumer group is missing"
    assert expected in worker.output()
    assert "alice-secret" not in worker.output()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_missing_acl_is_not_taken_for_nothing_left_to_do(secured_scenario, secured, protocol):
    grant_all_but("topic", secured_scenario, secured)
    patient = {"subscriber_retries": 3, "subscriber_retry_delay_ms": 5000, "group_protocol": protocol}
    patient |= {"config": {}} if protocol == "consumer" else {}

    worker = enter(secured_scenario, secured, "SASL_TLS", "--until-caught-up", sasl=ALICE, consumer=patient)

    assert worker.wait(60) == 1
    assert "an ACL on the topic is missing" in worker.output()


def grant_all_but(missing: str, scenario, cluster) -> None:
    kind, name = (ResourceType.GROUP, scenario.group) if missing == "topic" else (ResourceType.TOPIC, scenario.topic)
    granted = AclBinding(
        kind, name, ResourcePatternType.LITERAL, "User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW
    )
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    for future in admin.create_acls([granted]).values():
        future.result(20)


def assert_said_and_waited_for(worker, pattern: str, secret: str = "bob-secret") -> None:
    worker.wait_for_output(pattern, 30)
    spent, lines = cpu_seconds(worker.pid), len(worker.output().splitlines())
    elapse(3)
    assert cpu_seconds(worker.pid) - spent < 0.6
    assert len(worker.output().splitlines()) - lines < 5
    assert worker.running
    assert secret not in worker.output()
    assert secret not in json.dumps(worker.command)
    assert worker.terminate() == 0
