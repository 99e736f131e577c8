"""Which topics belong to which cluster, when the settings lead to several."""

from __future__ import annotations

from typing import Any

import pytest

from kafka_integration.conf import get_settings
from kafka_integration.operating.topics.wanted import WantedCluster, cluster_of, config_text, wanted_clusters
from tests.unit.topics import consumer_of

pytestmark = pytest.mark.usefixtures("project_alone")


def clusters(settings: Any, **kafka: Any) -> list[WantedCluster]:
    settings.KAFKA = kafka
    return wanted_clusters(get_settings())


def shown(found: list[WantedCluster]) -> dict[str, list[str]]:
    return {",".join(each.connection.servers): [topic.name for topic in each.topics] for each in found}


def test_a_topic_belongs_to_the_cluster_of_those_who_name_it(settings: Any) -> None:
    found = clusters(
        settings,
        endpoints=["main:9092"],
        producer={"topics": ["sent"]},
        consumers={
            "here": consumer_of("sent", "read"),
            "there": consumer_of("far", endpoints=["other:9092"], consumer_group="there", dead_letter_topic="dead"),
        },
        topics={"far": {"partitions": 3}, "nobodys": {"partitions": 2}},
    )

    assert shown(found) == {"main:9092": ["dead", "nobodys", "read", "sent"], "other:9092": ["far"]}
    assert [topic.partitions for topic in found[1].topics] == [3]
    assert cluster_of(found, "far") is found[1]
    assert cluster_of(found, "whatever") is found[0]


def test_one_cluster_in_another_order_of_its_brokers_is_one(settings: Any) -> None:
    found = clusters(
        settings,
        endpoints=["a:9092", "b:9092"],
        consumers={"c": consumer_of("read", endpoints=["b:9092", "a:9092"])},
    )

    assert shown(found) == {"a:9092,b:9092": ["read"]}


def test_without_endpoints_at_the_top_each_has_its_own_cluster(settings: Any) -> None:
    found = clusters(settings, consumers={"c": consumer_of("read", endpoints=["x:9092"], dead_letter_topic="dead")})

    assert shown(found) == {"x:9092": ["dead", "read"]}


@pytest.mark.parametrize(("protocol", "is_read"), [("classic", True), ("consumer", False)])
def test_a_pattern_means_what_the_group_would_read(protocol: str, is_read: bool, settings: Any) -> None:
    (found,) = clusters(settings, endpoints=["a:9092"], consumers={"c": consumer_of("^click", group_protocol=protocol)})

    assert found.names("click-old") is is_read
    assert found.names("click")


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (5, "5"), (5.0, "5"), (0.5, "0.5"), (["compact", "delete"], "compact,delete"), (None, None)],
)
def test_settings_are_written_as_kafka_writes_them(value: Any, text: str | None) -> None:
    assert config_text(value) == text
