"""A broker from before Kafka 4.0 doesn't know KIP-848's protocol, and a client that uses it is told nothing at all."""

from __future__ import annotations

import struct

import pytest

from kafka_integration import produce_sync
from kafka_integration.client.metadata.group_protocols import require_consumer_protocol
from kafka_integration.conf import get_settings
from kafka_integration.consuming.group import membership
from kafka_integration.errors import BrokerError, BrokerUnavailableError
from tests.embedded.members import Members, values_of
from tests.faults.proxy import Proxy
from tests.services.ports import free_port

# As the broker names it in ApiVersions: 68 is ConsumerGroupHeartbeat, then its lowest and highest version.
NEW_HEARTBEAT, OLD_HEARTBEAT = struct.pack(">3h", 68, 1, 1), struct.pack(">3h", 68, 0, 0)


@pytest.fixture
def old_broker(own_broker):
    """The embedded broker, behind a proxy that has it be Kafka 3.9 for those who ask."""
    port = int(own_broker.servers.rpartition(":")[2])

    def edit(answer: bytes) -> bytes:
        return answer.replace(NEW_HEARTBEAT, OLD_HEARTBEAT).replace(
            struct.pack(">i", port), struct.pack(">i", proxy.port)
        )

    with Proxy(port, edit=edit) as proxy:
        yield f"127.0.0.1:{proxy.port}"


def configured(settings, servers, group_protocol="consumer"):
    members = Members(settings, endpoints=[servers])
    members.configure("one", group_protocol=group_protocol)
    return members


@pytest.mark.parametrize("until_caught_up", [False, True])
def test_a_consumer_that_wants_the_new_protocol_ends_and_names_the_setting(
    old_broker, settings, monkeypatch, until_caught_up
):
    monkeypatch.setattr(membership, "LEFT_OUT_SECONDS", 2.0)
    members = configured(settings, old_broker)

    one = members.start("one", until_caught_up=until_caught_up)
    one.join()

    assert isinstance(one.loop.fault, BrokerError)
    assert str(one.loop.fault) == (
        'consumer one: its "group_protocol" is "consumer" (KIP-848), which the broker doesn\'t know, as before '
        'Kafka 4.0: set "group_protocol": "classic", or upgrade the broker.'
    )


def test_a_broker_that_knows_it_is_no_problem(own_broker, settings):
    members = configured(settings, own_broker.servers)

    require_consumer_protocol(get_settings().consumers["one"].connection, place="one", timeout=5)

    assert members.topic


def test_one_that_cannot_be_asked_says_nothing_about_the_protocol(settings):
    configured(settings, f"127.0.0.1:{free_port()}")

    with pytest.raises(BrokerUnavailableError) as caught:
        require_consumer_protocol(get_settings().consumers["one"].connection, place="one", timeout=0.5)

    assert not caught.value.fatal


def test_a_consumer_that_leaves_the_protocol_open_reads_from_an_old_broker_and_from_a_new_one(
    own_broker, old_broker, settings, caplog
):
    caplog.set_level("INFO", logger="kafka_integration")
    members = configured(settings, old_broker, "auto")
    own_broker.create_topics([members.topic])
    produce_sync(members.topic, "by the classic protocol")
    members.run("one")
    assert values_of("one") == ["by the classic protocol"]
    assert 'consumer one: its group_protocol is "classic"' in caplog.text

    members = configured(settings, own_broker.servers, "auto")
    own_broker.create_topics([members.topic])
    produce_sync(members.topic, "by the new one")
    members.run("one")
    assert values_of("one") == ["by the new one"]
    assert 'consumer one: its group_protocol is "consumer"' in caplog.text
