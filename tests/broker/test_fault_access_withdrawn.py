"""While a worker runs an ACL is removed, its password changed, or the broker's certificate runs out.

Each is its own error, once in a while and without heat; mended, the worker goes on by itself, and what came meanwhile
is handled. With "database" each record has its effect once. Only a group's ACL ends a worker under KIP-848, as its
client is of no use from then on: it says why, and the next worker goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.faults.scenario import Scenario, consumer_of
from tests.faults.watching import cpu_seconds, elapse
from tests.services.certificates import CertificateAuthority
from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import missing_for_kafka
from tests.services.kafka_security import KafkaSecurity
from tests.services.presence import require

pytestmark = pytest.mark.faults

ALICE = {"mechanism": "scram_sha_512", "login": "alice", "password": "alice-secret"}
NAMES = {"topic": "topic", "group": "consumer group"}
RETRIES = {"subscriber_retries": 40, "subscriber_retry_delay_ms": 1000}


@pytest.fixture(scope="module")
def secured() -> Iterator[KafkaCluster]:
    require(missing_for_kafka())
    with KafkaCluster(security=KafkaSecurity(acls=True)) as cluster:
        yield cluster


@pytest.fixture
def secured_scenario(secured, scenario_on, start_kafka) -> Scenario:
    scenario = scenario_on(secured)
    scenario.kafka |= {
        "endpoints": secured.bootstrap_of("SASL_TLS").split(","),
        "ssl": {"ca": str(secured.files.ca)},
        "sasl": ALICE,
    }
    scenario.consumer |= {"offset_storage": "database", **RETRIES}
    for acl in acls(scenario).values():
        grant(secured, acl)
    return scenario


@pytest.mark.parametrize(
    ("protocol", "withdrawn"),
    [
        ("range", "topic"),
        ("consumer", "topic"),
        ("range", "group"),
    ],
)
def test_an_acl_that_is_removed_and_given_back(secured_scenario, secured, protocol, withdrawn):
    secured_scenario.consumer |= consumer_of(protocol)
    acl, said = acls(secured_scenario)[withdrawn], f"an ACL on the {NAMES[withdrawn]} is missing"

    assert_waits_and_goes_on(secured_scenario, partial(withdraw, secured, acl), said, partial(grant, secured, acl))


def test_an_acl_on_the_group_ends_a_worker_under_the_new_protocol(secured_scenario, secured):
    scenario = secured_scenario
    scenario.consumer |= consumer_of("consumer")
    acl = acls(scenario)["group"]
    worker = scenario.ready_worker()
    scenario.load.sent(20)
    scenario.wait_handled()

    withdraw(secured, acl)
    scenario.load.sent(20)
    assert worker.wait(40) == 1
    assert "an ACL on the consumer group is missing" in worker.output()
    grant(secured, acl)
    scenario.worker()

    scenario.wait_handled(60)
    scenario.assert_nothing_twice()


@pytest.mark.timeout(240)
def test_a_password_that_is_changed_and_changed_back(secured_scenario, secured):
    def become(password: str) -> Callable[[], None]:
        def change() -> None:
            admin = AdminClient({"bootstrap.servers": secured.bootstrap})
            info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
            change = UserScramCredentialUpsertion("alice", info, password.encode())
            admin.alter_user_scram_credentials([change])["alice"].result(20)
            # A connection that is logged in stays so.
            secured.restart()

        return change

    assert_waits_and_goes_on(
        secured_scenario, become("another-secret"), "refused the credentials", become(ALICE["password"])
    )


@pytest.mark.timeout(240)
def test_a_certificate_that_runs_out_and_is_replaced(secured_scenario, secured):
    bundle = secured.files.server.bundle
    valid = bundle.read_text()
    authority = CertificateAuthority(secured.files.ca.parent)
    expired = authority.issue("expired", dns=["localhost"], addresses=["127.0.0.1"], days=-1)

    def show(certificate: str) -> Callable[[], None]:
        def change() -> None:
            bundle.write_text(certificate)
            secured.restart()

        return change

    assert_waits_and_goes_on(secured_scenario, show(expired.bundle.read_text()), "certificate has expired", show(valid))


def assert_waits_and_goes_on(
    scenario: Scenario, withdraw: Callable[[], object], said: str, give_back: Callable[[], object]
) -> None:
    worker = scenario.ready_worker()
    scenario.load.sent(20)
    scenario.wait_handled()

    withdraw()
    scenario.load.sent(20)
    worker.wait_for_output(said, 60)
    spent, lines = cpu_seconds(worker.pid), len(worker.output().splitlines())
    elapse(3)
    assert cpu_seconds(worker.pid) - spent < 0.6
    assert len(worker.output().splitlines()) - lines < 10
    assert worker.running
    give_back()

    scenario.wait_handled(60)
    assert worker.terminate() == 0
    assert ALICE["password"] not in worker.output()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()


def acls(scenario: Scenario) -> dict[str, AclBinding]:
    """What a consumer needs."""
    places = {"topic": (ResourceType.TOPIC, scenario.topic), "group": (ResourceType.GROUP, scenario.group)}
    alice = ("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW)
    return {name: AclBinding(*place, ResourcePatternType.LITERAL, *alice) for name, place in places.items()}


def grant(cluster: KafkaCluster, acl: AclBinding) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    for future in admin.create_acls([acl]).values():
        future.result(20)


def withdraw(cluster: KafkaCluster, acl: AclBinding) -> None:
    place = (acl.restype, acl.name, acl.resource_pattern_type)
    these = AclBindingFilter(*place, acl.principal, acl.host, acl.operation, acl.permission_type)
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    for future in admin.delete_acls([these]).values():
        assert len(future.result(20)) == 1
