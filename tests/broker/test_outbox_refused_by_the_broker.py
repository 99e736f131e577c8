"""A relay comes with a wrong password, trusts another CA, or meets the broker by a wrong name.

Each is its own error within thirty seconds, without a secret in it, and tried again without heat. What was published
stays in the outbox, none of it refused, and people go on publishing; when the setting is mended, all of it leaves in
order. If it is the broker that is mended, the relay that waits needs nobody to restart it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.faults.watching import cpu_seconds, elapse
from tests.processes import ChildProcess
from tests.publishing.scenario import PublishingScenario
from tests.services.certificates import CertificateAuthority
from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import missing_for_kafka
from tests.services.kafka_security import KafkaSecurity
from tests.services.presence import require

pytestmark = pytest.mark.faults

ALICE = {"mechanism": "scram_sha_512", "login": "alice", "password": "alice-secret"}
WRONG = {**ALICE, "password": "wr0ng-s3cret"}
LINES_OF_A_WAIT = 4


@pytest.fixture(scope="module")
def secured() -> Iterator[KafkaCluster]:
    require(missing_for_kafka())
    with KafkaCluster(security=KafkaSecurity()) as cluster:
        yield cluster


@pytest.fixture
def refused(publishing: PublishingScenario, secured: KafkaCluster, start_kafka: object) -> PublishingScenario:
    """Ten rows of one key for a topic of the secured broker."""
    publishing.bootstrap = secured.bootstrap
    with AdminClient({"bootstrap.servers": secured.bootstrap}) as admin:
        admin.create_topics([NewTopic(publishing.topic, 1)])[publishing.topic].result(30)
    for number in range(10):
        publishing.insert(str(number), key="k")
    return publishing


def relay_through(
    scenario: PublishingScenario, cluster: KafkaCluster, listener: str = "SASL_TLS", **keys: Any
) -> ChildProcess:
    assert cluster.files is not None
    scenario.kafka |= {
        "endpoints": cluster.bootstrap_of(listener).split(","),
        "ssl": {"ca": str(cluster.files.ca)},
        "sasl": ALICE,
        **keys,
    }
    return scenario.active_relay()


@pytest.mark.parametrize("mechanism", ["plain", "scram_sha_512"])
def test_a_wrong_password(refused: PublishingScenario, secured: KafkaCluster, mechanism: str) -> None:
    relay = relay_through(refused, secured, sasl={**WRONG, "mechanism": mechanism})

    assert_said_and_waited_for(relay, "refused the credentials")
    assert_all_is_kept_and_leaves_once_mended(refused, secured, relay)


def test_another_ca(refused: PublishingScenario, secured: KafkaCluster, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path / "other", "Somebody else's CA")

    relay = relay_through(refused, secured, ssl={"ca": str(other.certificate)})

    assert_said_and_waited_for(relay, "not signed by a CA that this client trusts")
    assert_all_is_kept_and_leaves_once_mended(refused, secured, relay)


def test_a_wrong_host_name(refused: PublishingScenario, secured: KafkaCluster) -> None:
    relay = relay_through(refused, secured, listener="MISNAMED")

    assert_said_and_waited_for(relay, "certificate is for another host name")
    assert_all_is_kept_and_leaves_once_mended(refused, secured, relay)


def test_a_password_that_the_broker_learns_later(refused: PublishingScenario, secured: KafkaCluster) -> None:
    carol = {"mechanism": "scram_sha_512", "login": "carol", "password": "carol-secret"}
    relay = relay_through(refused, secured, sasl=carol)
    relay.wait_for_output("refused the credentials", 30)

    known = UserScramCredentialUpsertion(
        "carol", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"carol-secret"
    )
    with AdminClient({"bootstrap.servers": secured.bootstrap}) as admin:
        admin.alter_user_scram_credentials([known])["carol"].result(30)

    refused.wait_empty(60)
    assert_in_order(refused, 10)


def assert_said_and_waited_for(relay: ChildProcess, pattern: str) -> None:
    relay.wait_for_output(pattern, 30)
    spent, lines = cpu_seconds(relay.pid), len(relay.output().splitlines())
    elapse(5)
    assert cpu_seconds(relay.pid) - spent < 1.0
    assert len(relay.output().splitlines()) - lines <= LINES_OF_A_WAIT, relay.tail()
    assert relay.running


def assert_all_is_kept_and_leaves_once_mended(
    scenario: PublishingScenario, cluster: KafkaCluster, relay: ChildProcess
) -> None:
    scenario.insert("10", key="k")
    assert (scenario.waiting(), scenario.refused()) == (11, [])
    assert relay.terminate(10) == 0
    assert not any(secret in relay.output() + json.dumps(relay.command) for secret in ("alice-secret", "wr0ng-s3cret"))
    relay_through(scenario, cluster)
    scenario.wait_empty()
    assert_in_order(scenario, 11)


def assert_in_order(scenario: PublishingScenario, count: int) -> None:
    assert [message.value for message in scenario.arrived()] == [str(number).encode() for number in range(count)]
