"""The real services do what the scenarios count on: they keep ports and data when they are killed."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.services.kafka import KafkaCluster
from tests.services.kafka_security import KafkaSecurity
from tests.services.kcat import Kcat


def test_what_kcat_produces_kcat_reads(kcat, create_topic):
    topic = create_topic(partitions=2)

    kcat.produce(topic, "value", key="key", headers=[("name", "one"), ("name", "two")], partition=1)

    (record,) = kcat.consume(topic)
    assert (record.key, record.payload, record.partition) == ("key", "value", 1)
    assert record.header_pairs == [("name", "one"), ("name", "two")]


@pytest.mark.faults
def test_a_killed_broker_comes_back_on_its_port_with_its_records(start_kafka):
    cluster = start_kafka(properties={"auto.create.topics.enable": "true"})
    kcat = Kcat(cluster.bootstrap)
    kcat.produce("events", "before")

    cluster.kill()
    cluster.restart()

    kcat.produce("events", "after")
    assert [record.payload for record in kcat.consume("events")] == ["before", "after"]


def test_data_may_lie_below_the_folder_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with KafkaCluster(directory=Path("data")) as cluster:
        assert cluster.log() == tmp_path / "data" / "broker-1" / "broker.log"


@pytest.mark.faults
def test_three_brokers_survive_the_loss_of_one(start_kafka):
    cluster = start_kafka(brokers=3, properties={"auto.create.topics.enable": "true"})
    kcat = Kcat(cluster.bootstrap, ["acks=all"])
    kcat.produce("events", "before")

    cluster.kill(0)

    kcat.produce("events", "after")
    # Until the dead broker is replaced, its partitions have no end to stop at: so the count says when it is enough.
    assert {record.payload for record in kcat.consume("events", count=2)} == {"before", "after"}


@pytest.fixture(scope="module")
def secured_kafka(kafka):
    with KafkaCluster(security=KafkaSecurity(acls=True, superusers=("alice",))) as cluster:
        yield cluster


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_secured_broker_lets_in_only_who_has_the_password(secured_kafka, mechanism):
    connection = {
        "bootstrap.servers": secured_kafka.bootstrap_of("SASL_TLS"),
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(secured_kafka.files.ca),
        "sasl.mechanism": mechanism,
        "sasl.username": "alice",
        "log_level": 0,
    }

    alice = AdminClient({**connection, "sasl.password": "alice-secret"})
    mallory = AdminClient({**connection, "sasl.password": "guessed"})

    assert len(alice.list_topics(timeout=10).brokers) == 1
    with pytest.raises(KafkaException):
        mallory.list_topics(timeout=3)


def test_a_killed_database_server_comes_back_with_what_was_committed(start_postgres):
    server = start_postgres()
    url = server.create_database("effects")
    server.execute("CREATE TABLE effect AS SELECT 1 AS number", "effects")

    with psycopg.connect(url) as connection:
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.start()

    assert server.execute("SELECT number FROM effect", "effects") == [(1,)]


@pytest.mark.parametrize("database", ["postgres_url", "sqlite_url"])
def test_a_process_of_the_project_finds_all_tables_in_the_database_it_is_given(request, manage, database):
    url = request.getfixturevalue(database)

    check = manage("migrate", "--check", env={"DATABASE_URL": url})

    assert check.wait() == 0, check.tail()
